"""Why a pod is not placed: the reason for its user, and what excluded each node for those who look closer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fit import Eligible, able, eligible
from farthing.decide.needs import Need
from farthing.decide.nodes import allowed, roomy
from farthing.model.cluster import Pod
from farthing.model.quantity import format_gib
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Bools, Fleet, Ints


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Nodes that one cause excludes: `why` by name, a sentence, and the nodes' names in order."""

    why: Why
    sentence: str
    nodes: tuple[str, ...]


def why_not(draft: Draft, pod: Pod, needs: tuple[Need, ...], team: str) -> Reason:
    """The first thing that stands in the way, looked for from the lasting to the passing."""
    for need in needs:
        reason = never(draft.fleet, need) or _not_now(draft, need, team)
        if reason is not None:
            return reason
    return _nodes_refuse(draft, pod, needs, team)


def never(fleet: Fleet, need: Need) -> Reason | None:
    """What no waiting can mend, as the fleet is. Remembered with it."""
    key = ("never", need)
    if key not in fleet.memo:
        fleet.memo[key] = _never(fleet, need)
    found: Reason | None = fleet.memo[key]
    return found


def _never(fleet: Fleet, need: Need) -> Reason | None:
    sieve = eligible(fleet, need)
    if sieve.error:
        return Reason(Why.INVALID_ASK, sieve.error)
    if not sieve.known.any():
        return Reason(Why.NO_DEVICES, _no_devices(fleet, need))
    if not sieve.model.any():
        return Reason(Why.UNKNOWN_MODEL, f"{need}: no device is of such a model; the cluster has {_models(fleet)}")
    if not sieve.level.any():
        return _undeliverable(fleet, need, sieve, sieve.model)
    most = int(_per_node(fleet, sieve.level).max())
    if most < need.count:
        return Reason(Why.TOO_LARGE, f"{need}: needs {need.count} devices on one node, the largest has {most}")
    return None


def _no_devices(fleet: Fleet, need: Need) -> str:
    if not len(fleet.devices):
        return f"{need}: no driver that Farthing manages has published devices"
    return f"{need}: none of {len(fleet.devices)} devices is of the class and passes the selectors"


def _models(fleet: Fleet) -> str:
    return ", ".join(sorted(model.upper() for model in fleet.models if model)) or "none that say theirs"


def _undeliverable(fleet: Fleet, need: Need, sieve: Eligible, devices: Bools) -> Reason:
    """Why none of the devices, which are of the right model, could ever give it in the way that it wants."""
    ask, count = need.ask, int(devices.sum())
    if ask is not None and ask.profile is not None:
        uncut = _uncut(fleet, devices)
        return Reason(
            Why.ISOLATION_UNAVAILABLE, f"{need}: none of {count} devices is a partition of this profile{uncut}"
        )
    largest = int(fleet.memory[devices].max())
    if ask is not None and ask.memory is not None and ask.memory > largest:
        return Reason(Why.TOO_LARGE, f"{need}: the largest device has {format_gib(largest)}")
    if ask is None and (sieve.compute[devices] > fleet.compute[devices]).all():
        return Reason(Why.TOO_LARGE, f"{need}: none of {count} devices could ever give so much")
    return Reason(Why.ISOLATION_UNAVAILABLE, f"{need}: none of {count} devices can be shared with this isolation")


def _uncut(fleet: Fleet, devices: Bools) -> str:
    """What somebody would have to do for some of the devices to be cut, as the end of a sentence; empty for nothing."""
    if "mig modes" not in fleet.memo:
        fleet.memo["mig modes"] = np.array([str(fleet.attribute(i, "migMode")) for i in range(len(fleet.devices))])
    modes = fleet.memo["mig modes"]
    for mode, remedy in (("pending", "MIG mode after a reset"), ("off", "MIG mode, once it is on (nvidia-smi -mig 1)")):
        found = np.flatnonzero(devices & (modes == mode))
        if len(found):
            return f"; {len(found)} could be cut in {remedy}, such as {fleet.devices[found[0]]}"
    return ""


def _not_now(draft: Draft, need: Need, team: str) -> Reason | None:
    """What the devices lack at this moment."""
    fleet, free = draft.fleet, draft.free
    sieve = eligible(fleet, need)
    if int(_per_node(fleet, sieve.healthy).max()) < need.count:
        lost = int(sieve.level.sum() - sieve.healthy.sum())
        return Reason(Why.NO_CAPACITY, f"{need}: {lost} of {int(sieve.level.sum())} devices that would do are tainted")
    fits = able(fleet, free, need, draft.team(team))
    best = int(_per_node(fleet, fits).max())
    if best >= need.count:
        return None
    total, idle = int(sieve.healthy.sum()), int((sieve.healthy & (free.users == 0)).sum())
    if need.count > 1:
        return Reason(
            Why.NO_CAPACITY,
            f"{need}: no node has {need.count} devices free for it; the best has {best}, {idle} of {total} are idle",
        )
    return Reason(
        Why.NO_CAPACITY,
        f"{need}: none of {total} devices that would do has enough free; {_best(draft, sieve, sieve.healthy)}",
    )


def _best(draft: Draft, sieve: Eligible, devices: Bools) -> str:
    """How near devices, none of which can be had, come to it."""
    free = draft.free
    enough = devices & (free.compute >= sieve.compute) & (free.memory >= sieve.memory)
    if enough.any():
        return (
            f"{int(enough.sum())} with enough left may not be joined "
            "(another team's, at another isolation, or cut otherwise)"
        )
    compute, memory = int(free.compute[devices].max()), int(free.memory[devices].max())
    return f"the most on one is {compute} compute, {format_gib(memory)}"


