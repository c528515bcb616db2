"""One at a time in a folder, among all programs of this machine."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_in(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold `folder`, made where it is missing. Whoever comes second calls `waiting`, then waits.

    The folder itself is locked, so no lock file stays behind; it may be removed while it is held.
    """
    descriptor = _hold(folder, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _hold(folder: Path, waiting: Callable[[], None]) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed while we waited: this is not the folder that is there now
