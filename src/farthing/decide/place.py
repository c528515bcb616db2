"""Where a pod's shares go: which node, and which devices on it.

First fit on the tightest device: of the devices that would do, the one that has least left afterwards (compute, then
memory), so that whole devices stay whole; for whole devices, the node with the fewest that would do. Ties go to the
smallest node name, then the smallest device. The same draft gives the same placement.
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
    """A node, and for each need the devices it gets there, as indices into the fleet."""

    node: int
    devices: tuple[tuple[int, ...], ...]


def place(draft: Draft, pod: Pod, needs: tuple[Need, ...], team: str, within: Bools | None = None) -> Placement | None:
    """The best placement for all needs of a pod on one node, or None. `within` narrows the nodes.

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
    masks = [able(draft.fleet, draft.free, need, index) & nodes[draft.fleet.node_of] for need in needs]
    candidates = _candidates(draft, needs, masks)
    if len(needs) == 1 and (needs[0].count == 1 or not draft.fleet.consumes):
        return _single(draft, needs[0], masks[0], candidates)
    return _several(draft, needs, masks, candidates, team)


def _candidates(draft: Draft, needs: tuple[Need, ...], masks: list[Bools]) -> Bools:
    """Nodes with enough devices for each need, looked at one by one."""
    enough = np.ones(len(draft.fleet.nodes), dtype=bool)
    for need, mask in zip(needs, masks, strict=True):
        enough &= _per_node(draft, mask) >= need.count
    return enough


def _per_node(draft: Draft, mask: Bools) -> Ints:
    return np.bincount(draft.fleet.node_of[mask], minlength=len(draft.fleet.nodes))


def _single(draft: Draft, need: Need, mask: Bools, candidates: Bools) -> Placement | None:
    rows = np.flatnonzero(mask & candidates[draft.fleet.node_of])
    if not len(rows):
        return None
    if need.ask is not None and need.ask.whole:
        counts = _per_node(draft, mask)
        open_nodes = np.flatnonzero(candidates)
        node = int(open_nodes[np.argmin(counts[open_nodes])])
    else:
        node = int(draft.fleet.node_of[_tightest(draft, need, rows)[0]])
    here = rows[draft.fleet.node_of[rows] == node]
    return Placement(node, (tuple(_tightest(draft, need, here)[: need.count]),))


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
    draft: Draft, needs: tuple[Need, ...], masks: list[Bools], candidates: Bools, team: str
) -> Placement | None:
    """Try the candidate nodes, those with the fewest suitable devices first, until one can hold all needs together."""
    order = np.flatnonzero(candidates)
    spare = np.sum([_per_node(draft, mask)[order] for mask in masks], axis=0)
    for node in order[np.lexsort((order, spare))]:
        chosen = _assign(draft.copy(), needs, int(node), team)
        if chosen is not None:
            return Placement(int(node), chosen)
    return None


def _assign(trial: Draft, needs: tuple[Need, ...], node: int, team: str) -> tuple[tuple[int, ...], ...] | None:
    """Devices of one node for all needs, taken one by one, since shares and partitions may draw on the same device."""
    left, right = np.searchsorted(trial.fleet.node_of, (node, node + 1))
    chosen: list[tuple[int, ...]] = []
    for need in needs:
        mine: list[int] = []
        for _ in range(need.count):
            fits = able(trial.fleet, trial.free, need, trial.team(team), slice(left, right))
            rows = np.array([row for row in left + np.flatnonzero(fits) if row not in mine], dtype=np.int64)
            if not len(rows):
                return None
            mine.append(_tightest(trial, need, rows)[0])
            trial.take(mine[-1], need, team)
        chosen.append(tuple(mine))
    return tuple(chosen)
