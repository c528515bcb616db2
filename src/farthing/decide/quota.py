"""What a team may still have: the books of a tree while a plan is made. Small recursions, in Kueue's arithmetic.

    available(pool)  what it has together, less what is used of that
    available(n)     what n keeps to itself and does not use, and of its parent's the smaller of: what is available
                     there, and what n may still use of it, with what it may borrow

So nobody uses more than it is guaranteed and may borrow, nor takes what another keeps to itself; and who takes back
what it lent may find that it is not there yet. All amounts are whole: thousandths of devices, and bytes. O(depth).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from farthing.state.snapshot import Snapshot
from farthing.state.teams import UNLIMITED, Tree

Charge = tuple[tuple[int, int], ...]
"""What an ask takes of its team's quota, as (column, amount)."""


@dataclass(slots=True)
class Books:
    """What every team of a tree uses now. `take` and `give_back` change it, `rewind` undoes the last such `moves`."""

    tree: Tree
    usage: list[list[int]]
    held: list[int]
    moves: list[tuple[int, Charge, int]] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Books | None":
        """The books of a snapshot; None where nothing is governed."""
        if snapshot.tree is None or snapshot.used is None:
            return None
        return cls(snapshot.tree, [list(row) for row in snapshot.used.usage], list(snapshot.used.held))

    def copy(self) -> "Books":
        """Books to try something in."""
        return Books(self.tree, [list(row) for row in self.usage], list(self.held))

    # Looking ------------------------------------------------------------------------------------------------------

    def available(self, team: int, column: int) -> int:
        """What a team may still take, maximum aside; below 0 where more is used already than may be."""
        tree, used = self.tree, self.usage[team][column]
        has, local = tree.subtree[team][column], tree.local[team][column]
        if team == 0:
            return has - used
        room = has - local - max(0, used - local) + tree.borrowing[team][column]
        return max(0, local - used) + min(room, self.available(tree.parent[team], column))

    def below_maximum(self, team: int) -> int:
        """Thousandths of devices until a team, or one above it, has as much as it may have at all."""
        return min((self.tree.maximum[n] - self.held[n] for n in self.tree.capped[team]), default=UNLIMITED)

    def guaranteed(self, team: int, column: int) -> int:
        """What a team does not use of what it is guaranteed."""
        return max(0, self.tree.subtree[team][column] - self.usage[team][column])

    def borrowed(self, team: int, column: int) -> int:
        """What a team uses beyond what it is guaranteed."""
        return max(0, self.usage[team][column] - self.tree.subtree[team][column])

    def lends(self, team: int, column: int) -> int:
        """What a team does not use and lets others have."""
        tree, used = self.tree, self.usage[team][column]
        return max(0, tree.subtree[team][column] - max(used, tree.local[team][column]))

    def own(self, team: int, column: int) -> int:
        """What a team's own pods use: all that is counted for it, less what its children carried up."""
        usage, local = self.usage, self.tree.local
        carried = sum(max(0, usage[c][column] - local[c][column]) for c in self.tree.children[team])
        return usage[team][column] - carried

    def allows(self, team: int, charge: Charge) -> bool:
        """Whether a team may take this."""
        for column, amount in charge:
            if amount and amount > self.available(team, column):
                return False
        return not self.tree.capped[team] or self.compute(charge) <= self.below_maximum(team)

    def within(self, team: int, charge: Charge) -> bool:
        """Whether this is no more than a team is guaranteed and does not use, whoever has it now."""
        has, used = self.tree.subtree[team], self.usage[team]
        for column, amount in charge:  # noqa: SIM110 -- asked for every decision, and twice as fast as all()
            if amount and amount > has[column] - used[column]:
                return False
        return True

    def compute(self, charge: Iterable[tuple[int, int]]) -> int:
        """Thousandths of devices in a charge."""
        classes = len(self.tree.classes.names)
        return sum(amount for column, amount in charge if column < classes)

    # Changing -----------------------------------------------------------------------------------------------------

    def take(self, team: int, charge: Charge) -> None:
        """A team uses so much more."""
        self.moves.append((team, charge, 1))
        self._move(team, charge, 1)

    def give_back(self, team: int, charge: Charge) -> None:
        """A team uses so much less."""
        self.moves.append((team, charge, -1))
        self._move(team, charge, -1)

    def rewind(self, to: int) -> None:
        """Let everything be as it was when there were so many moves."""
        while len(self.moves) > to:
            team, charge, sign = self.moves.pop()
            self._move(team, charge, -sign)

    def _move(self, team: int, charge: Charge, sign: int) -> None:
        """Carry a change up to the pool; what a team keeps to itself is no matter of its parent."""
        compute, carried = sign * self.compute(charge), [(column, sign * amount) for column, amount in charge]
        for n in self.tree.path[team]:
            usage, local = self.usage[n], self.tree.local[n]
            self.held[n] += compute
            for i, (column, amount) in enumerate(carried):
                before = max(0, usage[column] - local[column])
                usage[column] += amount
                carried[i] = column, max(0, usage[column] - local[column]) - before

    # Explaining ---------------------------------------------------------------------------------------------------

    def binding(self, team: int, charge: Charge) -> "Binding | None":
        """What stands in the way of a charge: the nearest team whose limit leaves too little; None where nothing."""
        compute = self.compute(charge)
        for n in self.tree.path[team]:
            if self.held[n] + compute > self.tree.maximum[n]:
                return Binding(n, None, "maximum", self.tree.maximum[n], self.tree.maximum[n] - self.held[n], compute)
        for column, amount in charge:
            if amount > self.available(team, column):
                return self._binding(team, column, amount)
        return None

    def _binding(self, team: int, column: int, amount: int) -> "Binding":
        """Climb to where the amount runs out; at each step what a team keeps to itself is taken first."""
        tree, wanted = self.tree, amount
        for n in tree.path[team]:
            used, has, local = self.usage[n][column], tree.subtree[n][column], tree.local[n][column]
            if n == 0:
                return Binding(0, column, "pool", has, has - used, wanted)
            wanted -= max(0, min(wanted, local - used))
            room = has - local - max(0, used - local) + tree.borrowing[n][column]
            if wanted > room:
                return Binding(n, column, "borrowing", has + tree.borrowing[n][column], room, wanted)
        raise AssertionError("a path ends at the pool")


@dataclass(frozen=True, slots=True)
class Binding:
    """A limit that is in the way: of `team`, for a `column` (None: over all classes), of a `kind`.

    `most` is what the limit allows at all, `left` what is left of that, `wanted` what more would have to be.
    """

    team: int
    column: int | None
    kind: str
    most: int
    left: int
    wanted: int


def potential(tree: Tree, team: int, column: int) -> int:
    """What a team could ever use of a column, if nobody else used anything."""
    has = tree.subtree[team][column]
    if team == 0:
        return has
    most = min(UNLIMITED, has + tree.borrowing[team][column])
    return min(most, tree.local[team][column] + potential(tree, tree.parent[team], column))


def over(books: Books) -> Sequence[tuple[int, int]]:
    """Teams and columns of which more is used than may be: what is guaranteed and what may be borrowed."""
    tree = books.tree
    return [
        (n, column)
        for n in range(1, len(tree.teams))
        for column, used in enumerate(books.usage[n])
        if used > tree.subtree[n][column] + tree.borrowing[n][column]
    ]
