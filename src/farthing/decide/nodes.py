"""Which nodes a pod may run on, by Kubernetes' own rules: taints, node selector, required affinity, room, ports.

kube-scheduler checks all this again, and more (spreading, volumes, affinity between pods); we check what we can so
that its refusals are rare. Sources: the plugins NodeAffinity, TaintToleration, NodeResourcesFit and NodePorts.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from farthing.model.cluster import Constraints, Match, Node, Pod
from farthing.state.fleet import Bools, Fleet
from farthing.state.snapshot import Free

_REPELLING: Final = ("NoSchedule", "NoExecute")


def allowed(fleet: Fleet, constraints: Constraints) -> Bools:
    """For each node, whether the pod's constraints admit it. Remembered per fleet."""
    key = ("allowed", constraints)
    if key not in fleet.memo:
        fleet.memo[key] = np.array([admits(constraints, node) for node in fleet.nodes], dtype=bool)
    found: Bools = fleet.memo[key]
    return found


def admits(constraints: Constraints, node: Node) -> bool:
    """Whether one node's labels and taints suit the constraints."""
    return (
        all(node.labels.get(key) == value for key, value in constraints.selector)
        and (constraints.affinity is None or any(_term_holds(term, node) for term in constraints.affinity))
        and all(
            taint.effect not in _REPELLING or any(t.covers(taint) for t in constraints.tolerations)
            for taint in node.taints
        )
    )


def _term_holds(term: tuple[tuple[Match, ...], tuple[Match, ...]], node: Node) -> bool:
    """A term without any line matches nothing, as in Kubernetes."""
    labels, fields = term
    if not labels and not fields:
        return False
    return all(_holds(match, node.labels.get(match.key)) for match in labels) and all(
        match.key == "metadata.name" and _holds(match, node.name) for match in fields
    )


_OPERATORS: Final[dict[str, Callable[[str | None, tuple[str, ...]], bool]]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: _compare(value, values) > 0,
    "Lt": lambda value, values: _compare(value, values) < 0,
}


def _holds(match: Match, value: str | None) -> bool:
    return match.operator in _OPERATORS and _OPERATORS[match.operator](value, match.values)


def _compare(value: str | None, values: tuple[str, ...]) -> int:
    """-1, 0 or 1 as the label's number is below, at or above the selector's; 0 where either is no number."""
    try:
        ours, theirs = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return 0
    return (ours > theirs) - (ours < theirs)


def roomy(fleet: Fleet, free: Free, pod: Pod) -> Bools:
    """For each node, whether it has the cpu, memory, pod slots, ports and other resources that the pod wants."""
    room = (free.cpu >= pod.cpu) & (free.memory_of_node >= pod.memory) & (free.pods >= 1)
    for name, amount in pod.others:
        left = [free.others.get((i, name), dict(node.others).get(name, 0)) for i, node in enumerate(fleet.nodes)]
        room &= np.array(left, dtype=np.int64) >= amount
    if pod.constraints.ports:
        for i, used in free.ports.items():
            if any(_clash(mine, other) for mine in pod.constraints.ports for other in used):
                room[i] = False
    return np.asarray(room)


def _clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    """Two host ports clash on the same number and protocol, unless they listen on different addresses."""
    wildcard = ("", "0.0.0.0", "::")  # noqa: S104 -- compares addresses, listens on none
    return (one[0], one[2]) == (other[0], other[2]) and (
        one[1] == other[1] or one[1] in wildcard or other[1] in wildcard
    )