def _nodes_refuse(draft: Draft, pod: Pod, needs: tuple[Need, ...], team: str) -> Reason:
    """Devices would do; their nodes do not."""
    fleet = draft.fleet
    able_nodes = _able_nodes(draft, needs, team)
    admitted = allowed(fleet, pod.constraints)
    if not (able_nodes & admitted).any():
        return Reason(
            Why.NODE_MISMATCH,
            f"{int(able_nodes.sum())} nodes have the devices, but the pod's node selector, affinity or missing "
            f"tolerations exclude them",
        )
    open_nodes = able_nodes & admitted
    if not (open_nodes & roomy(fleet, draft.free, pod)).any():
        return Reason(
            Why.NO_NODE_ROOM, f"{int(open_nodes.sum())} nodes have the devices, but {_lacking(draft, pod, open_nodes)}"
        )
    return Reason(Why.NO_CAPACITY, "no one node has everything that its claims want at the same time")


def _able_nodes(draft: Draft, needs: tuple[Need, ...], team: str) -> Bools:
    nodes = np.ones(len(draft.fleet.nodes), dtype=bool)
    for need in needs:
        nodes &= _per_node(draft.fleet, able(draft.fleet, draft.free, need, draft.team(team))) >= need.count
    return nodes


def _lacking(draft: Draft, pod: Pod, nodes: Bools) -> str:
    """What nodes have too little of, with the most that one has."""
    free = draft.free
    short = []
    if not (free.cpu[nodes] >= pod.cpu).any():
        short.append(f"cpu (wants {pod.cpu / 1000:g}, the most is {int(free.cpu[nodes].max()) / 1000:g})")
    if not (free.memory_of_node[nodes] >= pod.memory).any():
        most = int(free.memory_of_node[nodes].max())
        short.append(f"memory (wants {format_gib(pod.memory)}, the most is {format_gib(most)})")
    if not (free.pods[nodes] >= 1).any():
        short.append("room for another pod")
    return f"lack {' and '.join(short)}" if short else "none has the cpu, memory, ports and other resources together"


def exclusions(draft: Draft, pod: Pod, needs: tuple[Need, ...], team: str) -> tuple[Exclusion, ...]:
    """For every node the first thing that excludes it, nodes with the same cause together, most nodes first."""
    left = np.ones(len(draft.fleet.nodes), dtype=bool)
    found = []
    for cause, passing in _sieves(draft, pod, needs, team):
        out = left & ~passing
        left &= passing
        if out.any():
            reason = cause if isinstance(cause, Reason) else cause(out)
            names = tuple(draft.fleet.nodes[i].name for i in np.flatnonzero(out))
            found.append(Exclusion(reason.why, reason.sentence, names))
    return tuple(sorted(found, key=lambda exclusion: (-len(exclusion.nodes), exclusion.why)))


_Cause = Reason | Callable[[Bools], Reason]
"""A reason, or what makes one about the nodes that are excluded."""


def _sieves(draft: Draft, pod: Pod, needs: tuple[Need, ...], team: str) -> Iterator[tuple[_Cause, Bools]]:
    """Causes from the lasting to the passing, each with the nodes that pass it."""
    fleet = draft.fleet
    for need in needs:
        sieve = eligible(fleet, need)
        few = Reason(Why.TOO_LARGE, f"fewer than {need.count} such devices")
        yield Reason(Why.NO_DEVICES, "no device of the class that passes the selectors"), _has(fleet, sieve.known)
        yield Reason(Why.UNKNOWN_MODEL, "devices of another model or vendor"), _has(fleet, sieve.model)
        yield partial(_undeliverable_on, fleet, need, sieve), _has(fleet, sieve.level)
        yield few, _has(fleet, sieve.level, need.count)
        yield Reason(Why.DEVICE_LOST, "devices are tainted"), _has(fleet, sieve.healthy, need.count)
    yield Reason(Why.NODE_MISMATCH, "node selector, affinity or taints"), allowed(fleet, pod.constraints)
    for need in needs:
        fits = able(fleet, draft.free, need, draft.team(team))
        yield partial(_short_of, draft, need, fits), _has(fleet, fits, need.count)
    yield partial(_cramped, draft, pod), roomy(fleet, draft.free, pod)


def _has(fleet: Fleet, devices: Bools, count: int = 1) -> Bools:
    """For each node, whether it has so many of the devices."""
    return np.asarray(_per_node(fleet, devices) >= count)[: len(fleet.nodes)]


def _undeliverable_on(fleet: Fleet, need: Need, sieve: Eligible, nodes: Bools) -> Reason:
    return _undeliverable(fleet, need, sieve, sieve.model & nodes[fleet.node_of])


def _cramped(draft: Draft, pod: Pod, nodes: Bools) -> Reason:
    return Reason(Why.NO_NODE_ROOM, _lacking(draft, pod, nodes))


def _short_of(draft: Draft, need: Need, fits: Bools, nodes: Bools) -> Reason:
    """What the devices of nodes have too little of, with the best that one of the nodes has."""
    fleet = draft.fleet
    if need.count > 1:
        best = int(_per_node(fleet, fits)[nodes].max())
        return Reason(Why.NO_CAPACITY, f"too few devices free for {need}; the best has {best}")
    sieve = eligible(fleet, need)
    here = sieve.healthy & nodes[fleet.node_of]
    idle = int((here & (draft.free.users == 0)).sum())
    sentence = f"no device free for {need}; {idle} of {int(here.sum())} idle, {_best(draft, sieve, here)}"
    return Reason(Why.NO_CAPACITY, sentence)


def _per_node(fleet: Fleet, mask: Bools) -> Ints:
    return np.bincount(fleet.node_of[mask], minlength=max(1, len(fleet.nodes)))
