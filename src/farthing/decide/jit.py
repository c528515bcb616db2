"""numba, where it is there: how kernels are compiled, and where the compiled code is kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def cache_folder() -> Path:
    """Where compiled kernels are kept: NUMBA_CACHE_DIR, or else the user's cache."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farthing" / "numba"


def _kept() -> bool:
    """Whether there is a folder to keep compiled code in; without one it is compiled anew by each process."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
    return os.access(folder, os.W_OK)


KEPT: Final = _kept()


def kernel(function: _F) -> _F:
    """Compile a function over numpy arrays. ImportError where numba is missing."""
    import numba  # noqa: PLC0415 -- it takes most of a second, and only those who place by the thousand need it

    compiled: _F = numba.njit(function, cache=KEPT, fastmath={"reassoc"}, error_model="numpy")
    return compiled
