"""An exported cluster as simulations see it: its nodes and devices, empty, and its pods as they came.

Whatever runs there without asking for GPUs stays where it is, and its room on the node is taken off. GPUs are taken as
undivided: partitions (MIG) are left out, and so is who asks for them.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np

from farthing.decide.fit import eligible
from farthing.decide.needs import Need, needs_of
from farthing.decide.scoring import parts
from farthing.decide.shapes import shapes
from farthing.model.ask import ask_of_template
from farthing.model.cluster import (
    DEVICE_CLASS,
    DeviceClass,
    DeviceId,
    DriverProfile,
    Key,
    Node,
    Pod,
    Slice,
    TaintRule,
)
from farthing.model.quantity import WHOLE_DEVICE
from farthing.sim.fleet import Simulated
from farthing.sim.workload import Arrival, Kind
from farthing.state.fleet import Fleet, build_fleet
from farthing.state.mix import AskClass
from farthing.state.world import World

_AWAY: Final = "node.kubernetes.io/"
"""Taints of Kubernetes' own on nodes that are cordoned, not ready or under pressure."""

_SEVERAL: Final = "ask with several claims or requests"
_PARTITION: Final = "ask for partitions (MIG)"
_PLACES: Final = "say on which nodes they may run"


@dataclass(frozen=True, slots=True)
class Exported:
    """What came to a cluster.

    How many pods are `left_out`, by what they do; and how many are simulated though something of them is `ignored`.
    """

    pods: tuple[Arrival, ...]
    left_out: dict[str, int]
    ignored: dict[str, int]


# The pods ---------------------------------------------------------------------------------------------------------


def pods_of(world: World, fleet: Fleet) -> Exported:
    """The pods that ask for GPUs, in the order in which they came; seconds count from the first.

    What a pod asks for is told by the name of its template, also when it is over, else by its claim.

    They stay for as long as they ran, or say that they run; for ever where nothing is known. What an ask by memory is
    of a GPU depends on the GPU: the average of those of `fleet` that would do.
    """
    asking = sorted((pod for pod in world.all(Pod) if any(_needs(world, pod))), key=lambda pod: (pod.created, pod.key))
    left_out: Counter[str] = Counter()
    teams = {team: i for i, team in enumerate(sorted({world.team_of(pod) for pod in asking}))}
    kinds: dict[tuple[object, ...], Kind] = {}
    found = []
    for pod in asking:
        needs = tuple(_needs(world, pod))
        why = _not_simulated(needs)
        if why:
            left_out[why] += 1
            continue
        key = (needs[0], pod.cpu, pod.memory, teams[world.team_of(pod)])
        if key not in kinds:
            kinds[key] = _kind(fleet, *key)
        found.append(Arrival(str(pod.key), kinds[key], pod.created - asking[0].created, _stays(pod)))
    bound = sum(1 for pod in asking if pod.constraints.selector or pod.constraints.affinity is not None)
    return Exported(tuple(found), dict(left_out), {_PLACES: bound} if bound else {})


def _needs(world: World, pod: Pod) -> Iterator[Need]:
    """What its claims want, as far as they say."""
    for entry in pod.claims:
        ask, claim = ask_of_template(entry.template), world.claim(Key(pod.key.namespace, entry.claim))
        if ask is not None:
            yield Need(ask.count, DEVICE_CLASS, ask)
        elif claim is not None and claim.ours:
            yield from (need for _, need in needs_of(claim))


def _not_simulated(needs: tuple[Need, ...]) -> str:
    """Why a pod is left out; empty where it is not."""
    if len(needs) > 1:
        return _SEVERAL
    return _PARTITION if needs[0].isolation == "partition" else ""


def _kind(fleet: Fleet, need: Need, cpu: int, memory: int, team: int) -> Kind:
    asks = None if need.ask is None else AskClass(need.ask, cpu)
    return Kind(need, cpu, memory, need.count * _milli(fleet, need), asks, team)


def _milli(fleet: Fleet, need: Need) -> int:
    """The part of a device that each of a need's is, in thousandths: on average over the devices that would do."""
    if need.ask is not None and need.ask.milli is not None:
        return need.ask.milli
    sieve, found = eligible(fleet, need), shapes(fleet)
    could = found.of[sieve.healthy]
    if not len(could):
        return WHOLE_DEVICE
    part = np.where(fleet.multi[found.example], parts(fleet, sieve.gives).max(axis=0), WHOLE_DEVICE)
    return max(1, round(float(part[could].mean())))


def _stays(pod: Pod) -> float:
    if pod.over and pod.started is not None and pod.ended is not None:
        return max(0.0, pod.ended - pod.started)
    return inf if pod.duration is None else float(pod.duration)


# The fleet --------------------------------------------------------------------------------------------------------


def fleet_of(world: World, seed: int | None = None) -> Simulated:
    """The nodes that take pods, with nobody on them who asks for GPUs. With a seed they stand in an order of chance."""
    nodes = sorted((node for node in world.all(Node) if _takes_pods(node)), key=lambda node: node.name)
    order = list(range(len(nodes)))
    if seed is not None:
        random.Random(f"nodes-{seed}").shuffle(order)  # noqa: S311 -- not for secrets
    label = {node.name: f"{place:07}-{node.name}" for place, node in zip(order, nodes, strict=True)}
    resting = _resting(world)
    fleet = build_fleet(
        (_renamed(node, label[node.name], resting.get(node.name, ())) for node in nodes),
        [_moved(world.fleet, one, label) for one in world.all(Slice)],
        world.all(DriverProfile),
        world.all(DeviceClass),
        world.all(TaintRule),
    )
    names = dict(zip(order, (node.name for node in nodes), strict=True))
    return Simulated(fleet, tuple(names[place] for place in range(len(nodes))))


def _takes_pods(node: Node) -> bool:
    return not any(taint.key.startswith(_AWAY) and taint.effect != "PreferNoSchedule" for taint in node.taints)


def _resting(world: World) -> dict[str, list[Pod]]:
    """Who is on each node and asks for no GPUs."""
    found: dict[str, list[Pod]] = {}
    for pod in world.all(Pod):
        if pod.node and not pod.over and not any(_needs(world, pod)):
            found.setdefault(pod.node, []).append(pod)
    return found


def _renamed(node: Node, name: str, resting: Iterable[Pod]) -> Node:
    here = list(resting)
    return replace(
        node,
        name=name,
        cpu=max(0, node.cpu - sum(pod.cpu for pod in here)),
        memory=max(0, node.memory - sum(pod.memory for pod in here)),
        pods=max(0, node.pods - len(here)),
    )


def _moved(fleet: Fleet, one: Slice, label: dict[str, str]) -> Slice:
    """A slice on the node as it is called here, without partitions."""
    devices = tuple(
        replace(device, node=label.get(device.node, device.node)) if device.node else device
        for device in one.devices
        if not _partition(fleet, DeviceId(one.driver, one.pool, device.name))
    )
    return replace(one, node=label.get(one.node, one.node), devices=devices)


def _partition(fleet: Fleet, device: DeviceId) -> bool:
    i = fleet.device_index.get(device)
    return i is not None and bool(fleet.partition[i])
