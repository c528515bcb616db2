"""Where clusters and programs are kept, and one at a time in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from farthing.local import paths
from farthing.local.locks import alone_in
from farthing.local.machine import Machine, machines
from farthing.model.errors import InvalidError, PermanentError

HOLD = """
import sys
from pathlib import Path
from farthing.local.locks import alone_in
with alone_in(Path(sys.argv[1]), lambda: print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.readline()
"""


def nobody_waits() -> None:
    raise AssertionError("there is nobody to wait for")


def holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_folders_are_the_users_own_unless_named(monkeypatch, tmp_path):
    for name in ("FARTHING_HOME", "FARTHING_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert paths.home() == Path("/home/me/.local/share/farthing")
    assert paths.cache() == Path("/home/me/.cache/farthing")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert paths.home() == Path("/data/farthing")
    monkeypatch.setenv("FARTHING_HOME", "~/mine")
    assert paths.home() == Path("/home/me/mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARTHING_HOME", "here")
    assert paths.home() == tmp_path / "here"


def test_the_second_waits_until_the_first_has_left(tmp_path):
    with holder(tmp_path / "place") as first:
        assert heard(first) == "holds"
        with holder(tmp_path / "place") as second:
            assert heard(second) == "waits"
            first.communicate("\n")
            assert heard(second) == "holds"
            second.communicate("\n")


def test_a_folder_that_was_removed_meanwhile_is_made_again(tmp_path):
    place = tmp_path / "place"
    with alone_in(place, nobody_waits):
        second = holder(place)
        assert heard(second) == "waits"
        place.rmdir()
    with second:
        assert heard(second) == "holds"
        assert place.exists()
        second.communicate("\n")


def test_nothing_stays_of_a_lock(tmp_path):
    with alone_in(tmp_path / "place", nobody_waits):
        pass
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "ä", "x" * 41, ".", "-" * 3])
def test_a_name_that_is_no_folder_of_ours_is_refused(name):
    with pytest.raises(InvalidError, match=r"--name: .* is not a name; expected letters, digits and dashes"):
        Machine.named(name, Path())


def test_a_home_that_cannot_be_a_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "file"))
    with (
        pytest.raises(PermanentError, match=r"cannot keep a cluster in .*FARTHING_HOME"),
        Machine.named("a", Path()).alone(nobody_waits),
    ):
        raise AssertionError("nothing is held")


def test_clusters_are_known_by_their_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path))
    (tmp_path / "traces").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "tokens.json").touch()
    assert machines() == ("b",)


def test_the_fleet_of_the_last_start_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "home"))
    machine = Machine.named("a", Path())
    machine.folder.mkdir(parents=True)
    assert len(machine.fleet(None)) == 24
    wished = tmp_path / "mine.csv"
    wished.write_text("sn,cpu_milli,memory_mib,gpu,model\nn-1,1000,1024,1,T4\n")
    assert len(machine.fleet(wished)) == 2
    machine.keep_fleet(wished)
    machine.keep_fleet(machine.folder / "fleet.csv")
    wished.unlink()
    assert [one["kind"] for one in machine.fleet(None)] == ["Node", "ResourceSlice"]
