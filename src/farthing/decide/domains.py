"""Where a gang may be together: NVLink domains, nodes and racks, by what nodes say of themselves.

NVLink reaches across nodes where NVIDIA's GPU feature discovery, or Topograph, names a clique; elsewhere a node is a
domain of its own. Racks are what administrators or Topograph (the leaf switch) label; a node that says none is in none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fit import able, eligible
from farthing.decide.needs import Need
from farthing.model.gang import LEVELS, Level, Topology
from farthing.state.fleet import Bools, Fleet, Ints

LABELS: Final[dict[Level, tuple[str, ...]]] = {
    "nvlink": ("nvidia.com/gpu.clique", "network.topology.nvidia.com/accelerator"),
    "node": (),
    "rack": ("farthing.dev/rack", "topology.kubernetes.io/rack", "network.topology.nvidia.com/leaf"),
}
"""Labels of nodes that name their domain, the first that is there counts."""

MOST_SHARES: Final = 1000
"""So many pods may share a device of which each takes nothing that is counted."""

DOMAINS_TRIED: Final = 16
"""Of the domains of one level in which a gang may fit, so many are tried: the fullest first."""


def domains_of(fleet: Fleet, level: Level) -> Ints:
    """For each node, the number of its domain; -1: it is in none. Remembered per fleet."""
    key = ("domains", level)
    if key not in fleet.memo:
        numbers: dict[str, int] = {}
        named = (_domain(fleet, i, level) for i in range(len(fleet.nodes)))
        found = [numbers.setdefault(name, len(numbers)) if name else -1 for name in named]
        fleet.memo[key] = np.array(found, dtype=np.int64)
    result: Ints = fleet.memo[key]
    return result


def _domain(fleet: Fleet, node: int, level: Level) -> str:
    labels = fleet.nodes[node].labels
    said = next((f"{label}={labels[label]}" for label in LABELS[level] if labels.get(label)), "")
    return said or ("" if level == "rack" else f"node={fleet.nodes[node].name}")


def near(fleet: Fleet, level: Level, nodes: Iterable[str]) -> Bools:
    """The nodes in the domain of those named; everywhere, where these are of none or of several."""
    domains = domains_of(fleet, level)
    home = {int(domains[fleet.node_index[name]]) for name in nodes if name in fleet.node_index}
    if len(home) != 1 or -1 in home:
        return np.ones(len(fleet.nodes), dtype=bool)
    return np.asarray(domains == home.pop())


def places_to_try(
    draft: Draft, topology: Topology | None, needs: list[Need], team: str, nodes: Iterable[str]
) -> Iterator[Bools]:
    """Sets of nodes to try for a gang, the best first. `nodes` are where some of it run already.

    From what it prefers up to what it requires, level by level, and in the end anywhere, where nothing is required.
    """
    fleet = draft.fleet
    required, preferred = (topology.required, topology.preferred) if topology is not None else (None, None)
    there = np.zeros(len(fleet.nodes), dtype=bool)
    there[[fleet.node_index[name] for name in nodes if name in fleet.node_index]] = True
    for level in _levels(required, preferred):
        yield from _in_one(draft, domains_of(fleet, level), needs, team, there)
    if required is None:
        yield np.ones(len(fleet.nodes), dtype=bool)


def _levels(required: Level | None, preferred: Level | None) -> tuple[Level, ...]:
    """The levels to try, the closest first: from the preferred, up to the required where there is one."""
    first = preferred or required
    if first is None:
        return ()
    last = LEVELS.index(required) if required is not None else len(LEVELS) - 1
    return LEVELS[LEVELS.index(first) : last + 1] or LEVELS[last : last + 1]


def _in_one(draft: Draft, domains: Ints, needs: list[Need], team: str, there: Bools) -> Iterator[Bools]:
    """The domains in which a gang may have room, those with least to spare first.

    Where some of the gang run, only theirs comes into question.
    """
    if not len(domains) or domains.max() < 0:
        return
    if there.any():
        home = np.unique(domains[there])
        if len(home) == 1 and home[0] >= 0:
            yield np.asarray(domains == home[0])
        return
    room = _room(draft, domains, needs, team)
    fits = np.flatnonzero(room >= 0)
    for domain in fits[np.argsort(room[fits], kind="stable")][:DOMAINS_TRIED]:
        yield np.asarray(domains == domain)


def _room(draft: Draft, domains: Ints, needs: list[Need], team: str) -> Ints:
    """For each domain, how many shares it could give that would do for the gang; -1 where certainly too few."""
    count = int(domains.max()) + 1
    of_device = domains[draft.fleet.node_of]
    found, enough = np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
    for need, pods in Counter(needs).items():
        shares = np.where(of_device >= 0, _shares(draft, need, team), 0)
        here = np.bincount(np.maximum(of_device, 0), weights=shares, minlength=count).astype(np.int64)
        found += here
        enough &= here >= pods * need.count
    return np.where(enough, found, -1)


def short_of(draft: Draft, wanted_by: Mapping[Need, int], team: str) -> tuple[Need, int, int] | None:
    """The first need of which all nodes together certainly have too little, what they have, and what is wanted.

    `wanted_by` is how many pods there are for each need.
    """
    for need, pods in wanted_by.items():
        has, wanted = int(_shares(draft, need, team).sum()), pods * need.count
        if has < wanted:
            return need, has, wanted
    return None


def _shares(draft: Draft, need: Need, team: str) -> Ints:
    """For each device, how many such shares it could give."""
    fleet, free = draft.fleet, draft.free
    sieve = eligible(fleet, need)
    fits = able(fleet, free, need, draft.team(team))
    takes, left = sieve.gives[:, sieve.shape], np.stack([free.compute, free.memory])
    most = np.where(takes > 0, left // np.maximum(takes, 1), MOST_SHARES).min(axis=0)
    one = ~fleet.multi | (need.ask is not None and need.ask.whole)
    return np.where(fits, np.where(one, 1, most), 0)
