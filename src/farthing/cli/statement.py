"""`farthing statement`: what one team owes for one month, on the screen, for programs, or as a page to send."""

import html
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, percent, show_json, show_table
from farthing.ledger.money import format_exact
from farthing.ledger.period import first_day, last_day, parse_period
from farthing.model.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from farthing.store.ask import Cost
    from farthing.store.ledger import Ledger

PARTS: Final = ("kind", "workload", "model", "cluster", "day")
"""What a statement is broken down by, each part adding up to the total."""

_MILLI_GPU_HOUR: Final = 3_600_000


@dataclass(frozen=True)
class StatementLine:
    """One line. `cost` is exact decimal text; `gpu_hours` counts a device that is taken whole for an hour as 1."""

    name: str
    cost: str
    gpu_hours: float


@dataclass(frozen=True)
class StatementPart:
    """The whole amount, broken down by one thing: what kind of charge, workload, model, cluster or day."""

    by: str
    lines: tuple[StatementLine, ...]


@dataclass(frozen=True)
class Statement:
    """What a team owes for a month, corrections of closed months included.

    `closed`: the month is closed, and this is what will always be said of it. Of what is not settled yet, `not_settled`
    is the part of `total` that may change.
    """

    team: str
    month: str
    currency: str
    closed: bool
    total: str
    not_settled: str
    parts: tuple[StatementPart, ...]


def statement(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The team.")],
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.")],
    ledger: LedgerUrl = "",
    page: Annotated[
        Path | None, typer.Option("--html", help="Write it there as a page that needs nothing else.")
    ] = None,
    output: Output = Format.table,
) -> None:
    """What a team owes for a month: by kind of charge, workload, model, cluster and day.

    \b
    farthing statement vision 2026-11
    farthing statement vision 2026-11 --html vision-2026-11.html
    """
    with opened(ledger) as found:
        made = _statement(found, team, parse_period(month))
    if page is not None:
        try:
            page.write_text(as_html(made), encoding="utf-8")
        except OSError as error:
            raise InvalidError("--html", f"{page} cannot be written: {error.strerror}") from error
    if output is Format.json:
        show_json(made)
    else:
        _show(console(), made)


def _statement(ledger: "Ledger", team: str, month: str) -> Statement:
    from farthing.store.ask import Question, ask  # noqa: PLC0415 -- SQL takes most of a second to import

    answers = {
        part: ask(ledger.database, Question((part,), first_day(month), last_day(month), team, period=month))
        for part in PARTS
    }
    if not any(answer.costs for answer in answers.values()):
        raise NotFoundError(f"{team} was charged nothing in {month}; `farthing cost --by team,month` shows who was")
    costs = answers["kind"].costs
    return Statement(
        team=team,
        month=month,
        currency=answers["kind"].currency,
        closed=month in ledger.closed(),
        total=format_exact(sum(cost.amount for cost in costs)),
        not_settled=format_exact(sum(cost.unsettled for cost in costs)),
        parts=tuple(StatementPart(part, _lines(part, answer.costs)) for part, answer in answers.items()),
    )


def _lines(part: str, costs: tuple["Cost", ...]) -> tuple[StatementLine, ...]:
    """The dearest first, but days in their order."""
    ordered = sorted(costs, key=lambda cost: cost.names) if part == "day" else costs
    return tuple(
        StatementLine(
            name=cost.names[0] or "-",
            cost=format_exact(cost.amount),
            gpu_hours=round(cost.milli_gpu_seconds / _MILLI_GPU_HOUR, 3),
        )
        for cost in ordered
    )


def state_of(made: Statement) -> str:
    """Whether the amounts may still change, as a sentence."""
    if made.closed:
        return "The month is closed."
    if Decimal(made.not_settled):
        return f"The month is open; {_money(made.not_settled)} {made.currency} of it are not settled yet."
    return "The month is open."


def _money(exact: str) -> str:
    return f"{Decimal(exact):,.2f}"


def _show(out: Console, made: Statement) -> None:
    out.print(f"{made.team}, {made.month}: {_money(made.total)} {made.currency}", style="bold")
    out.print(state_of(made), style="dim")
    for part in made.parts:
        out.print()
        columns = (
            Column(part.by),
            Column(made.currency, right=True),
            Column("part", right=True),
            Column("GPU hours", right=True),
        )
        rows = (
            (line.name, _money(line.cost), percent(float(line.cost), float(made.total)), f"{line.gpu_hours:,.2f}")
            for line in part.lines
        )
        show_table(out, columns, rows)


# As a page --------------------------------------------------------------------------------------------------------

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0 2rem}th,td{padding:.3rem .6rem;text-align:right;"
    "border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}"
    "meter{width:8rem}.total{font-size:2rem}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}"
    "th,td{border-color:#333}}"
)


def as_html(made: Statement) -> str:
    """A page without scripts, fonts or pictures from elsewhere."""
    title = html.escape(f"{made.team}, {made.month}")
    parts = "".join(_table(part, made) for part in made.parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>GPU costs of {title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>GPU costs of {title}</h1>"
        f'<p class="total">{_money(made.total)} {html.escape(made.currency)}</p><p>{html.escape(state_of(made))}</p>'
        f"{parts}</body></html>\n"
    )


def _table(part: StatementPart, made: Statement) -> str:
    most = max((abs(float(line.cost)) for line in part.lines), default=0.0) or 1.0
    rows = "".join(
        f"<tr><td>{html.escape(line.name)}</td><td>{_money(line.cost)}</td>"
        f'<td><meter min="0" max="1" value="{max(0.0, float(line.cost)) / most:.4f}"></meter></td>'
        f"<td>{line.gpu_hours:,.2f}</td></tr>"
        for line in part.lines
    )
    head = f"<th>{part.by}</th><th>{html.escape(made.currency)}</th><th></th><th>GPU hours</th>"
    return f"<h2>By {part.by}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
