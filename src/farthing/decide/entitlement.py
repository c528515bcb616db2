"""What each team would have if everything were given out anew, fairly, to what runs and waits now.

From the pool down, for each column by itself and in the arithmetic of `quota`: what a team keeps to itself is its own,
everything else comes from its parent. Each child first gets what it is guaranteed, as far as it wants it; what is then
left goes to those who want more, in proportion to their weights, as far as they may borrow. A team's own pods count as
one more child, of weight 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.decide.quota import Books
from farthing.state.teams import Tree

Wanted = Mapping[int, Mapping[int, int]]
"""By team what its own pods that wait want, by column."""


@dataclass(slots=True)
class Part:
    """One who shares: what it is guaranteed, how much it wants and may have at most, its weight; and what it gets."""

    guaranteed: int
    most: int
    weight: int
    gets: int = 0


def entitlements(books: Books, wanted: Wanted) -> list[list[int]]:
    """By team and column, what it and those below it would have: thousandths of devices, and bytes."""
    tree = books.tree
    found = [[0] * len(tree.columns) for _ in tree.teams]
    for column in range(len(tree.columns)):
        own = [books.own(n, column) + wanted.get(n, {}).get(column, 0) for n in range(len(tree.teams))]
        for n, amount in enumerate(_entitled(tree, column, own)):
            found[n][column] = amount
    return found


def _entitled(tree: Tree, column: int, own: Sequence[int]) -> list[int]:
    local = [row[column] for row in tree.local]
    wants = list(own)
    for n in range(len(tree.teams) - 1, 0, -1):
        wants[tree.parent[n]] += _part(tree, n, column, wants[n]).most
    has, total = [tree.subtree[0][column]] + [0] * (len(tree.teams) - 1), [0] * len(tree.teams)
    for n, children in enumerate(tree.children):
        parts = [_part(tree, child, column, wants[child]) for child in children]
        itself = Part(max(0, tree.subtree[n][column] - sum(p.guaranteed for p in parts)), own[n], 1000)
        divide(has[n], [*parts, itself])
        total[n] = itself.gets
        for child, part in zip(children, parts, strict=True):
            has[child] = min(wants[child], local[child]) + part.gets
    for n in range(len(tree.teams) - 1, 0, -1):
        total[tree.parent[n]] += total[n]
    return total


def _part(tree: Tree, child: int, column: int, wants: int) -> Part:
    """A child as it shares in what its parent has: beyond what it keeps to itself."""
    has, local = tree.subtree[child][column], tree.local[child][column]
    most = min(max(0, wants - local), has - local + tree.borrowing[child][column])
    return Part(has - local, most, tree.teams[child].weight)


def divide(has: int, parts: Sequence[Part]) -> None:
    """Give `has` to those who share it."""
    rest = has
    for part in parts:
        part.gets = min(part.guaranteed, part.most, rest)
        rest -= part.gets
    while rest > 0 and (hungry := [part for part in parts if part.weight and part.gets < part.most]):
        rest -= _round(rest, hungry)


def _round(rest: int, hungry: Sequence[Part]) -> int:
    """One round by weight; what was given. Who has enough then leaves more to the others in the next round."""
    weights, given = sum(part.weight for part in hungry), 0
    for part in hungry:
        more = min(rest * part.weight // weights, part.most - part.gets)
        part.gets, given = part.gets + more, given + more
    if not given:
        hungry[0].gets, given = hungry[0].gets + 1, 1
    return given


def use_in_all(books: Books, column: int) -> list[int]:
    """By team, what it and those below it use of a column, what they keep to themselves included."""
    found = [books.own(n, column) for n in range(len(books.tree.teams))]
    for n in range(len(found) - 1, 0, -1):
        found[books.tree.parent[n]] += found[n]
    return found


def lent(books: Books, n: int, column: int) -> int:
    """What a team does not use and lets others have, whether they do or not."""
    has, local = books.tree.subtree[n][column], books.tree.local[n][column]
    return max(0, has - max(books.usage[n][column], local))
