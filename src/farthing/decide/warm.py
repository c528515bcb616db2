"""Every kernel run once, so that all are compiled, or read from the cache, before anybody waits for them.

`python -m farthing.decide.warm` does so in a process of its own, at low priority, for the cache.
"""

import os
import sys
from types import ModuleType

import numpy as np

from farthing.decide.jit import load_kernels, use, using
from farthing.decide.needs import Need
from farthing.decide.table import Table
from farthing.model.ask import Ask
from farthing.model.cluster import (
    DEVICE_CLASS,
    OWN_DRIVER,
    Capacity,
    Device,
    DeviceClass,
    DriverProfile,
    Node,
    Slice,
)
from farthing.model.quantity import MIB, WHOLE_DEVICE, MilliGpu
from farthing.state.fleet import Fleet, build_fleet
from farthing.state.mix import WHOLE, AskClass, Typical
from farthing.state.usage import untouched

_NEEDS = (
    None,
    Need(1, DEVICE_CLASS, Ask(milli=MilliGpu(500))),
    Need(2, DEVICE_CLASS, Ask(count=2, milli=WHOLE_DEVICE)),
)
"""One of each sort that the kernels tell apart: for no device, for one, and for several."""


def use_compiled() -> bool:
    """Use compiled kernels from now on, all of them ready; says whether numba is there."""
    kernels = load_kernels()
    if kernels is not None:
        warm_up(kernels)
        use(kernels)
    return kernels is not None


def warm_up(kernels: ModuleType) -> None:
    """Run them all on a small fleet. Seconds where they are cached, else some twenty."""
    fleet = _fleet()
    with using(kernels):
        table = Table(fleet, untouched(fleet), Typical(((WHOLE, 1),), 1))
        for need in _NEEDS:
            question = table.question(need, 1, 1, 0)
            table.scores(question)
            node, devices = table.choose(question)
            table.pick(question, node, np.ones(len(fleet.devices), dtype=bool))
            table.take(question, node, devices)
            table.take(question, node, devices, -1)
            node, devices = table.place(question)
            table.take(question, node, devices, -1)
        table.learn(Typical(((AskClass(Ask(milli=MilliGpu(250)), 1), 1), (WHOLE, 1)), 2))
        table.follow(untouched(fleet), [0])


def _fleet() -> Fleet:
    compute, memory = Capacity(1000, portioned=True, step=1), Capacity(1 << 30, portioned=True, step=MIB)
    devices = tuple(Device(f"gpu-{i}", True, (), (("compute", compute), ("memory", memory))) for i in range(2))
    nodes = [Node(name, 1, name, 8000, 1 << 30, 10, {}) for name in "abcdefgh"]
    slices = [Slice(n.name, 1, OWN_DRIVER, n.name, 1, 1, n.name, devices) for n in nodes]
    profile = DriverProfile(OWN_DRIVER, 1, OWN_DRIVER, "", "memory", "compute", levels=("shared",))
    return build_fleet(nodes, slices, [profile], [DeviceClass(DEVICE_CLASS, 1)])


if __name__ == "__main__":
    os.nice(10)
    if not use_compiled():
        sys.exit("numba is not installed")
