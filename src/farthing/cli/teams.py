"""`farthing teams`: the tree of teams, with what each has, uses, borrows, lends and waits for."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.look import Look, is_ours, look_at
from farthing.cli.options import Context, Format, Kubeconfig, Output
from farthing.cli.render import Column, console, counted, show_json, show_table
from farthing.decide.entitlement import entitlements, lent, use_in_all
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.quota import Books
from farthing.model.errors import NotFoundError
from farthing.model.team import amount_text, class_text
from farthing.state.snapshot import Snapshot, Waiting
from farthing.state.teams import Tree

POOL: Final = "the pool"
FEW: Final = 20
"""So many names fit into a sentence."""


@dataclass(frozen=True)
class ClassUse:
    """What a team and those below it have of one device class: thousandths of devices (compute), or bytes (memory).

    `fair` is what they would have if everything were given out anew. `lent` may be in use by others, or idle.
    """

    what: str
    device_class: str
    guaranteed: int
    used: int
    borrowed: int
    lent: int
    fair: int
    waiting: int


@dataclass(frozen=True)
class TeamRow:
    """One team, or the pool, which comes first and whose name is empty. `depth` 0 is the pool.

    `weight` is in thousandths. `implicit`: it is a namespace that belongs to no team. `pods` of its own wait.
    `fault` says why it is left out.
    """

    team: str
    depth: int
    parent: str = ""
    weight: int = 1000
    implicit: bool = False
    namespaces: tuple[str, ...] = ()
    pods: int = 0
    classes: tuple[ClassUse, ...] = ()
    fault: str = ""


def teams(
    team: Annotated[str, typer.Argument(help="Only this team and those below it.")] = "",
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, help="Only so many levels below it; 0: all.")] = 0,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.table,
) -> None:
    """The tree of teams: what each is guaranteed, uses, borrows, lends, would have by fair share, and waits for.

    \b
    farthing teams
    farthing teams research
    farthing teams --depth 1
    farthing teams -o json | jq -r '.[] | select(.fault != "") | "\\(.team): \\(.fault)"'
    """
    rows = asyncio.run(_rows(kubeconfig, context, team))
    shown = down_to(rows, depth) if depth else rows
    if output is Format.json:
        show_json(shown)
    else:
        _show(console(), shown)
        if hidden := len(rows) - len(shown):
            console().print(f"\n{counted(hidden, 'team')} further down: `farthing teams TEAM` shows what is below one.")


async def _rows(kubeconfig: Path | None, context: str, team: str) -> list[TeamRow]:
    rows = team_rows(await look_at(kubeconfig, context))
    return below(rows, team) if team else rows


def below(rows: list[TeamRow], team: str) -> list[TeamRow]:
    """The row of a team, and of those below it."""
    start = next((i for i, row in enumerate(rows) if row.team == team and row.depth), None)
    if start is None:
        raise NotFoundError(f"there is no team {team}; {_known(team, [row.team for row in rows if row.team])}")
    end = next((i for i in range(start + 1, len(rows)) if rows[i].depth <= rows[start].depth), len(rows))
    return rows[start:end]


def down_to(rows: list[TeamRow], depth: int) -> list[TeamRow]:
    """The first row and those at most so many levels below it; what is wrong is always shown."""
    top = rows[0].depth if rows else 0
    return [row for row in rows if row.depth - top <= depth or row.fault]


def _known(team: str, names: list[str]) -> str:
    """What there is instead: all where they are few, else those that are called alike."""
    if not names:
        return "there are none"
    alike = get_close_matches(team, names, 5) if len(names) > FEW else sorted(names)
    return f"there is {', '.join(alike)}" if alike else f"there are {len(names):,}, and none is called alike"


def team_rows(look: Look) -> list[TeamRow]:
    """All teams, each before those below it; those that are wrong come last. Empty where nothing is governed."""
    snapshot = look.snapshot()
    books = Books.of(snapshot)
    if books is None:
        return []
    tree = books.tree
    wants = wanted(snapshot, books, [w for w in snapshot.waiting if is_ours(look, w.pod)])
    fair = entitlements(books, wants)
    used = [use_in_all(books, column) for column in range(len(tree.columns))]
    pods: dict[int, int] = defaultdict(int)
    for waiting in snapshot.waiting:
        pods[tree.at(waiting.team)] += bool(needs_lacking(waiting))
    total = _summed(tree, wants)
    rows = []
    for n in _depth_first(tree):
        classes = (
            ClassUse(
                what=found.what,
                device_class=found.device_class,
                guaranteed=_guaranteed(tree, n, column),
                used=used[column][n],
                borrowed=books.borrowed(n, column) if n else 0,
                lent=lent(books, n, column) if n else 0,
                fair=fair[n][column],
                waiting=total[n][column],
            )
            for column, found in enumerate(tree.columns)
        )
        rows.append(replace(_row(tree, n), pods=pods[n], classes=tuple(classes)))
    return rows + [TeamRow(fault.team, 1, fault=fault.sentence) for fault in tree.faults]


def _row(tree: Tree, n: int) -> TeamRow:
    team = tree.teams[n]
    return TeamRow(
        team=team.name,
        depth=len(tree.path[n]) - 1,
        parent=team.parent,
        weight=team.weight,
        implicit=team.name in tree.implicit,
        namespaces=() if team.name in tree.implicit else team.namespaces,
    )


def _guaranteed(tree: Tree, n: int, column: int) -> int:
    """What a team has with those below it, what they keep to themselves included."""
    children = tree.children[n]
    return tree.subtree[n][column] + sum(
        _guaranteed(tree, c, column) - tree.subtree[c][column] + tree.local[c][column] for c in children
    )


def wanted(snapshot: Snapshot, books: Books, waiting: list[Waiting]) -> dict[int, dict[int, int]]:
    """What pods that wait want of their teams' quota: of the class that is the first to do, by team and column."""
    governor = Governor(snapshot.fleet, books)
    found: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for one in waiting:
        team = governor.team(one)
        for need in needs_lacking(one):
            for column, amount in next((option.charge for option in governor.options(team, need)), ()):
                found[team][column] += amount
    return found


