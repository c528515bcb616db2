"""Devices of one shape: those that give every ask the same amounts. A large fleet has few shapes."""

from dataclasses import dataclass

import numpy as np

from farthing.model.cluster import Capacity
from farthing.state.fleet import Fleet, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """`of` [devices] is the shape of each device, `example` the first device of each; the rest are their columns."""

    of: Ints
    example: Ints
    compute: Ints
    memory: Ints
    compute_grain: Ints
    memory_grain: Ints

    @property
    def size(self) -> Ints:
        """Compute and memory of each shape, [2, shapes]."""
        return np.stack([self.compute, self.memory])


def shapes(fleet: Fleet) -> Shapes:
    """The shapes of a fleet. O(devices) once per fleet."""
    if "shapes" not in fleet.memo:
        fleet.memo["shapes"] = _shapes(fleet)
    found: Shapes = fleet.memo["shapes"]
    return found


def _shapes(fleet: Fleet) -> Shapes:
    columns = (
        fleet.compute,
        fleet.memory,
        fleet.compute_grain,
        fleet.memory_grain,
        fleet.levels,
        fleet.divisible,
        fleet.multi,
        fleet.partition,
        fleet.model_of,
        fleet.vendor_of,
        _capacities(fleet),
    )
    table = np.stack(columns, axis=1).astype(np.int64)
    _, example, of = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return Shapes(np.asarray(of.reshape(-1)), example, *(column[example] for column in columns[:4]))


def _capacities(fleet: Fleet) -> Ints:
    """A number for what each device says of its capacities, and whose driver it is."""
    codes: dict[tuple[str, tuple[tuple[str, Capacity], ...]], int] = {}
    known: dict[tuple[str, int], int] = {}
    column = []
    for device, spec in zip(fleet.devices, fleet.specs, strict=True):
        quick = (device.driver, id(spec.capacity))
        if quick not in known:
            known[quick] = codes.setdefault((device.driver, spec.capacity), len(codes))
        column.append(known[quick])
    return np.array(column, dtype=np.int64)
