"""Costs beside what came of them: what was granted and not used, and what a token or a request costs."""

import csv
import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console
from rich.text import Text

from farthing.cli.render import Column, percent, show_table
from farthing.ledger.interval import Used
from farthing.ledger.money import MICRO, format_exact, format_money
from farthing.ledger.period import day_text
from farthing.model.quantity import MILLI_GPU_HOUR

if TYPE_CHECKING:
    from farthing.store.ask import Cost, Question
    from farthing.store.ledger import Ledger

_GIB_HOUR: Final = 1024 * 3600


class Unit(StrEnum):
    """What a cost is told for."""

    token = "token"  # noqa: S105 -- of language models
    request = "request"


OF_UNIT: Final = {Unit.token: (1_000_000, "million generated tokens"), Unit.request: (1_000, "thousand requests")}
"""So many are counted as one, and what that is called."""


@dataclass(frozen=True)
class WasteRow:
    """One group. `measured` is the part of `gpu_hours` for which use is known; the hours of use are within that.

    `used` is the larger of the parts of compute and memory that were in use. `wasted` is what the rest of the measured
    hours cost, as exact decimal text; null where nothing was measured.
    """

    names: tuple[str, ...]
    cost: str
    gpu_hours: float
    measured: float
    gpu_hours_used: float
    gib_hours_used: float
    used: float | None
    wasted: str | None


@dataclass(frozen=True)
class UnitRow:
    """One group: what it cost, how many `units` (see `Unit`) it made, and what one of them cost; null where none."""

    names: tuple[str, ...]
    cost: str
    units: float
    prompt_tokens: int
    generated_tokens: int
    requests: int
    cost_of_unit: str | None


@dataclass(frozen=True)
class UseReport:
    """Costs of whole days in UTC beside what came of them. `unit` says what `cost_of_unit` is for, empty for waste."""

    by: tuple[str, ...]
    since: str
    until: str
    currency: str
    unit: str
    rows: tuple[WasteRow | UnitRow, ...]
    problems: tuple[str, ...]


def use_report(ledger: "Ledger", question: "Question", unit: Unit | None) -> UseReport:
    """What a question about costs and use comes to; without a `unit`, what was wasted."""
    from farthing.store.ask import ask  # noqa: PLC0415 -- SQL takes most of a second to import
    from farthing.store.used import ask_used  # noqa: PLC0415 -- as above

    used = ask_used(ledger.database, question, f"--per {unit}" if unit else "--waste")
    answer = ask(ledger.database, question)
    nothing = Used("", 0, "", "", "")
    found = [(cost, used.get(cost.names, nothing)) for cost in answer.costs]
    rows: tuple[WasteRow | UnitRow, ...] = tuple(
        _per(cost, of_cost, unit) if unit else _waste(cost, of_cost) for cost, of_cost in found
    )
    return UseReport(
        by=question.by,
        since=day_text(question.first),
        until=day_text(question.last),
        currency=answer.currency,
        unit=OF_UNIT[unit][1] if unit else "",
        rows=rows,
        problems=answer.unpriced,
    )


def _waste(cost: "Cost", used: Used) -> WasteRow:
    compute, memory = _part(used.busy, used.granted), _part(used.used_mib, used.granted_mib)
    known = [part for part in (compute, memory) if part is not None]
    part = min(1.0, max(known)) if known else None
    of_all = _part(used.granted, cost.milli_gpu_seconds), _part(used.granted_mib, cost.mib_seconds)
    measured = min(1.0, max(of_all[0] or 0.0, of_all[1] or 0.0))
    wasted = int(cost.amount * measured * (1 - part)) if part is not None else None
    return WasteRow(
        names=cost.names,
        cost=format_exact(cost.amount),
        gpu_hours=round(cost.milli_gpu_seconds / MILLI_GPU_HOUR, 6),
        measured=round(measured, 4),
        gpu_hours_used=round(used.busy / MILLI_GPU_HOUR, 6),
        gib_hours_used=round(used.used_mib / _GIB_HOUR, 6),
        used=None if part is None else round(part, 4),
        wasted=None if wasted is None else format_exact(wasted),
    )


def _part(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _per(cost: "Cost", used: Used, unit: Unit) -> UnitRow:
    count = used.generated_tokens if unit is Unit.token else used.requests
    one = OF_UNIT[unit][0]
    return UnitRow(
        names=cost.names,
        cost=format_exact(cost.amount),
        units=round(count / one, 6),
        prompt_tokens=used.prompt_tokens,
        generated_tokens=used.generated_tokens,
        requests=used.requests,
        cost_of_unit=format_exact(cost.amount * one // count) if count else None,
    )


# Showing ----------------------------------------------------------------------------------------------------------


def show_use(out: Console, report: UseReport) -> None:
    """The report as a table."""
    columns = [Column(name) for name in report.by] + [Column(report.currency or "cost", right=True)]
    if report.unit:
        columns += [Column("tokens in", right=True, from_width=80), Column("tokens out", right=True)]
        columns += [Column("requests", right=True), Column(f"per {report.unit}", right=True)]
    else:
        columns += [Column("GPU hours", right=True), Column("measured", right=True), Column("used", right=True)]
        columns += [Column("GPU hours used", right=True, from_width=90), Column("wasted", right=True)]
    show_table(out, columns, [(*row.names, _money(row.cost), *_cells(row)) for row in report.rows])
    out.print(f"\nfrom {report.since} to {report.until}, in UTC", style="bold")
    for problem in report.problems:
        out.print(Text(problem, "yellow"))


def write_use(report: UseReport, out: TextIO) -> None:
    """The report as CSV, a column for each field of its rows; empty where nothing is known."""
    of_row = WasteRow if not report.unit else UnitRow
    fields = [field.name for field in dataclasses.fields(of_row) if field.name != "names"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*report.by, "currency", *fields])
    writer.writerows([*row.names, report.currency, *(getattr(row, name) for name in fields)] for row in report.rows)


def _cells(row: WasteRow | UnitRow) -> tuple[str, ...]:
    if isinstance(row, UnitRow):
        counts = (row.prompt_tokens, row.generated_tokens, row.requests)
        return (*(f"{count:,}" for count in counts), _money(row.cost_of_unit, 4))
    used = "-" if row.used is None else percent(row.used, 1)
    return (
        f"{row.gpu_hours:,.2f}", percent(row.measured, 1), used, f"{row.gpu_hours_used:,.2f}", _money(row.wasted)
    )  # fmt: skip


def _money(exact: str | None, places: int = 2) -> str:
    return "-" if exact is None else format_money(int(Decimal(exact) * MICRO), places)
