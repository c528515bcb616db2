"""Device classes: what teams have quota of.

The class of a device is the model that a quota names it by, or OTHERS where none does. Whole devices, shares and
partitions are measured in one unit: thousandths of a physical device.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from farthing.model.quantity import WHOLE_DEVICE
from farthing.model.team import OTHERS
from farthing.state.cards import CARD, drawn
from farthing.state.fleet import Fleet, Ints, model_name, names

_REPELLING: Final = ("NoSchedule", "NoExecute")

MIG_SLICES: Final = 7
"""A device that can be partitioned has so many slices of compute; 2g.20gb takes two of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The device classes of a fleet.

    `names` are the classes, OTHERS last. `of` [devices] is the class of each device, `milli` [devices] the part of a
    physical device that it is, in thousandths. `compute` and `memory` [classes] are what the healthy devices of a
    class have in all: thousandths of devices, and bytes.
    """

    names: tuple[str, ...]
    of: Ints
    milli: Ints
    compute: Ints
    memory: Ints


def classes_of(fleet: Fleet, named: tuple[str, ...]) -> Classes:
    """The classes, where quotas name these models. Remembered per fleet."""
    key = ("classes", named)
    if key not in fleet.memo:
        fleet.memo[key] = _classes(fleet, named)
    found: Classes = fleet.memo[key]
    return found


def class_of_model(model: str, named: tuple[str, ...]) -> int:
    """The index of a model's class: of several names that fit it the longest, then the first; OTHERS where none."""
    fitting = [(-len(model_name(name)), i) for i, name in enumerate(named) if names(name, model)]
    return min(fitting)[1] if fitting else len(named)


def _classes(fleet: Fleet, named: tuple[str, ...]) -> Classes:
    by_model = np.array([class_of_model(model, named) for model in fleet.models], dtype=np.int64)
    of = by_model[fleet.model_of] if len(by_model) else np.zeros(0, dtype=np.int64)
    milli = np.full(len(fleet.devices), int(WHOLE_DEVICE), dtype=np.int64)
    for i in [*fleet.consumes, *np.flatnonzero(fleet.partition)]:
        milli[i] = _part(fleet, int(i))
    compute, memory = np.zeros(len(named) + 1, dtype=np.int64), np.zeros(len(named) + 1, dtype=np.int64)
    for group in _physical(fleet):
        compute[of[group[0]]] += milli[group[0]] if len(group) == 1 else WHOLE_DEVICE
        memory[of[group[0]]] += fleet.memory[group].max()
    return Classes((*named, OTHERS), of, milli, compute, memory)


def _part(fleet: Fleet, i: int) -> int:
    """The part of its physical device that device i takes: of the counters that it draws on, or by its profile."""
    if fleet.consumes.get(i):
        return min(int(WHOLE_DEVICE), drawn(fleet, i) * WHOLE_DEVICE // CARD)
    profile = fleet.attribute(i, fleet.profiles[fleet.devices[i].driver].profile) if fleet.partition[i] else None
    slices = str(profile).partition("g.")[0]
    return WHOLE_DEVICE * min(int(slices), MIG_SLICES) // MIG_SLICES if slices.isdecimal() else WHOLE_DEVICE


def _physical(fleet: Fleet) -> Iterator[list[int]]:
    """The healthy devices, those that share counters together: they are cut from one."""
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, spec in enumerate(fleet.specs):
        if fleet.tainted[i] and any(taint.effect in _REPELLING for taint in spec.taints):
            continue
        if spec.consumes:
            together[(*fleet.devices[i][:2], spec.consumes[0][0])].append(i)
        else:
            yield [i]
    yield from together.values()


def part_of(fleet: Fleet, classes: Classes, i: int, compute: int, memory: int) -> int:
    """What so much compute and memory of device i are in thousandths of a physical device: the larger of the two."""
    wholes = ((compute, int(fleet.compute[i])), (memory, int(fleet.memory[i])))
    parts = [-(-used * int(classes.milli[i]) // whole) for used, whole in wholes if whole]
    return max(parts, default=int(classes.milli[i]))
