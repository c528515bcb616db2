"""The fleet as columns: nodes and devices, what they have and what they are, without what is in use.

A `Fleet` is built anew when a node, a slice, a profile or a class changes, and shared by all Snapshots until then.
Device i of all columns is `devices[i]`; nodes are in order of their names, devices in order of node, pool and name,
so that the smallest index is the smallest name: ties go there.

Pools are read as Kubernetes specifies: only the newest generation counts, only when all its slices are there, and
not at all where two of its devices share a name. What is left out is in `faults`, a sentence each.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from farthing.model.ask import ISOLATIONS
from farthing.model.cluster import (
    Attribute,
    Capacity,
    Device,
    DeviceClass,
    DeviceId,
    DriverProfile,
    Node,
    Slice,
    TaintRule,
)
from farthing.model.quantity import LARGEST, MIB

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL_BIT: Final = {level: 1 << i for i, level in enumerate(ISOLATIONS)}
_LEVEL_ATTRIBUTE: Final = {level: f"isolation{level.capitalize()}" for level in ISOLATIONS}


def level_bit(isolation: str) -> int:
    """The bit of a level; that of `shared` where none is said, or one that nobody knows."""
    return next((bit for level, bit in LEVEL_BIT.items() if level == isolation), LEVEL_BIT["shared"])


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Columns of nodes and devices.

    `compute` and `memory` are what a device has, in the driver's own units (milli-GPU of ours, bytes); 0 where the
    driver has no such capacity. `compute_grain` and `memory_grain` are the steps in which they may be taken.
    `levels` has a bit per level of isolation that the device can deliver. `divisible` is False for devices that
    only go as a whole. `counters` are the shared counters of partitionable devices, `consumes[i]` what device i takes
    of them, as (index of the counter, amount). `extras[i]` are capacities of a divisible device i that are neither
    compute nor memory. `special` lists the devices that have either.
    """

    nodes: tuple[Node, ...]
    node_index: Mapping[str, int]
    cpu: Ints
    memory_of_node: Ints
    pods: Ints
    devices: tuple[DeviceId, ...]
    device_index: Mapping[DeviceId, int]
    specs: tuple[Device, ...]
    node_of: Ints
    compute: Ints
    memory: Ints
    compute_grain: Ints
    memory_grain: Ints
    levels: Ints
    divisible: Bools
    multi: Bools
    partition: Bools
    tainted: Bools
    models: tuple[str, ...]
    model_of: Ints
    vendors: tuple[str, ...]
    vendor_of: Ints
    profiles: Mapping[str, DriverProfile]
    classes: Mapping[str, DeviceClass]
    counters: tuple[tuple[str, str, str, str], ...]
    counter_size: Ints
    consumes: Mapping[int, tuple[tuple[int, int], ...]]
    extras: Mapping[int, tuple[tuple[str, Capacity], ...]]
    faults: tuple[str, ...]
    special: tuple[int, ...]
    memo: dict[Any, Any] = field(default_factory=dict)

    def attribute(self, device: int, name: str) -> Attribute | None:
        """One attribute of a device by its short name."""
        return attribute_of(self.specs[device], self.devices[device].driver, name)


def attribute_of(device: Device, driver: str, name: str) -> Attribute | None:
    """An attribute by its short name: published without a domain, or with the driver's own."""
    full = f"{driver}/{name}"
    return next((value for known, value in device.attributes if known in (name, full)), None)


