"""Where a pod's shares go: which node, and which devices on it.

Of the nodes that would do, the one with the highest score (`scoring`), and the devices that gave it that score. Ties go
to the smallest node name, then the smallest device. The same draft gives the same placement.
"""

from dataclasses import dataclass

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fit import able, eligible
from farthing.decide.needs import Need
from farthing.decide.nodes import allowed, roomy
from farthing.model.cluster import Pod
from farthing.state.fleet import Bools, Ints


@dataclass(frozen=True, slots=True)
class Placement:
    """A node, and for each need the devices it gets there, as indices into the fleet.

    `right` says by which rule of quota a team may have them; empty where nothing is governed.
    """

    node: int
    devices: tuple[tuple[int, ...], ...]
    right: str = ""


def place(
    draft: Draft,
    pod: Pod,
    needs: tuple[Need, ...],
    team: str,
    within: Bools | None = None,
    devices: tuple[Bools | None, ...] = (),
) -> Placement | None:
    """The best placement for all needs of a pod on one node, or None.

    `within` narrows the nodes, `devices` for each need the devices; None: not.

    A pod that has a node already stays there; whether it may be there and has room is settled.

    O(devices) per need; for several needs also O(nodes that might do), each tried until one holds.
    """
    if pod.node:
        nodes = np.array([node.name == pod.node for node in draft.fleet.nodes], dtype=bool)
    else:
        nodes = allowed(draft.fleet, pod.constraints) & roomy(draft.fleet, draft.free, pod)
    if within is not None:
        nodes = nodes & within
    if not needs:
        first = np.flatnonzero(nodes)
        return Placement(int(first[0]), ()) if len(first) else None
    index = draft.team(team)
    masks = [_able(draft, need, index, nodes) for need in needs]
    masks = [
        mask if some is None else mask & some for mask, some in zip(masks, devices or [None] * len(masks), strict=True)
    ]
    candidates = _candidates(draft, needs, masks)
    if len(needs) == 1 and (needs[0].count == 1 or not draft.fleet.consumes):
        return _single(draft, pod, needs[0], index, masks[0], candidates)
    return _several(draft, pod, needs, masks, candidates, team)


def _able(draft: Draft, need: Need, team: int, nodes: Bools) -> Bools:
    """Devices of these nodes that have what the need takes, now."""
    fleet, found = draft.fleet, np.zeros(len(draft.fleet.devices), dtype=bool)
    among = np.flatnonzero(nodes)
    if len(among):
        first, last = np.searchsorted(fleet.node_of, (among[0], among[-1] + 1))
        rows = slice(int(first), int(last))
        found[rows] = able(fleet, draft.free, need, team, rows) & nodes[fleet.node_of[rows]]
    return found


def _candidates(draft: Draft, needs: tuple[Need, ...], masks: list[Bools]) -> Bools:
    """Nodes with enough devices for each need, looked at one by one."""
    enough = np.ones(len(draft.fleet.nodes), dtype=bool)
    for need, mask in zip(needs, masks, strict=True):
        enough &= _per_node(draft, mask) >= need.count
    return enough


def _per_node(draft: Draft, mask: Bools) -> Ints:
    return np.bincount(draft.fleet.node_of[mask], minlength=len(draft.fleet.nodes))


def _single(draft: Draft, pod: Pod, need: Need, team: int, mask: Bools, candidates: Bools) -> Placement | None:
    """The candidate node with the highest score, the first of several, and the best devices there."""
    among = np.flatnonzero(candidates)
    if not len(among):
        return None
    table = draft.table()
    question = table.question(need, *_room(pod), team)
    node = int(among[np.argmax(table.scores(question)[among])] if len(among) > 1 else among[0])
    devices = table.pick(question, node, mask)
    if not devices:  # a pod that is bound already takes its node's room
        here = np.flatnonzero(mask & (draft.fleet.node_of == node))
        devices = tuple(_tightest(draft, need, here)[: need.count])
    return Placement(node, (devices,))


def _room(pod: Pod) -> tuple[int, int]:
    """The cpu and memory that a pod still needs on its node."""
    return (0, 0) if pod.node else (pod.cpu, pod.memory)


def _tightest(draft: Draft, need: Need, rows: Ints) -> list[int]:
    """Devices in the order of what they would have left: compute, memory, then their place in the fleet."""
    sieve = eligible(draft.fleet, need)
    compute = draft.free.compute[rows] - sieve.compute[rows]
    memory = draft.free.memory[rows] - sieve.memory[rows]
    if need.count == 1:
        rows = rows[compute == compute.min()]
        memory = draft.free.memory[rows] - sieve.memory[rows]
        return [int(rows[np.argmin(memory)])]
    return [int(row) for row in rows[np.lexsort((rows, memory, compute))]]


def _several(
    draft: Draft, pod: Pod, needs: tuple[Need, ...], masks: list[Bools], candidates: Bools, team: str
) -> Placement | None:
    """Try the candidate nodes, the highest scores first, until one can hold all needs together."""
    order = np.flatnonzero(candidates)
    table, index = draft.table(), draft.team(team)
    each = [table.scores(table.question(need, *_room(pod), index))[order].astype(np.int64) for need in needs]
    spare = np.sum([_per_node(draft, mask)[order] for mask in masks], axis=0)
    for node in order[np.lexsort((order, spare, -np.sum(each, axis=0)))]:
        with draft.trial():
            chosen = _assign(draft, needs, masks, int(node), team)
        if chosen is not None:
            return Placement(int(node), chosen)
    return None


def _assign(
    trial: Draft, needs: tuple[Need, ...], masks: list[Bools], node: int, team: str
) -> tuple[tuple[int, ...], ...] | None:
    """Devices of one node for all needs, taken one by one, since shares and partitions may draw on the same device."""
    left, right = np.searchsorted(trial.fleet.node_of, (node, node + 1))
    chosen: list[tuple[int, ...]] = []
    for need, mask in zip(needs, masks, strict=True):
        mine: list[int] = []
        for _ in range(need.count):
            fits = mask[left:right] & able(trial.fleet, trial.free, need, trial.team(team), slice(left, right))
            rows = np.array([row for row in left + np.flatnonzero(fits) if row not in mine], dtype=np.int64)
            if not len(rows):
                return None
            mine.append(_tightest(trial, need, rows)[0])
            trial.take(mine[-1], need, team)
        chosen.append(tuple(mine))
    return tuple(chosen)
