"""numba, where it is there: how kernels are compiled, where the code is kept, and which kernels are in use.

Until `use` or `compile_kernels` is called, numpy does the work: loading numba takes a second, compiling without a cache
some twenty. Both give the same plans.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from farthing.decide import vectors

_F = TypeVar("_F", bound=Callable[..., Any])

_in_use: list[ModuleType] = [vectors]
_here: ContextVar[ModuleType | None] = ContextVar("kernels in use in this thread or task only", default=None)


def engine() -> ModuleType:
    """The kernels in use: `compiled` or `vectors`."""
    return _here.get() or _in_use[-1]


def use(module: ModuleType) -> None:
    """Use these kernels from now on, everywhere."""
    _in_use[:] = [module]


@contextmanager
def using(module: ModuleType) -> Iterator[None]:
    """Use these kernels inside, in this thread or task only."""
    before = _here.set(module)
    try:
        yield
    finally:
        _here.reset(before)


def load_kernels() -> ModuleType | None:
    """The kernels that numba compiles, each when it is first called; None where numba is missing."""
    try:
        return importlib.import_module("farthing.decide.compiled")
    except ImportError:
        return None


def compile_kernels() -> bool:
    """Use compiled kernels from now on, if numba is there; says whether it is."""
    kernels = load_kernels()
    if kernels is not None:
        use(kernels)
    return kernels is not None


def kernel(function: _F) -> _F:
    """Compile a function over numpy arrays when it is first called. ImportError where numba is missing."""
    kept = are_kept()
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


def are_kept() -> bool:
    """Whether compiled kernels are kept, or each process compiles anew. Tells numba the folder, before it is loaded."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
    return os.access(folder, os.W_OK)
