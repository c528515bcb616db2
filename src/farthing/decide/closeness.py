"""Which devices of a node are close to each other: by what drivers publish of NVLink, PCIe and NUMA."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from farthing.state.fleet import Fleet, Ints

ATTRIBUTES: Final = ("nvlinkDomain", "resource.kubernetes.io/pcieRoot", "resource.kubernetes.io/numaNode")
"""Closest first. The latter two are Kubernetes' own names; the first is a driver's own, as no standard has one."""


def domains(fleet: Fleet) -> Ints:
    """For each kind of closeness that is published, closest first, the domain of each device; -1: not known."""
    found = np.full((len(ATTRIBUTES), len(fleet.devices)), -1, dtype=np.int64)
    names: list[dict[tuple[int, object], int]] = [{} for _ in ATTRIBUTES]
    for i, level, value in _published(fleet):
        place = (int(fleet.node_of[i]), value)
        found[level, i] = names[level].setdefault(place, len(names[level]))
    return np.ascontiguousarray(found[(found >= 0).any(axis=1)])


def _published(fleet: Fleet) -> Iterator[tuple[int, int, object]]:
    """Devices with the kinds of closeness that they speak of, and what they say."""
    levels = {name: level for level, name in enumerate(ATTRIBUTES)}
    levels |= {f"{driver}/{name}": level for driver in fleet.profiles for level, name in enumerate(ATTRIBUTES)}
    for i, spec in enumerate(fleet.specs):
        for name, value in spec.attributes:
            level = levels.get(name)
            if level is not None:
                yield i, level, value