def model_name(text: str) -> str:
    """A model as asks name it: lower case, words joined by dashes. "NVIDIA H100 80GB HBM3" -> nvidia-h100-80gb-hbm3."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())


def names(wanted: str, model: str) -> bool:
    """Whether a model's name is a device's: the same words in a row. H100 names NVIDIA H100 80GB, L4 not an L40."""
    return f"-{model_name(wanted)}-" in f"-{model}-"


def build_fleet(
    nodes: Iterable[Node],
    slices: Iterable[Slice],
    profiles: Iterable[DriverProfile],
    classes: Iterable[DeviceClass],
    rules: Iterable[TaintRule] = (),
) -> Fleet:
    """The columns for what is there. O(nodes + devices), sorted."""
    ordered = sorted(nodes, key=lambda node: node.name)
    node_index = {node.name: i for i, node in enumerate(ordered)}
    by_driver = {profile.driver: profile for profile in profiles}
    found, counters, faults = _pools(slices, by_driver, node_index)
    found = _with_rules(found, tuple(rules))
    found.sort(key=lambda entry: (entry[0], entry[1].pool, _natural(entry[1].name)))
    rows = [_row(spec, device, by_driver[device.driver]) for _, device, spec in found]
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)] if rows else [_EMPTY] * 9
    compute, memory, compute_grain, memory_grain, levels, divisible, multi, partition, tainted = columns
    models, model_of = _coded(_model(spec, device, by_driver[device.driver]) for _, device, spec in found)
    vendors, vendor_of = _coded(_vendor(spec, device, by_driver[device.driver]) for _, device, spec in found)
    counter_index = {name: i for i, name in enumerate(counters)}
    consumes = {
        i: tuple((counter_index[device.driver, device.pool, *use[:2]], use[2]) for use in spec.consumes)
        for i, (_, device, spec) in enumerate(found)
        if spec.consumes
    }
    extras = dict(_extras(found, by_driver))
    return Fleet(
        nodes=tuple(ordered),
        node_index=node_index,
        cpu=np.array([node.cpu for node in ordered], dtype=np.int64),
        memory_of_node=np.array([node.memory for node in ordered], dtype=np.int64),
        pods=np.array([node.pods for node in ordered], dtype=np.int64),
        devices=tuple(device for _, device, _ in found),
        device_index={device: i for i, (_, device, _) in enumerate(found)},
        specs=tuple(spec for _, _, spec in found),
        node_of=np.array([node for node, _, _ in found], dtype=np.int64),
        compute=compute,
        memory=memory,
        compute_grain=compute_grain,
        memory_grain=memory_grain,
        levels=levels,
        divisible=divisible.astype(bool),
        multi=multi.astype(bool),
        partition=partition.astype(bool),
        tainted=tainted.astype(bool),
        models=models,
        model_of=model_of,
        vendors=vendors,
        vendor_of=vendor_of,
        profiles=by_driver,
        classes={c.name: c for c in classes},
        counters=tuple(counters),
        counter_size=np.array(list(counters.values()), dtype=np.int64),
        consumes=consumes,
        extras=extras,
        faults=tuple(faults),
        special=tuple(sorted({*consumes, *extras})),
    )


_EMPTY: Final = np.zeros(0, dtype=np.int64)
_Found = list[tuple[int, DeviceId, Device]]
_Counters = dict[tuple[str, str, str, str], int]


def _pools(
    slices: Iterable[Slice], profiles: Mapping[str, DriverProfile], node_index: Mapping[str, int]
) -> tuple[_Found, _Counters, list[str]]:
    """The usable devices of all pools with their nodes, the pools' counters, and what was left out."""
    pools: dict[tuple[str, str], list[Slice]] = defaultdict(list)
    for item in slices:
        if item.driver in profiles:
            pools[item.driver, item.pool].append(item)
    found: _Found = []
    counters: _Counters = {}
    faults: list[str] = []
    for (driver, pool), members in sorted(pools.items()):
        newest = max(item.generation for item in members)
        current = sorted((item for item in members if item.generation == newest), key=lambda item: item.name)
        problem = _pool_problem(current)
        if problem:
            faults.append(f"pool {pool} of {driver} is left out: {problem}")
            continue
        counters.update({(driver, pool, *counter[:2]): counter[2] for item in current for counter in item.counters})
        for item in current:
            faults += item.faults
            for spec in item.devices:
                device = DeviceId(driver, pool, spec.name)
                fault = _device_problem(device, spec, item, node_index, counters)
                if fault:
                    faults.append(f"device {device} of {driver} is left out: {fault}")
                else:
                    found.append((node_index[spec.node or item.node], device, spec))
    return found, counters, faults


