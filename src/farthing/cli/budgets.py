"""`farthing budgets`: what teams may spend, how much of it is left, and whether it goes too fast."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.look import look
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Column, bar, console, show_json, show_table
from farthing.ledger.budget import BURNS, Account
from farthing.model.errors import NotFoundError
from farthing.state.world import World

if TYPE_CHECKING:
    from farthing.spoke.treasury import Found

Cluster = Annotated[str, typer.Option("--cluster", help="What the ledger calls this cluster.")]


@dataclass(frozen=True)
class BudgetRow:
    """One budget in its current period. `limit`, `spent` and `left` are exact decimal text in `unit`.

    `state` is ok, warning or exhausted. `fast_pace` and `slow_pace` say how many times the pace that would last for
    the period it was spent in the last hour and the last six; `burning` names those that are too fast.
    """

    budget: str
    team: str
    unit: str
    limit: str
    spent: str
    left: str
    state: str
    since: str
    resets: str
    on_exhausted: str
    forecast: bool
    fast_pace: float
    slow_pace: float
    burning: tuple[str, ...]


@dataclass(frozen=True)
class BudgetReport:
    """All budgets, the fullest first. `problems` are sentences about what could not be read or is not counted."""

    budgets: tuple[BudgetRow, ...]
    problems: tuple[str, ...]


def budgets(
    ledger: LedgerUrl = "",
    team: Annotated[str, typer.Option("--team", help="Only this team's.")] = "",
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.table,
) -> None:
    """What teams may spend, what is left, when it resets, and whether it is spent too fast.

    Shown are Budget objects of the cluster and the budgets that the ledger holds (`farthing ledger budgets`).

    \b
    farthing budgets
    farthing budgets --team vision -o json
    """
    world = asyncio.run(_world(kubeconfig, context))
    with opened(ledger) as found:
        from farthing.spoke.treasury import Seen, find  # noqa: PLC0415 -- SQL takes most of a second to import

        report = report_of(find(found.database, Seen.of(world), "", time.time()), team)
    if output is Format.json:
        show_json(report)
    else:
        _show(console(), report)


async def _world(kubeconfig: Path | None, context: str) -> World:
    """The cluster, for its Budget objects; an empty one where none is named."""
    try:
        connection = connect(kubeconfig, context)
    except NotFoundError:
        return World()
    async with connection:
        return (await look(connection)).world


def look_at_budgets(world: World, url: str, cluster: str, at: float) -> None:
    """Let a world know what teams may spend, as a spoke does."""
    with opened(url) as found:
        from farthing.spoke.treasury import Seen, find  # noqa: PLC0415 -- as above

        world.budgets = find(found.database, Seen.of(world), cluster, at).budgets


def report_of(found: "Found", team: str) -> BudgetReport:
    """The accounts as rows."""
    accounts = [account for account in found.accounts if team in ("", account.budget.team)]
    accounts.sort(key=lambda account: (-_part(account), account.budget.name))
    faults = (f"budget {name} cannot be read, and counts for nothing: {said}" for name, said in found.faults.items())
    return BudgetReport(tuple(_row(account) for account in accounts), (*faults, *found.unpriced))


def _part(account: Account) -> float:
    return account.spent / account.budget.limit if account.budget.limit else 1.0


def _row(account: Account) -> BudgetRow:
    budget, allowance = account.budget, account.allowance
    return BudgetRow(
        budget=budget.name,
        team=budget.team,
        unit=allowance.currency or "GPU hours",
        limit=account.exact(budget.limit),
        spent=account.exact(account.spent),
        left=account.exact(allowance.left),
        state=account.state,
        since=_instant(account.starts),
        resets=_instant(account.resets),
        on_exhausted=budget.on_exhausted,
        forecast=budget.forecast and allowance.holds,
        fast_pace=account.paces[0],
        slow_pace=account.paces[1],
        burning=account.burns,
    )


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


_STYLES: Final = {"ok": "green", "warning": "yellow", "exhausted": "red"}


def _show(out: Console, report: BudgetReport) -> None:
    columns = (
        Column("budget"),
        Column("team"),
        Column("limit", right=True),
        Column("unit"),
        Column("spent", from_width=60),
        Column("left", right=True),
        Column("state"),
        Column("resets"),
        Column("then", from_width=100),
        *(Column(f"pace {burn.seconds // 3600}h", right=True, from_width=90) for burn in BURNS),
    )
    rows = (
        (
            row.budget,
            row.team,
            _short(row.limit),
            row.unit,
            bar(out, float(row.spent), float(row.limit) or 1.0),
            _short(row.left),
            Text(", ".join((row.state, *(f"burns {burn}" for burn in row.burning))), _STYLES[row.state]),
            row.resets[:10],
            row.on_exhausted.lower() + (", by forecast" if row.forecast else ""),
            f"{row.fast_pace:g}x",
            f"{row.slow_pace:g}x",
        )
        for row in report.budgets
    )
    if report.budgets:
        show_table(out, columns, rows)
    else:
        out.print("no budgets; see `farthing ledger budgets --help`, or `kubectl explain budget.spec`")
    for problem in report.problems:
        out.print(Text(problem, "yellow"))


def _short(exact: str) -> str:
    return f"{float(exact):,.2f}"
