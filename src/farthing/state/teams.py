"""Teams as a tree of whole numbers: what each is guaranteed, keeps to itself, and may borrow.

The pool is the root. It has of each class what the healthy devices are, less what is guaranteed to the teams under it:
what is guaranteed to nobody is there to borrow. The arithmetic is Kueue's, for each column by itself:

    subtree(n)  what n and its descendants have together: own(n) + the sum over children c of subtree(c) - local(c)
    local(n)    what n never lends: max(0, subtree(n) - lending(n)), or 0 where lending is without limit
    usage(n)    what n uses of that: own use + the sum over children c of max(0, usage(c) - local(c))

`amount` of a team of teams is what it divides among its children; what it has not divided is own(n).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from farthing.model.team import OTHERS, Quota, Team, amount_text
from farthing.state.classes import Classes

POOL: Final = ""
"""The name of the root."""

UNLIMITED: Final = 1 << 62
"""Stands for no limit."""

NOTHING: Final = Quota(0)
"""What a team has of a class that it does not name: nothing guaranteed, and no limit to borrowing."""

Numbers = tuple[tuple[int, ...], ...]
"""By team and column."""


class Column(NamedTuple):
    """One thing that is counted: `what` is compute (thousandths of devices) or memory (bytes), of a class."""

    what: str
    device_class: str


class Fault(NamedTuple):
    """A team that is wrong, and so is left out, with a sentence."""

    team: str
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """All teams by index, the pool first, parents before children.

    `columns` are compute of every class of `classes`, in their order, then memory of those that a quota of memory
    names; `memory_of` gives those classes. `subtree`, `local` and `borrowing` are by team and column. `parent` is -1
    for the pool, `path` the way from a team up to the pool, both included, `capped` those on it with a maximum.
    `homes` are the teams of namespaces. `implicit` teams are namespaces that belong to none. `faults` are teams that
    were left out.
    """

    teams: tuple[Team, ...]
    index: Mapping[str, int]
    parent: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]
    path: tuple[tuple[int, ...], ...]
    capped: tuple[tuple[int, ...], ...]
    classes: Classes
    columns: tuple[Column, ...]
    memory_of: tuple[int, ...]
    subtree: Numbers
    local: Numbers
    borrowing: Numbers
    maximum: tuple[int, ...]
    homes: Mapping[str, str]
    implicit: frozenset[str]
    faults: tuple[Fault, ...]

    def at(self, name: str) -> int:
        """The index of the team of this name, or of the namespace's team; the pool's where there is neither."""
        found = self.index.get(name)
        return self.index.get(self.homes.get(name, POOL), 0) if found is None else found

    def amounts(self, device_class: int, milli: int, memory: int) -> tuple[tuple[int, int], ...]:
        """Compute and memory of a class as (column, amount)."""
        if device_class not in self.memory_of:
            return ((device_class, milli),)
        return (device_class, milli), (len(self.classes.names) + self.memory_of.index(device_class), memory)


# Right and wrong --------------------------------------------------------------------------------------------------


def faults_of(teams: Iterable[Team]) -> tuple[Fault, ...]:
    """What is wrong with these teams together, at most one sentence for each, in order of their names."""
    return tuple(sorted(_sifted(teams)[1]))


def _sifted(teams: Iterable[Team]) -> tuple[list[Team], list[Fault]]:
    """Teams that are right, parents first and then by name, and the faults of the others."""
    left = {team.name: team for team in sorted(teams, key=lambda team: team.name)}
    right: dict[str, Team] = {}
    faults: list[Fault] = []
    left_of: dict[tuple[str, str, str], int] = {}
    homes: dict[str, str] = {}
    level = [team for team in left.values() if not team.parent]
    while level:
        for team in level:
            del left[team.name]
            fault = _fault(team, homes) or _above(team, right, left_of)
            if fault:
                faults.append(Fault(team.name, fault))
                continue
            right[team.name] = team
            homes.update(dict.fromkeys(team.namespaces, team.name))
            for what, quotas in (("compute", team.compute), ("memory", team.memory)):
                for name, quota in quotas:
                    left_of[team.name, what, name] = quota.amount
                    if team.parent:
                        left_of[team.parent, what, name] -= quota.amount
        level = [team for team in left.values() if team.parent in right]
    faults += (Fault(team.name, _unrooted(team, left, {fault.team for fault in faults})) for team in left.values())
    return list(right.values()), faults


def _fault(team: Team, homes: Mapping[str, str]) -> str:
    """What is wrong with a team by itself, or beside those that came before it."""
    for what, quotas in (("compute", team.compute), ("memory", team.memory)):
        named = [name for name, _ in quotas]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            return f"names {twice} twice in its quota of {what}; give one line for each class"
        for name, quota in quotas:
            least = min(quota.amount, quota.borrowing or 0, quota.lending or 0)
            if least < 0:
                return f"has {amount_text(what, least)} in its quota of {what} for {name}; expected 0 or more"
    if team.weight < 0 or (team.maximum or 0) < 0:
        return f"has a weight of {team.weight} and a maximum of {team.maximum}; expected 0 or more"
    taken = next((name for name in team.namespaces if name in homes), None)
    if taken is not None:
        return f"names namespace {taken}, which belongs to team {homes[taken]}; a namespace has one team"
    return ""


def _above(team: Team, right: Mapping[str, Team], left_of: Mapping[tuple[str, str, str], int]) -> str:
    """Whether a team has more than its parent has left to divide."""
    if not team.parent:
        return ""
    for what, quotas in (("compute", team.compute), ("memory", team.memory)):
        for name, quota in quotas:
            left = left_of.get((team.parent, what, name), 0)
            if quota.amount > left or (team.parent, what, name) not in left_of:
                has = dict(getattr(right[team.parent], what)).get(name, NOTHING).amount
                return (
                    f"is given {amount_text(what, quota.amount)} of {name}; its parent {team.parent} has "
                    f"{amount_text(what, has)}, of which {amount_text(what, left)} is left to divide"
                )
    return ""


def _unrooted(team: Team, left: Mapping[str, Team], wrong: set[str]) -> str:
    """Why a team hangs on no root."""
    chain = [team.name]
    parent = team.parent
    while parent in left and parent not in chain:
        chain.append(parent)
        parent = left[parent].parent
    if parent in chain:
        return f"is above itself: {' -> '.join([*chain, parent])}; a team has one parent, up to the pool"
    if parent in wrong:
        return f"is under team {parent}, which is wrong itself"
    return f"is under team {parent}, which is not there"


# Building ---------------------------------------------------------------------------------------------------------


def classes_named(teams: Iterable[Team]) -> tuple[str, ...]:
    """The models that quotas name, in order."""
    quotas = (name for team in teams for name, _ in (*team.compute, *team.memory))
    return tuple(sorted({name for name in quotas if name != OTHERS}))


def build_tree(teams: Iterable[Team], strangers: Iterable[str], classes: Classes) -> Tree:
    """The tree of these teams and of namespaces that belong to none. O(teams x columns)."""
    right, faults = _sifted(teams)
    homes = {namespace: team.name for team in right for namespace in team.namespaces}
    known = {team.name for team in right}
    implicit = sorted(name for name in set(strangers) if name not in known and name not in homes and name != POOL)
    found = [Team(POOL, 0), *right, *(Team(name, 0, namespaces=(name,)) for name in implicit)]
    index = {team.name: i for i, team in enumerate(found)}
    parent = (-1, *(index[team.parent] for team in found[1:]))
    children: list[list[int]] = [[] for _ in found]
    path: list[tuple[int, ...]] = [(0,)]
    for i in range(1, len(found)):
        children[parent[i]].append(i)
        path.append((i, *path[parent[i]]))
    memory_of = tuple(c for c, name in enumerate(classes.names) if any(name in dict(team.memory) for team in right))
    quotas = [_quotas(team, classes, memory_of) for team in found]
    quotas[0] = [Quota(capacity) for capacity in _capacity(classes, memory_of)]
    subtree, local = _subtrees(quotas, children)
    columns = [Column("compute", name) for name in classes.names]
    columns += [Column("memory", classes.names[c]) for c in memory_of]
    return Tree(
        teams=tuple(found),
        index=index,
        parent=parent,
        children=tuple(map(tuple, children)),
        path=tuple(path),
        capped=tuple(tuple(n for n in way if found[n].maximum is not None) for way in path),
        classes=classes,
        columns=tuple(columns),
        memory_of=memory_of,
        subtree=subtree,
        local=local,
        borrowing=tuple(tuple(UNLIMITED if q.borrowing is None else q.borrowing for q in row) for row in quotas),
        maximum=tuple(UNLIMITED if team.maximum is None else team.maximum for team in found),
        homes=homes,
        implicit=frozenset(implicit),
        faults=tuple(sorted(faults)),
    )


def _capacity(classes: Classes, memory_of: Sequence[int]) -> list[int]:
    return [*map(int, classes.compute), *(int(classes.memory[c]) for c in memory_of)]


def _quotas(team: Team, classes: Classes, memory_of: Sequence[int]) -> list[Quota]:
    """A team's quota for each column. Where it names only one of compute and memory, the other is in proportion."""
    compute, memory = dict(team.compute), dict(team.memory)
    found = []
    for c, name in enumerate(classes.names):
        found.append(compute.get(name) or _scaled(memory.get(name), int(classes.compute[c]), int(classes.memory[c])))
    for c in memory_of:
        name = classes.names[c]
        found.append(memory.get(name) or _scaled(compute.get(name), int(classes.memory[c]), int(classes.compute[c])))
    return found