def _with_rules(found: _Found, rules: tuple[TaintRule, ...]) -> _Found:
    """The devices with the taints that rules put on them."""
    if not rules:
        return found
    return [
        (node, device, replace(spec, taints=spec.taints + tuple(rule.taint for rule in rules if rule.covers(device))))
        for node, device, spec in found
    ]


def _pool_problem(slices: list[Slice]) -> str:
    if len(slices) != slices[0].count:
        return f"{len(slices)} of its {slices[0].count} slices of generation {slices[0].generation} are there"
    names = [device.name for item in slices for device in item.devices]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
    return f"device names are used twice: {', '.join(twice)}" if twice else ""


def _device_problem(
    device: DeviceId, spec: Device, item: Slice, node_index: Mapping[str, int], counters: _Counters
) -> str:
    node = spec.node or item.node
    if not node:
        return "it belongs to no single node, which Farthing does not plan"
    if node not in node_index:
        return f"its node {node} is not there"
    missing = [use for use in spec.consumes if (device.driver, device.pool, *use[:2]) not in counters]
    if missing:
        return f"it consumes counter {missing[0][1]} of set {missing[0][0]}, which its pool does not have"
    return ""


def _row(spec: Device, device: DeviceId, profile: DriverProfile) -> tuple[int, ...]:
    """One device's numbers in the order of `build_fleet`."""
    capacity = dict(spec.capacity)
    compute, memory = capacity.get(profile.compute), capacity.get(profile.memory)
    partition = bool(profile.profile and attribute_of(spec, device.driver, profile.profile))
    known = [c for c in (compute, memory) if c is not None]
    divisible = spec.multi and not partition and bool(known) and all(c.portioned and not c.valid for c in known)
    return (
        min(compute.value, LARGEST) if compute else 0,
        min(memory.value, LARGEST) if memory else 0,
        max(1, compute.step or 1) if compute else 1,
        max(MIB, memory.step or MIB) if memory else MIB,
        _levels(spec, device, profile, partition=partition),
        divisible,
        spec.multi,
        partition,
        bool(spec.taints),
    )


def _extras(
    found: _Found, profiles: Mapping[str, DriverProfile]
) -> Iterator[tuple[int, tuple[tuple[str, Capacity], ...]]]:
    for i, (_, device, spec) in enumerate(found):
        profile = profiles[device.driver]
        others = tuple(c for c in spec.capacity if c[0] not in (profile.compute, profile.memory))
        if spec.multi and others:
            yield i, others


def _levels(spec: Device, device: DeviceId, profile: DriverProfile, *, partition: bool) -> int:
    if partition:
        return LEVEL_BIT["partition"]
    said = {level: attribute_of(spec, device.driver, name) for level, name in _LEVEL_ATTRIBUTE.items()}
    if all(value is None for value in said.values()):
        return sum(LEVEL_BIT[level] for level in profile.levels)
    return sum(LEVEL_BIT[level] for level, value in said.items() if value is True)


def _model(spec: Device, device: DeviceId, profile: DriverProfile) -> str:
    found = attribute_of(spec, device.driver, profile.model) if profile.model else None
    return model_name(found) if isinstance(found, str) else ""


def _vendor(spec: Device, device: DeviceId, profile: DriverProfile) -> str:
    found = attribute_of(spec, device.driver, "vendor")
    return found.lower() if isinstance(found, str) else profile.vendor


def _coded(values: Iterable[str]) -> tuple[tuple[str, ...], Ints]:
    """Texts as indices into a table of the distinct ones."""
    codes: dict[str, int] = {}
    column = [codes.setdefault(value, len(codes)) for value in values]
    return tuple(codes), np.array(column, dtype=np.int64)


def _natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts gpu-2 before gpu-10."""
    parts: list[str] = [""]
    for char in name:
        if parts[-1] and parts[-1][-1].isdecimal() == char.isdecimal():
            parts[-1] += char
        else:
            parts.append(char)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts[1:])
