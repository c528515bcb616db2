"""Sums of use: of devices, nodes, models and teams."""

from dataclasses import dataclass

import numpy as np

from farthing.cli.look import Look
from farthing.state.fleet import Bools, Fleet
from farthing.state.snapshot import Free


@dataclass(frozen=True)
class Use:
    """What a set of devices has and what of it is given. `compute` is in the driver's unit, `idle` counts devices.

    `used` is in devices: for each the larger of the parts of its compute and its memory that are given.
    """

    devices: int
    idle: int
    used: float
    compute: int
    compute_given: int
    memory_bytes: int
    memory_bytes_given: int


def use_of(fleet: Fleet, free: Free, rows: Bools) -> Use:
    """The use of the devices that `rows` marks."""
    compute, memory = fleet.compute[rows], fleet.memory[rows]
    compute_given, memory_given = compute - free.compute[rows], memory - free.memory[rows]
    occupied = free.users[rows] > 0
    parts = np.maximum(_part(compute_given, compute), _part(memory_given, memory))
    parts[(compute == 0) & (memory == 0) & occupied] = 1.0
    return Use(
        devices=int(rows.sum()),
        idle=int((~occupied).sum()),
        used=round(float(parts.sum()), 3),
        compute=int(compute.sum()),
        compute_given=int(compute_given.sum()),
        memory_bytes=int(memory.sum()),
        memory_bytes_given=int(memory_given.sum()),
    )


def _part(given: np.ndarray, has: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(has > 0, given / np.maximum(has, 1), 0.0))


@dataclass(frozen=True)
class ModelRow:
    """One model of device; an empty name stands for devices that do not say theirs."""

    model: str
    use: Use


def by_model(look: Look) -> list[ModelRow]:
    """The use of each model, the most used first."""
    fleet, free = look.world.fleet, look.snapshot().free
    rows = [
        ModelRow(name.upper(), use_of(fleet, free, fleet.model_of == i))
        for i, name in enumerate(fleet.models)
        if (fleet.model_of == i).any()
    ]
    return sorted(rows, key=lambda row: (-_ratio(row.use), row.model))


@dataclass(frozen=True)
class NodeRow:
    """One node with devices. `whole_free` devices could be given as a whole now. `cpu_left_milli` in thousandths."""

    node: str
    models: tuple[str, ...]
    use: Use
    whole_free: int
    cpu_left_milli: int
    cpu_milli: int
    memory_left_bytes: int
    memory_bytes: int
    pods_left: int


def by_node(look: Look) -> list[NodeRow]:
    """The use of each node that has devices, the most used first."""
    fleet, free = look.world.fleet, look.snapshot().free
    rows = []
    for i in sorted(set(fleet.node_of.tolist())):
        here = fleet.node_of == i
        rows.append(
            NodeRow(
                node=fleet.nodes[i].name,
                models=tuple(sorted({fleet.models[m].upper() for m in set(fleet.model_of[here].tolist())})),
                use=use_of(fleet, free, here),
                whole_free=int((here & (free.users == 0) & ~fleet.tainted & ~fleet.partition).sum()),
                cpu_left_milli=int(free.cpu[i]),
                cpu_milli=int(fleet.cpu[i]),
                memory_left_bytes=int(free.memory_of_node[i]),
                memory_bytes=int(fleet.memory_of_node[i]),
                pods_left=int(free.pods[i]),
            )
        )
    return sorted(rows, key=lambda row: (-_ratio(row.use), row.node))


def _ratio(use: Use) -> float:
    return use.used / use.devices if use.devices else 0.0
