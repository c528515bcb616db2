"""Whose turn it is: teams within what they are guaranteed first, then whoever has least of what is lent.

A team's share is its dominant one: over all columns the largest part of the pool that it borrows, with what it
borrowed lately, divided by its weight. Shares are compared between siblings, from the pool down, as in a tournament:
each team sends the ask of whichever of its children, or of its own, has the least; of equal ones, who came first.

So a team that borrows is never more than one ask ahead of another that still waits, in proportion to their weights.
The ask in question is no part of the share: else who asks for much at once would wait behind all who ask for little.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Final

from farthing.decide.order import AGED_SECONDS, came, is_spot
from farthing.decide.queue import Failed, Passed, Queue
from farthing.decide.quota import Books, Charge
from farthing.model.team import Queueing
from farthing.state.snapshot import Snapshot, Waiting
from farthing.state.teams import Numbers, Tree

SCALE: Final = 10**9
"""A share of 1: all of the pool, at a weight of 1."""

WEIGHTLESS: Final = 1 << 80
"""The share of a team without weight that borrows: behind everybody who has one."""

WITHIN, BORROWS, SPOT = range(3)
"""The first thing that counts: whether an ask is within what its team, or the family it is in, is guaranteed. Spot asks
never use that."""

Costs = Callable[[int, Waiting], Sequence[Charge]]
"""What an ask of a team may cost: one charge for each class of devices that would do."""


def share(books: Books, past: Numbers, team: int) -> int:
    """A team's weighted dominant share, in parts of SCALE."""
    tree = books.tree
    dominant = _dominant(tree, books.usage[team], tree.subtree[team], past[team] if past else ())
    weight = tree.teams[team].weight
    if not dominant:
        return 0
    return dominant * 1000 // weight if weight else WEIGHTLESS + dominant


def own_share(books: Books, team: int) -> int:
    """The share of what a team of teams uses itself: beside its children it counts as one more of them, of weight 1."""
    tree, has = books.tree, list(books.tree.subtree[team])
    for child in tree.children[team]:
        for column, local in enumerate(tree.local[child]):
            has[column] -= tree.subtree[child][column] - local
    return _dominant(tree, [books.own(team, column) for column in range(len(has))], has, ())


