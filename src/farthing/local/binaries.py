"""Where the programs of a control plane, and of a node, come from.

The first of these that has them:

1. a folder that the user names (`--bin` or `$FARTHING_BIN`; for a node `$FARTHING_NODE_BIN`)
2. Farthing's cache
3. upstream's releases, each checked against the SHA-256 sum that upstream publishes
4. `go build` of upstream's own commands, from pinned modules

Programs are collected in a folder of their own and moved into the cache when all are there: an attempt that is
interrupted or fails leaves nothing behind, and two at once do not meet.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from farthing.local import gobuild
from farthing.local.locks import alone_in
from farthing.local.paths import cache
from farthing.local.pins import CONTROL_PLANE, Kit, Program
from farthing.local.releases import Releases
from farthing.model.errors import FarthingError, InvalidError, NotFoundError, PermanentError

_PARTIAL: Final = ".partial-"

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of the expected seconds are done, and of how many."""


def obtain(named: Path | None, progress: Progress, kit: Kit | None = None) -> Path:
    """A folder with all programs, of the control plane where no other kit is named.

    Raises where none of the four ways works, saying what to do.
    """
    kit = kit or CONTROL_PLANE
    if named is None and os.environ.get(kit.variable):
        named = Path(os.environ[kit.variable])
    if named is not None:
        return _checked(named.expanduser().absolute(), kit)
    folder = cache() / "bin" / kit.folder
    if _missing(folder, kit):
        try:
            _fill(folder, progress, kit)
        except OSError as error:
            raise PermanentError(
                f"cannot put {kit.what} into {folder}: {error.strerror or error}; "
                f"make room (about 700 MB), or name another place with FARTHING_CACHE"
            ) from error
    return folder


def _checked(folder: Path, kit: Kit) -> Path:
    missing = _missing(folder, kit)
    if missing:
        raise NotFoundError(
            f"{folder} lacks {', '.join(missing)}; put them there, or leave {kit.variable} and --bin out"
        )
    return folder


def _missing(folder: Path, kit: Kit) -> list[str]:
    return [program.name for program in kit.programs if not os.access(folder / program.name, os.X_OK)]


def _fill(folder: Path, progress: Progress, kit: Kit) -> None:
    total = sum(program.seconds for program in kit.programs)
    with alone_in(folder.parent, lambda: progress("another farthing gets them; waiting for it", 0, total)):
        if not _missing(folder, kit):
            return
        _sweep(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_PARTIAL) as scratch:
            made = Path(scratch) / "bin"
            made.mkdir()
            releases = Releases()
            done = 0
            for number, program in enumerate(kit.programs, 1):
                progress(f"{program.name} ({number} of {len(kit.programs)})", done, total)
                _get(program, releases, made / program.name, Path(scratch))
                done += program.seconds
            progress("done", total, total)
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)


def _sweep(folder: Path) -> None:
    """Remove what an attempt left that was killed. Nobody else is at work here: we hold the lock."""
    for left in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left)


def _get(program: Program, releases: Releases, target: Path, scratch: Path) -> None:
    """One program, from a release or else built."""
    try:
        released = releases.download(program, target)
    except InvalidError:
        raise
    except FarthingError as error:
        released, reason = False, str(error)
    else:
        reason = ""
    if not released:
        try:
            gobuild.build(program, target, scratch)
        except FarthingError as error:
            raise PermanentError(f"{error}; nor could it be downloaded: {reason}" if reason else str(error)) from error
    target.chmod(0o755)