def _scaled(quota: Quota | None, numerator: int, denominator: int) -> Quota:
    """A quota of the other kind. Limits stay with the kind that they were given for."""
    return replace(NOTHING, amount=quota.amount * numerator // denominator) if quota and denominator else NOTHING


def _subtrees(quotas: list[list[Quota]], children: list[list[int]]) -> tuple[Numbers, Numbers]:
    """Subtree and local of every team, from the leaves up."""
    subtree: list[tuple[int, ...]] = [()] * len(quotas)
    local: list[tuple[int, ...]] = [()] * len(quotas)
    for n in reversed(range(len(quotas))):
        row = []
        for r, quota in enumerate(quotas[n]):
            divided = sum(quotas[c][r].amount for c in children[n])
            row.append(max(0, quota.amount - divided) + sum(subtree[c][r] - local[c][r] for c in children[n]))
        subtree[n] = tuple(row)
        local[n] = tuple(
            0 if quota.lending is None else max(0, has - quota.lending)
            for quota, has in zip(quotas[n], row, strict=True)
        )
    return tuple(subtree), tuple(local)


# What is used -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Used:
    """What teams use: `usage` by team and column as defined above, `held` thousandths of devices of whatever class.

    `past` is what a team and its descendants borrowed lately, by team and column, faded: see `memory`.
    """

    usage: Numbers
    held: tuple[int, ...]
    past: Numbers


def add_up(tree: Tree, direct: Mapping[str, Sequence[int]]) -> tuple[Numbers, tuple[int, ...]]:
    """Usage and held, from what the teams of these names use themselves: compute by class, then memory by class."""
    count = len(tree.classes.names)
    usage = [[0] * len(tree.columns) for _ in tree.teams]
    held = [0] * len(tree.teams)
    for name, amounts in direct.items():
        n = tree.at(name)
        for r in range(count):
            usage[n][r] += amounts[r]
            held[n] += amounts[r]
        for r, c in enumerate(tree.memory_of, count):
            usage[n][r] += amounts[count + c]
    for n in range(len(tree.teams) - 1, 0, -1):
        up, local = usage[tree.parent[n]], tree.local[n]
        held[tree.parent[n]] += held[n]
        for r, amount in enumerate(usage[n]):
            up[r] += max(0, amount - local[r])
    return tuple(map(tuple, usage)), tuple(held)
