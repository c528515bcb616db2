"""numba, where it is there: how kernels are compiled, where the code is kept, and which kernels are in use.

Until `compile_kernels` is called, numpy does the work: loading numba takes a second, and compiling without a cache some
twenty, which only those who place by the thousand need. Both give the same plans.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from farthing.decide import vectors

_F = TypeVar("_F", bound=Callable[..., Any])

_in_use: list[ModuleType] = [vectors]


def engine() -> ModuleType:
    """The kernels in use: `compiled` or `vectors`."""
    return _in_use[-1]


def compile_kernels() -> bool:
    """Use compiled kernels from now on, if numba is there; says whether it is."""
    try:
        found = importlib.import_module("farthing.decide.compiled")
    except ImportError:
        return False
    _in_use[:] = [found]
    return True


def kernel(function: _F) -> _F:
    """Compile a function over numpy arrays when it is first called. ImportError where numba is missing."""
    kept = _kept()
    numba = importlib.import_module("numba")
    # Sums may be added up in any order, since all numbers are whole; that lets them go through vector units.
    compiled: _F = numba.njit(function, cache=kept, fastmath={"reassoc"}, error_model="numpy")
    return compiled


def cache_folder() -> Path:
    """Where compiled kernels are kept: NUMBA_CACHE_DIR, or else the user's cache."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farthing" / "numba"


def _kept() -> bool:
    """Tell numba the folder, before it is loaded; False where there is none, so that each process compiles anew."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
    return os.access(folder, os.W_OK)