def _summed(tree: Tree, wants: dict[int, dict[int, int]]) -> list[list[int]]:
    found = [[wants.get(n, {}).get(column, 0) for column in range(len(tree.columns))] for n in range(len(tree.teams))]
    for n in range(len(tree.teams) - 1, 0, -1):
        above = found[tree.parent[n]]
        found[tree.parent[n]] = [a + b for a, b in zip(above, found[n], strict=True)]
    return found


def _depth_first(tree: Tree, n: int = 0) -> list[int]:
    children = sorted(tree.children[n], key=lambda c: (tree.teams[c].name in tree.implicit, tree.teams[c].name))
    return [n, *(below for child in children for below in _depth_first(tree, child))]


# For people -------------------------------------------------------------------------------------------------------

_COLUMNS: Final = (
    Column("TEAM"),
    Column("WEIGHT", right=True, from_width=100),
    Column("CLASS"),
    Column("GUARANTEED", right=True),
    Column("USED", right=True),
    Column("BORROWED", right=True),
    Column("LENT", right=True),
    Column("FAIR SHARE", right=True),
    Column("WAITING", right=True),
    Column("PODS WAITING", right=True, from_width=100),
)


def _show(out: Console, rows: list[TeamRow]) -> None:
    if not rows:
        out.print("There are no teams, so nothing is governed: whoever comes first gets what there is.")
        return
    right = [row for row in rows if not row.fault]
    show_table(out, _COLUMNS, [cells for row in right for cells in _cells(row)])
    for row in rows:
        if row.fault:
            out.print(Text.assemble((row.team, "bold"), (" is left out", "red"), f": it {row.fault}"))
    strangers = [row for row in right if row.implicit]
    if strangers:
        out.print(
            f"\n{counted(len(strangers), 'namespace')} in brackets belong to no team: "
            "guaranteed nothing, weight 1, and first to give way."
        )


def _cells(row: TeamRow) -> list[tuple[str | Text, ...]]:
    """A line for each class that concerns the team, or one that says so little."""
    name = f"({row.team})" if row.implicit else row.team or POOL
    title = Text("  " * row.depth + name, "dim" if row.implicit else "bold" if row.depth < 2 else "")
    concerned = [use for use in row.classes if any((use.guaranteed, use.used, use.waiting))]
    cells: list[tuple[str | Text, ...]] = []
    for i, use in enumerate(concerned or [None]):
        first = (title, f"{row.weight / 1000:g}" if row.depth else "") if i == 0 else ("", "")
        pods = (str(row.pods or "") if i == 0 else "",)
        cells.append((*first, *(_amounts(use) if use else ("-",) * 7), *pods))
    return cells


def _amounts(use: ClassUse) -> tuple[str | Text, ...]:
    def text(amount: int) -> str:
        return amount_text(use.what, amount) if amount else "-"

    borrowed = Text(text(use.borrowed), "yellow" if use.borrowed else "")
    unit = class_text(use.what, use.device_class)
    return unit, text(use.guaranteed), text(use.used), borrowed, text(use.lent), text(use.fair), text(use.waiting)
