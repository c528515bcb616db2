"""A spoke plans with compiled kernels as soon as it has them, and with numpy where it cannot have them."""

import asyncio
import sys

import pytest

from farthing.decide import jit, vectors
from farthing.decide.cycle import plan
from farthing.decide.draft import Draft
from farthing.decide.jit import engine, load_kernels, use, using
from farthing.decide.warm import warm_up
from farthing.spoke import compiling
from farthing.spoke.compiling import use_compiled
from farthing.spoke.metrics import Metrics
from tests.builders import asking, node, slice_of, snapshot


@pytest.fixture(autouse=True)
def numpy_first():
    before = engine()
    use(vectors)
    yield
    use(before)


def compiled(metrics):
    return metrics.registry.get_sample_value("farthing_kernels_compiled")


async def test_kernels_are_used_once_they_are_ready_and_not_before():
    metrics = Metrics()
    work = asyncio.create_task(use_compiled(metrics))
    await asyncio.sleep(0)
    assert engine() is vectors
    await work
    assert engine() is load_kernels()
    assert compiled(metrics) == 1


@pytest.mark.parametrize("why", ["folder", "numba", "code"])
async def test_numpy_plans_where_they_cannot_be_had(why, monkeypatch):
    if why == "folder":
        monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/none")
    elif why == "numba":
        monkeypatch.setattr(compiling, "_COMPILE", (sys.executable, "-c", "raise SystemExit('numba is not installed')"))
    else:
        monkeypatch.setattr(compiling, "_COMPILE", (sys.executable, "-c", ""))
        monkeypatch.setattr("farthing.decide.warm.warm_up", lambda kernels: 1 / 0)
    metrics = Metrics()
    await use_compiled(metrics)
    assert engine() is vectors
    assert compiled(metrics) == 0


async def test_a_spoke_that_stops_does_not_wait_for_the_compiler(monkeypatch):
    monkeypatch.setattr(compiling, "_COMPILE", (sys.executable, "-c", "import time; time.sleep(600)"))
    work = asyncio.create_task(use_compiled(Metrics()))
    await asyncio.sleep(0.2)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 5)


def test_kernels_of_one_thread_are_nobody_elses():
    kernels = load_kernels()
    with using(kernels):
        assert engine() is kernels
        assert jit._in_use == [vectors]
    assert engine() is vectors


def town(seed):
    """A cluster where pods of every sort wait, and compete."""
    amounts = ["0.5", "1", "2x0.5", "10Gi", "0.25", "3"]
    pods = [
        asking(
            f"p{i}", amounts[(i * seed) % 6], f"team-{i % 2}", cpu=1000 * (i % 4), isolation="hard" if i % 5 else None
        )
        for i in range(24)
    ]
    return snapshot(*(thing for i in range(5) for thing in (node(f"n{i}", cpu=16_000), slice_of(f"n{i}", 3))), *pods)


def told(decided):
    return [(type(effect).__name__, effect.pod.key, effect.reason) for effect in decided]


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 7])
def test_the_plan_is_the_same_and_nothing_more_is_compiled_for_it(seed):
    kernels = load_kernels()
    warm_up(kernels)
    functions = [getattr(kernels, name) for name in ("refresh", "update", "choose", "pick", "take")]
    before = [len(function.signatures) for function in functions]
    with using(kernels):
        by_numba = told(plan(town(seed)))
    assert by_numba == told(plan(town(seed)))
    assert [len(function.signatures) for function in functions] == before


def test_tables_that_were_made_with_numpy_are_not_kept_when_kernels_come():
    found = town(1)
    draft = Draft.of(found)
    with_numpy = draft.table()
    use(load_kernels())
    assert draft.table() is not with_numpy
    assert draft.table() is draft.table()
