"""A described fleet as the planner sees it: the columns that a cluster of such nodes would give."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farthing.files.fleet import PODS_PER_NODE, Described, Group
from farthing.model.ask import ISOLATIONS
from farthing.model.cluster import (
    DEVICE_CLASS,
    OWN_DRIVER,
    Attribute,
    Capacity,
    Device,
    DeviceClass,
    DriverProfile,
    Node,
    Slice,
)
from farthing.model.quantity import MIB, milli_units, whole_units
from farthing.state.fleet import Fleet, build_fleet
from farthing.state.snapshot import Free
from farthing.state.usage import untouched

PROFILE = DriverProfile(OWN_DRIVER, 1, OWN_DRIVER, "nvidia", "memory", "compute", "model", "profile")
DEVICES = DeviceClass(DEVICE_CLASS, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A fleet in the order of one seed; `names` [nodes] are what its nodes are called in their file."""

    fleet: Fleet
    names: tuple[str, ...]

    @property
    def gpus(self) -> int:
        return len(self.fleet.devices)

    def empty(self) -> Free:
        """Columns of what is left where nothing is taken."""
        return untouched(self.fleet)


def simulated(nodes: Sequence[Described], seed: int | None = None) -> Simulated:
    """The fleet. With a seed its nodes are put in an order of chance, since ties go to the first.

    In which order they come in does not matter.
    """
    nodes = sorted(nodes, key=lambda node: node.name)
    order = list(range(len(nodes)))
    if seed is not None:
        random.Random(f"nodes-{seed}").shuffle(order)  # noqa: S311 -- not for secrets
    seen, slices = things(
        [Described(f"{place:07}-{one.name}", one.group) for place, one in zip(order, nodes, strict=True)]
    )
    names = dict(zip(order, (name for name, _ in nodes), strict=True))
    fleet = build_fleet(seen, slices, [PROFILE], [DEVICES])
    return Simulated(fleet, tuple(names[place] for place in range(len(nodes))))


def things(nodes: Sequence[Described]) -> tuple[list[Node], list[Slice]]:
    """Nodes and slices as a cluster would show them; beside these it has PROFILE and DEVICES."""
    made: dict[tuple[object, ...], tuple[Device, ...]] = {}
    slices = [_slice(name, group, made) for name, group in nodes if group.gpus]
    return [_node(name, group) for name, group in nodes], slices


def _node(name: str, group: Group) -> Node:
    return Node(
        name=name,
        version=1,
        uid=name,
        cpu=milli_units(group.cpu),
        memory=whole_units(group.memory),
        pods=PODS_PER_NODE,
        labels=group.labels,
    )


def _slice(name: str, group: Group, made: dict[tuple[object, ...], tuple[Device, ...]]) -> Slice:
    """The node's slice; equal nodes share their devices, which a fleet of 100,000 nodes has too many of otherwise."""
    key = (group.gpus, group.model, group.gpu_memory, group.isolation, group.vendor)
    if key not in made:
        made[key] = tuple(_device(i, group) for i in range(group.gpus))
    return Slice(name, 1, driver=OWN_DRIVER, pool=name, generation=1, count=1, node=name, devices=made[key])


def _device(number: int, group: Group) -> Device:
    levels: dict[str, Attribute] = {f"isolation{level.capitalize()}": level in group.isolation for level in ISOLATIONS}
    attributes = {"model": group.model or "unknown", "vendor": group.vendor, "simulated": True, **levels}
    memory = whole_units(group.gpu_memory)
    return Device(
        name=f"gpu-{number}",
        multi=True,
        attributes=tuple(sorted(attributes.items())),
        capacity=(
            ("compute", Capacity(1000, portioned=True, default=1000, least=1, step=1)),
            ("memory", Capacity(memory, portioned=True, default=memory, least=MIB, step=MIB)),
        ),
    )


def total_milli(found: Simulated) -> int:
    """What all GPUs have, in thousandths of a device."""
    return int(np.int64(1000) * found.gpus)
