"""`farthing statement`: what one team owes for one month, on the screen, for programs, or as a page to send."""

import html
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, percent, show_json, show_table
from farthing.ledger.period import parse_period
from farthing.ledger.statement import Statement, StatementPart
from farthing.model.errors import InvalidError


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
    from farthing.store.statement import make_statement  # noqa: PLC0415 -- SQL takes most of a second to import

    with opened(ledger) as found:
        made = make_statement(found, team, parse_period(month))
    if page is not None:
        try:
            page.write_text(as_html(made), encoding="utf-8")
        except OSError as error:
            raise InvalidError("--html", f"{page} cannot be written: {error.strerror}") from error
    if output is Format.json:
        show_json(made)
    else:
        _show(console(), made)


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
    "table{border-collapse:collapse;table-layout:fixed;width:100%;margin:1rem 0 2rem}"
    "th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}"
    "th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}"
    "th:first-child{width:40%}meter{width:100%}.total{font-size:2rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}th,td{border-color:#333}}"
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