def _dominant(tree: Tree, used: Sequence[int], has: Sequence[int], past: Sequence[int]) -> int:
    """The largest part of the pool that is borrowed of any column."""
    dominant, pool = 0, tree.subtree[0]
    for column, amount in enumerate(used):
        borrowed = max(0, amount - has[column]) + (past[column] if past else 0)
        if borrowed:
            dominant = max(dominant, borrowed * SCALE // max(1, pool[column]))
    return dominant


@dataclass(order=True, slots=True)
class _Entry:
    """A candidate as siblings see it; `child` sent it, itself where it is the team's own.

    `rank` is what counts: whether it is within, its share, when it came, and its team's place in the tree. `place` is
    the ask's own in its team's queue.
    """

    rank: tuple[int, int, float, int]
    child: int = field(compare=False)
    team: int = field(compare=False)
    place: int = field(compare=False)
    charge: Charge = field(compare=False)


class Line:
    """Everybody who waits, each team in its own order, and who is next. O(depth x columns) per turn."""

    def __init__(
        self,
        snapshot: Snapshot,
        books: Books,
        queues: Mapping[int, Sequence[Waiting]],
        costs: Costs,
        failed: Failed,
    ) -> None:
        self._books, self._costs, self._at = books, costs, snapshot.at
        self._past = snapshot.used.past if snapshot.used else ()
        self._queues = {team: Queue(queue, partial(costs, team), failed) for team, queue in queues.items()}
        self._heaps: dict[int, list[_Entry]] = {}
        self._current: dict[tuple[int, int], _Entry | None] = {}
        for n in sorted({above for team in queues for above in books.tree.path[team]}, reverse=True):
            self._send(n, n, self._own(n))
            self._pass_on(n)

    def head(self) -> tuple[int, Waiting] | None:
        """The team whose turn it is, and its ask; None where nobody waits any more."""
        best = self._best(0)
        return None if best is None else (best.team, self._queues[best.team][best.place])

    def is_within(self) -> bool:
        """Whether the ask at the head is within what its team, or a family it is in, is guaranteed."""
        best = self._best(0)
        return best is not None and best.rank[0] == WITHIN

    def charge(self) -> Charge:
        """What the ask at the head would be charged, at the best."""
        best = self._best(0)
        return best.charge if best is not None else ()

    def advance(self) -> Passed:
        """The head has had its turn. Those of its team that have failed meanwhile are returned, with the reasons."""
        best = self._best(0)
        if best is None:
            return []
        passed = self._queues[best.team].serve(best.place)
        self._refresh(best.team)
        return passed

    def rest(self, team: int) -> list[Waiting]:
        """All of a team that have not had their turn; they get none any more."""
        found = self._queues[team].rest()
        self._refresh(team)
        return found

    # The tournament -----------------------------------------------------------------------------------------------

    def _refresh(self, team: int) -> None:
        """A team's head or use has changed: let it, and those above it, send their candidates anew."""
        self._send(team, team, self._own(team))
        for n in self._books.tree.path[team]:
            self._pass_on(n)

    def _pass_on(self, n: int) -> None:
        """Let a team send its best candidate to its parent."""
        if n:
            best = self._best(n)
            self._send(self._books.tree.parent[n], n, None if best is None else self._seen(n, best))

    def _send(self, to: int, child: int, entry: _Entry | None) -> None:
        self._current[to, child] = entry
        if entry is not None:
            heappush(self._heaps.setdefault(to, []), entry)

    def _best(self, team: int) -> _Entry | None:
        heap = self._heaps.get(team, [])
        while heap and heap[0] is not self._current[team, heap[0].child]:
            heappop(heap)
        return heap[0] if heap else None

    def _own(self, team: int) -> _Entry | None:
        """A team's own candidate: its head, or who is first within what it is guaranteed."""
        queue = self._queues.get(team)
        place = queue.head() if queue is not None else None
        if queue is None or place is None:
            return None
        head, within = queue[place], partial(self._books.within, team)
        charges = self._costs(team, head)
        charge = None if is_spot(head) else next(filter(within, charges), None)
        found = (place, charge) if charge is not None else None
        if found is None and self._may_pass(team, head):
            found = queue.first(within)
        if found is not None:
            place, charge = found
            return _Entry((WITHIN, 0, came(queue[place]), team), team, team, place, charge)
        rank = (SPOT if is_spot(head) else BORROWS, self._own_share(team), came(head), team)
        return _Entry(rank, team, team, place, next(iter(charges), ()))

    def _may_pass(self, team: int, head: Waiting) -> bool:
        """Whether others of a team may go before its head, and anything of its guarantee is left for them.

        Nobody passes in a strict line, nor who has waited for too long.
        """
        books, strict = self._books, self._books.tree.teams[team].queueing is Queueing.STRICT
        if strict or self._at - head.pod.created >= AGED_SECONDS:
            return False
        return any(books.guaranteed(team, column) for column in range(len(books.tree.columns)))

    def _own_share(self, team: int) -> int:
        if self._books.tree.children[team]:
            return own_share(self._books, team)
        return share(self._books, self._past, team)

    def _seen(self, n: int, best: _Entry) -> _Entry:
        """A team's candidate as the team's siblings see it."""
        within = best.rank[0] != SPOT and (best.rank[0] == WITHIN or self._books.within(n, best.charge))
        rank = (WITHIN if within else best.rank[0], share(self._books, self._past, n), best.rank[2], n)
        return _Entry(rank, n, best.team, best.place, best.charge)


def queues_of(books: Books, waiting: Iterable[Waiting]) -> dict[int, list[Waiting]]:
    """Those who wait, by the index of their team."""
    by_name: dict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_name[one.team].append(one)
    found: dict[int, list[Waiting]] = defaultdict(list)
    for name, queue in by_name.items():
        found[books.tree.at(name)] += queue
    return found
