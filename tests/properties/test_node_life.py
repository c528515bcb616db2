"""Claims come and go, the driver is killed at any write, and in the end nothing is left of anything."""

import asyncio
import os
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.model.errors import FarthingError
from tests.unit.node.conftest import Rig, name
from tests.unit.node.test_preparing import KilledError

ACTS = st.lists(
    st.tuples(st.sampled_from(["prepare", "unprepare", "delete", "sweep"]), st.integers(0, 7), st.integers(1, 9)),
    min_size=10,
    max_size=50,
)


class Deadly:
    """Writing that ends the process, half done, at the write with a given number."""

    def __init__(self):
        self.left = 0
        self.real = os.write, os.pwrite, os.replace

    def _count(self):
        self.left -= 1
        return self.left == 0

    def write(self, file, data):
        if self._count():
            self.real[0](file, data[: len(data) // 2])
            raise KilledError
        return self.real[0](file, data)

    def pwrite(self, file, data, at):
        if self._count():
            self.real[1](file, data[: len(data) // 2], at)
            raise KilledError
        return self.real[1](file, data, at)

    def replace(self, *paths):
        if self._count():
            raise KilledError
        return self.real[2](*paths)


@given(acts=ACTS)
@settings(max_examples=60, deadline=None)
def test_nothing_leaks_and_nothing_is_held_twice(acts):
    with tempfile.TemporaryDirectory() as where:
        asyncio.run(_lived(Rig(Path(where)), acts))


async def _lived(rig, acts):
    deadly = Deadly()
    driver = rig.restart()
    with mock.patch.multiple(os, write=deadly.write, pwrite=deadly.pwrite, replace=deadly.replace):
        for act, number, fuse in acts:
            deadly.left = fuse
            try:
                await _act(rig, driver, act, number)
            except KilledError:
                driver = rig.restart()
            except FarthingError:
                pass
            held = [share for record in driver.hands.checkpoint for share in record.shares]
            assert sum(share.compute for share in held if share.device == "gpu-0") <= 1000
        deadly.left = 0
        await _ended(rig)


async def _act(rig, driver, act, number):
    if act == "prepare":
        await driver.prepare(rig.give(number, compute=300))
    elif act == "unprepare":
        await driver.unprepare(name(number))
    elif act == "delete":
        rig.claims.pop(f"c{number}", None)
    else:
        await driver.sweep()


async def _ended(rig):
    """Everything is deleted, and the next driver sweeps; what a half line spoiled, a second sweep finds."""
    rig.claims.clear()
    driver = rig.restart()
    await driver.sweep()
    assert rig.left() == []
    assert rig.bench.opened == set()
