"""How the team of a waiting pod stands: what it has of the classes that would do, and who has the rest."""

from dataclasses import dataclass
from typing import Final

from rich.console import Console

from farthing.cli.render import Column, show_table
from farthing.decide.governor import Governor
from farthing.decide.needs import Need
from farthing.decide.quota import Books
from farthing.model.team import amount_text, class_text
from farthing.state.snapshot import Snapshot

MOST_HOLDERS: Final = 5


@dataclass(frozen=True)
class Standing:
    """A team, the pod's own or one above it, and a class that would do: thousandths of devices, or bytes.

    `left` is what it may still take, borrowing included; below 0 where others have what it lent.
    """

    team: str
    what: str
    device_class: str
    guaranteed: int
    used: int
    borrowed: int
    left: int


@dataclass(frozen=True)
class Holder:
    """A team that uses some of a class which the pod waits for."""

    team: str
    what: str
    device_class: str
    used: int
    borrowed: int


def standings(
    snapshot: Snapshot, team: str, needs: tuple[Need, ...]
) -> tuple[tuple[Standing, ...], tuple[Holder, ...]]:
    """How a team stands, the nearest first and then those above it, and who borrows or uses most. Empty: ungoverned."""
    books = Books.of(snapshot)
    if books is None:
        return (), ()
    tree, governor = books.tree, Governor(snapshot.fleet, books)
    n = tree.at(team)
    columns = sorted({c for need in needs for option in governor.options(n, need) for c, _ in option.charge})
    found = tuple(
        Standing(
            tree.teams[above].name,
            *tree.columns[column],
            guaranteed=tree.subtree[above][column],
            used=books.usage[above][column],
            borrowed=books.borrowed(above, column),
            left=books.available(above, column),
        )
        for column in columns
        for above in tree.path[n]
        if above
    )
    leaves = [i for i in range(1, len(tree.teams)) if not tree.children[i]]
    holders = [
        Holder(tree.teams[i].name, *tree.columns[column], books.usage[i][column], books.borrowed(i, column))
        for column in columns
        for i in leaves
        if books.usage[i][column]
    ]
    return found, tuple(sorted(holders, key=lambda h: (-h.borrowed, -h.used, h.team))[:MOST_HOLDERS])


_STANDING: Final = (
    Column("team"),
    Column("class"),
    Column("guaranteed", right=True),
    Column("used", right=True),
    Column("borrowed", right=True),
    Column("may still take", right=True),
)
_HOLDER: Final = (Column("team"), Column("class"), Column("used", right=True), Column("borrowed", right=True))


def show_standings(out: Console, found: tuple[Standing, ...], holders: tuple[Holder, ...]) -> None:
    """The two as tables."""
    if found:
        out.print("\nIts team, and those above it, of what would do:")
        amounts = [(s, (s.guaranteed, s.used, s.borrowed, s.left)) for s in found]
        rows = [(s.team, _class(s), *(amount_text(s.what, n) for n in numbers)) for s, numbers in amounts]
        show_table(out, _STANDING, rows)
    if holders:
        out.print("\nWho has it, the borrowers first:")
        show_table(
            out,
            _HOLDER,
            [
                (
                    h.team,
                    _class(h),
                    amount_text(h.what, h.used),
                    amount_text(h.what, h.borrowed),
                )
                for h in holders
            ],
        )


def _class(found: Standing | Holder) -> str:
    return class_text(found.what, found.device_class)
