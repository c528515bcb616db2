"""Compiled kernels for a spoke, made ready beside its work and never instead of it.

Compiling takes some twenty seconds of a core and much memory: a process of its own does it, once, at low priority, and
leaves the result in a cache (`NUMBA_CACHE_DIR`). Reading that takes a thread a second or two. Until then, and for good
where it cannot be had, numpy gives the same plans.
"""

import asyncio
import contextlib
import gc
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Final

import structlog

from farthing.decide import warm
from farthing.decide.jit import are_kept
from farthing.spoke.metrics import Metrics

_log = structlog.get_logger(__name__)

_COMPILE: Final = (sys.executable, "-m", "farthing.decide.warm")


async def use_compiled(metrics: Metrics) -> None:
    """Plan with compiled kernels as soon as they are ready. Nothing is wrong without them, so it never fails."""
    why = await _compile()
    if why:
        _log.info("plans are made without compiled kernels", why=why)
        return
    try:
        await asyncio.to_thread(warm.use_compiled)
    except Exception:  # noqa: BLE001 -- whatever numba says: numpy plans the same
        _log.warning("compiled kernels cannot be used; plans are made without them", exc_info=True)
        return
    gc.freeze()
    metrics.compiled.set(1)
    _log.info("plans are made with compiled kernels")


async def _compile() -> str:
    """Have all kernels compiled into the cache; why that failed, or nothing."""
    if not are_kept():
        return "there is no folder to keep them in; NUMBA_CACHE_DIR names one that can be written"
    try:
        process = await asyncio.create_subprocess_exec(*_COMPILE, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    except OSError as error:
        return f"no process to compile them can be started: {error}"
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode == 0:
        return ""
    lines = said.decode(errors="replace").strip().splitlines() or [f"it ended with {process.returncode}"]
    return lines[-1]
