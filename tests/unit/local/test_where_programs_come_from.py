"""A named folder, the cache, a release, a build: in this order."""

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from farthing.local import binaries
from farthing.local.binaries import obtain
from farthing.local.pins import CONTROL_PLANE, PROGRAMS, Program
from farthing.model.errors import InvalidError, NotFoundError, PermanentError
from tests.unit.local.conftest import Go, Upstream


def quietly(what: str, done: int, total: int) -> None:
    """Progress that nobody reads."""


def full(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for program in PROGRAMS:
        (folder / program.name).touch(0o755)
    return folder


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def test_a_folder_that_the_user_names_is_used_as_it_is(tmp_path):
    assert obtain(full(tmp_path / "mine"), quietly) == tmp_path / "mine"


def test_the_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_BIN", str(full(tmp_path / "mine")))
    assert obtain(None, quietly) == tmp_path / "mine"


def test_a_relative_folder_becomes_absolute_since_the_programs_run_elsewhere(tmp_path, monkeypatch):
    full(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert obtain(Path("mine"), quietly) == tmp_path / "mine"


def test_a_named_folder_that_lacks_programs_is_refused_with_their_names(tmp_path):
    mine = full(tmp_path / "mine")
    (mine / "kubectl").unlink()
    (mine / "etcd").chmod(0o644)
    with pytest.raises(NotFoundError, match="lacks etcd, kubectl; put them there, or leave FARTHING_BIN"):
        obtain(mine, quietly)


def test_what_is_in_the_cache_is_not_fetched_again(cache):
    folder = full(cache / "bin" / CONTROL_PLANE.folder)
    told: list[str] = []
    assert obtain(None, lambda what, _done, _total: told.append(what)) == folder
    assert told == []


@pytest.mark.usefixtures("program")
def test_a_release_with_the_right_sum_is_taken(upstream: Upstream):
    upstream.content = {"/tool": b"#!", "/tool.sha256": sha256(b"#!")}
    made = obtain(None, quietly) / "tool"
    assert made.read_bytes() == b"#!"
    assert made.stat().st_mode & 0o111


def test_a_program_inside_an_archive_is_taken_out_of_it(upstream: Upstream, program: Program, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("folder/tool")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"etcd"))
    sums = b"0000  other.tar.gz\n" + sha256(content.getvalue()) + b"  tool\n"
    upstream.content = {"/tool": content.getvalue(), "/tool.sha256": sums}
    monkeypatch.setattr(
        binaries, "CONTROL_PLANE", replace(CONTROL_PLANE, programs=(replace(program, member="folder/tool"),))
    )
    assert (obtain(None, quietly) / "tool").read_bytes() == b"etcd"


@pytest.mark.usefixtures("program")
def test_a_wrong_sum_is_refused_and_leaves_nothing(upstream: Upstream, go: Go, cache):
    built = go()
    upstream.content = {"/tool": b"something else", "/tool.sha256": sha256(b"#!")}
    with pytest.raises(InvalidError, match=r"has the SHA-256 sum .*, upstream says .*; try again"):
        obtain(None, quietly)
    assert built.read_text() == ""
    assert list((cache / "bin").iterdir()) == []


@pytest.mark.usefixtures("program")
def test_a_page_instead_of_a_list_of_sums_is_refused(upstream: Upstream):
    upstream.content = {"/tool": b"#!", "/tool.sha256": b"<html>\xff please log in to the wireless </html>"}
    with pytest.raises(InvalidError, match="not in upstream's list of checksums"):
        obtain(None, quietly)


def test_where_no_release_is_reached_the_rest_is_built_without_asking_again(
    upstream: Upstream, program: Program, go: Go, monkeypatch
):
    built = go()
    monkeypatch.setattr(
        binaries, "CONTROL_PLANE", replace(CONTROL_PLANE, programs=(program, replace(program, name="other")))
    )
    folder = obtain(None, quietly)
    assert upstream.asked == ["/tool.sha256"]
    assert len(built.read_text().splitlines()) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["other", "tool"]


def test_a_broken_answer_counts_as_not_reached(program: Program, go: Go, monkeypatch):
    built = go()
    monkeypatch.setattr(
        binaries,
        "CONTROL_PLANE",
        replace(CONTROL_PLANE, programs=(replace(program, checksums="http://127.0.0.1:1/none"),)),
    )
    obtain(None, quietly)
    assert len(built.read_text().splitlines()) == 1


@pytest.mark.usefixtures("program")
def test_a_full_disk_is_named_and_leaves_nothing(upstream: Upstream, cache, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    upstream.content = {"/tool": b"#!", "/tool.sha256": sha256(b"#!")}
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PermanentError, match="No space left on device; make room"):
        obtain(None, quietly)
    assert list((cache / "bin").iterdir()) == []
