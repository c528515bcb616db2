"""What nobody can use although it is free: devices of nodes without room, and slivers of devices.

What is looked for is room for the least that is typically asked for. A node or a device counts once two looks in a row
find it so, since pods come and go all the time.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from farthing.model.cluster import Pod
from farthing.model.quantity import MIB, WHOLE_DEVICE
from farthing.state.fleet import Fleet, Ints
from farthing.state.mix import WHOLE, Typical
from farthing.state.snapshot import Snapshot

Parts = NDArray[np.float64]


class Left(NamedTuple):
    """What shares leave of a device, in its own unit and in bytes."""

    compute: int
    memory: int


def cramped(snapshot: Snapshot, pods: Iterable[Pod]) -> frozenset[str]:
    """The nodes on which none of the typical asks has room; `pods` are those whose memory is typical."""
    free = snapshot.free
    full = (free.cpu < _least_cpu(snapshot.mix)) | (free.memory_of_node < _least_memory(pods)) | (free.pods < 1)
    return frozenset(snapshot.fleet.nodes[i].name for i in np.flatnonzero(full))


def slivers(snapshot: Snapshot) -> dict[str, Left]:
    """What is left of shared devices and too little for any typical ask for a part of one, by device.

    Where compute or memory is gone altogether nothing is left over to say of it: the dominant shares pay for the rest.
    Nothing is a sliver where no typical ask is for a part.
    """
    fleet, free = snapshot.fleet, snapshot.free
    left = np.minimum(_part(free.compute, fleet.compute), _part(free.memory, fleet.memory))
    small = left + _part(np.full_like(fleet.memory, MIB), fleet.memory, none=0) < _least_part(snapshot.mix, fleet)
    found = np.flatnonzero(fleet.divisible & (free.users > 0) & (left > 0) & small)
    return {
        "/".join(fleet.devices[i]): Left(int(free.compute[i]), int(free.memory[i]))
        for i in found.tolist()
        if i not in fleet.consumes
    }


def _part(amount: Ints, size: Ints, none: float = 1) -> Parts:
    """Amounts as parts of what devices have; `none` where they have no such capacity."""
    return np.divide(amount, size, out=np.full(len(size), none, np.float64), where=size > 0)


def _least_part(mix: Typical, fleet: Fleet) -> Parts:
    """For each device, the least part of it that a typical ask takes; 0 where none is for a part."""
    asks = [kind.ask for kind, _ in mix.classes[: mix.typical]]
    parts = [ask.milli / WHOLE_DEVICE for ask in asks if ask.milli is not None and not ask.whole]
    sizes = [ask.memory for ask in asks if ask.memory is not None]
    if not (parts or sizes):
        return np.zeros(len(fleet.devices))
    by_size = _part(np.full_like(fleet.memory, min(sizes)), fleet.memory) if sizes else np.ones(len(fleet.devices))
    return np.minimum(by_size, min(parts, default=1))


def _least_cpu(mix: Typical) -> int:
    """Thousandths of a core; the hope for whole devices, which is in every mix, asks for none."""
    return min((kind.cpu for kind, _ in mix.classes[: mix.typical] if kind != WHOLE), default=0)


def _least_memory(pods: Iterable[Pod]) -> int:
    """Bytes."""
    return min((pod.memory for pod in pods if pod.claims), default=0)
