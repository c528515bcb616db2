"""Who may take devices from whom, and by which rule. Nothing here looks at where devices are.

    spot       whoever is not spot takes from spot pods; these run on what nobody else wants
    priority   within a team, the higher priority from the lower, unless that would have its turn first again
    reclaim    a team within what it is guaranteed, from those who borrow
    fair share a team that borrows, from one that even afterwards has no smaller share of what is lent, by weight

None of these can be undone by another, so pods never take devices from each other in turn: what reclaims is within
its guarantee, where nobody takes from it; priorities only rise, and who is within the guarantee, and so goes before
whoever of its team asks for more than that, is left to run; and of two shares that are compared the larger falls,
and does not fall below the smaller. Shares are those of this moment, without what was borrowed lately.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.decide.fairness import share
from farthing.decide.quota import Books, Charge
from farthing.model.cluster import Pod
from farthing.model.team import Queueing


@dataclass(frozen=True, slots=True, eq=False)
class Claimant:
    """Who wants devices: a pod, or the first of a gang, its team by index, and what all of it may be charged."""

    pod: Pod
    team: int
    charges: tuple[Charge, ...]

    @property
    def columns(self) -> frozenset[int]:
        return frozenset(column for charge in self.charges for column, amount in charge if amount)


def right(books: Books, claimant: Claimant, holder: Pod, team: int, charge: Charge) -> str:
    """The rule by which a claimant may have what a pod of a team holds, as a sentence; empty where by none."""
    pod, name = claimant.pod, books.tree.teams[claimant.team].name
    if pod.qos == "spot":
        return ""
    if holder.qos == "spot":
        return "spot pods run on what nobody else wants, and go first"
    if team == claimant.team:
        higher = pod.priority > holder.priority and not _in_vain(books, claimant, charge)
        return f"priority {pod.priority} of team {name} goes before {holder.priority}" if higher else ""
    return _between(books, claimant, team, charge)


def first_again(books: Books, claimant: Claimant, charge: Charge) -> bool:
    """Whether what a pod of the claimant's team held, which is gone, would be its again before the claimant's turn.

    It would be within what the team is guaranteed, and the claimant would not: see `queue`. In a strict line nobody
    passes.
    """
    if books.tree.teams[claimant.team].queueing is Queueing.STRICT:
        return False
    asked = claimant.charges
    return books.within(claimant.team, charge) and not any(books.within(claimant.team, one) for one in asked)


def _in_vain(books: Books, claimant: Claimant, charge: Charge) -> bool:
    """The same of a pod that is still there."""
    before = len(books.moves)
    books.give_back(claimant.team, charge)
    found = first_again(books, claimant, charge)
    books.rewind(before)
    return found


def _between(books: Books, claimant: Claimant, team: int, charge: Charge) -> str:
    """The rule between two teams: by what is guaranteed, or by what they borrow for their weight."""
    name, other = (books.tree.teams[n].name for n in (claimant.team, team))
    ours, theirs = _branches(books, claimant.team, team)
    wanted = claimant.columns & {column for column, amount in charge if amount}
    if not any(_borrows(books, theirs, team, column) for column in wanted):
        return ""
    if any(_within(books, ours, claimant.team, asked) for asked in claimant.charges):
        return f"team {name} takes back what it is guaranteed, and team {other} borrows"
    if claimant.pod.qos == "guaranteed" or not ours or not theirs:
        return ""
    mine = min((_after(books, claimant.team, asked, 1, ours[-1]) for asked in claimant.charges), default=0)
    left = _after(books, team, charge, -1, theirs[-1])
    return f"team {other} borrows more for its weight than team {name}, even without it" if mine <= left else ""


def _after(books: Books, team: int, charge: Charge, sign: int, of: int) -> int:
    """The share of a team once another, or itself, has taken a charge, or given it back."""
    before = len(books.moves)
    (books.take if sign > 0 else books.give_back)(team, charge)
    found = share(books, (), of)
    books.rewind(before)
    return found


def _branches(books: Books, one: int, other: int) -> tuple[Sequence[int], Sequence[int]]:
    """The ways of two teams up to where they meet, that team left out."""
    first, second = books.tree.path[one], books.tree.path[other]
    return [n for n in first if n not in second], [n for n in second if n not in first]


def _borrows(books: Books, branch: Sequence[int], team: int, column: int) -> bool:
    """Whether all of a branch use more of a column than they are guaranteed.

    The branch of a team that is above the other is empty; then what it uses itself counts, beside its children.
    """
    if not branch:
        return _own(books, team, column) > 0
    return all(books.borrowed(n, column) > 0 for n in branch)


def _within(books: Books, branch: Sequence[int], team: int, charge: Charge) -> bool:
    """Whether a charge is within what all of a branch are guaranteed, or a team above the other has for itself."""
    if not branch:
        return all(_own(books, team, column) + amount <= 0 for column, amount in charge if amount)
    return all(books.within(n, charge) for n in branch)


def _own(books: Books, team: int, column: int) -> int:
    """How much more a team uses itself than it has, without its children; below 0 where less."""
    tree = books.tree
    over = books.usage[team][column] - tree.subtree[team][column]
    for child in tree.children[team]:
        local = tree.local[child][column]
        over += tree.subtree[child][column] - local - max(0, books.usage[child][column] - local)
    return over
