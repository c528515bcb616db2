"""`farthing cost`: what GPUs cost, by team, model, workload or whatever else the ledger knows."""

import contextlib
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.text import Text

from farthing.cli.cost_of_use import Unit, show_use, use_report, write_use
from farthing.cli.render import Column, console, percent, show_json, show_table
from farthing.ledger.money import MICRO, format_exact, format_money
from farthing.ledger.period import day_text
from farthing.ledger.span import days_of
from farthing.model.errors import InvalidError
from farthing.model.quantity import MILLI_GPU_HOUR

if TYPE_CHECKING:
    from farthing.store.ask import Answer, Cost, Standing
    from farthing.store.ledger import Ledger

LedgerUrl = Annotated[
    str,
    typer.Option(
        "--ledger", envvar="FARTHING_LEDGER", show_envvar=False, help="URL of the ledger, or $FARTHING_LEDGER."
    ),
]


class CostFormat(StrEnum):
    """How to answer."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


class Step(StrEnum):
    """How finely time is divided."""

    total = "total"
    day = "day"
    month = "month"


CostOutput = Annotated[
    CostFormat, typer.Option("--output", "-o", help="table for people; json, csv or parquet for programs.")
]


@dataclass(frozen=True)
class CostRow:
    """One group. `names` are in the order of the report's `by`.

    `cost` is exact decimal text, and so is `not_settled`, the part of it that may still change. `gpu_hours` counts a
    device that is taken whole for an hour as 1.
    """

    names: tuple[str, ...]
    cost: str
    not_settled: str
    gpu_hours: float
    gib_hours: float


@dataclass(frozen=True)
class BooksRow:
    """How far a cluster's books go; `missing_batches` have not arrived although later ones have.

    `retired_from` is the instant from which on nothing is expected of it; empty for most.
    """

    cluster: str
    settled_through: str
    heard_until: str
    missing_batches: int
    retired_from: str


@dataclass(frozen=True)
class CostReport:
    """Costs of whole days in UTC, `since` and `until` included. `problems` are sentences about what is not in it."""

    by: tuple[str, ...]
    since: str
    until: str
    currency: str
    total: str
    rows: tuple[CostRow, ...]
    books: tuple[BooksRow, ...]
    problems: tuple[str, ...]


def cost(
    ledger: LedgerUrl = "",
    by: Annotated[
        str,
        typer.Option("--by", help="By what: team, namespace, workload, model, cluster, isolation, kind, day, month."),
    ] = "team",
    since: Annotated[
        str, typer.Option("--since", help="A date, or a length of time such as 7d; default: this month.")
    ] = "",
    until: Annotated[str, typer.Option("--until", help="The last day; default: today.")] = "",
    team: Annotated[str, typer.Option("--team", help="Only what this team is charged.")] = "",
    workload: Annotated[str, typer.Option("--workload", help="Only this one, such as Job/train.")] = "",
    step: Annotated[Step, typer.Option("--step", help="One sum for all the time, or one for each.")] = Step.total,
    waste: Annotated[bool, typer.Option("--waste", help="Beside it what was granted and not used.")] = False,
    per: Annotated[
        Unit | None, typer.Option("--per", help="Beside it what came of it, and what a million tokens, or so, cost.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Write there; Parquet needs it.")] = None,
    output: CostOutput = CostFormat.table,
) -> None:
    """What GPUs cost: settled days and today so far, to the micro-unit, by whole days in UTC.

    Capacity that nobody is charged for is in brackets: (idle), (stranded). All rows together are what the devices cost,
    and the adjustments for isolation.

    \b
    farthing cost
    farthing cost --by team,model --since 30d
    farthing cost --by team --step day
    farthing cost --by day --team vision -o csv
    farthing cost --workload Job/train --since 2026-11-01
    farthing cost --by team --waste
    farthing cost --by workload --per token
    """
    fields = tuple(name.strip() for name in by.split(",") if name.strip())
    if step is not Step.total:
        fields = (step.value, *(name for name in fields if name != step.value))
    first, last = days_of(since, until, int(time.time()))
    if waste or per:
        _answer_use(ledger, (fields, first, last, team, workload), waste, per, output, file)
        return
    with opened(ledger) as found:
        report = _report(found, fields, (first, last), team, workload)
    _answer(report, output, file)


def _answer_use(
    url: str,
    question: tuple[tuple[str, ...], int, int, str, str],
    waste: bool,
    per: Unit | None,
    output: CostFormat,
    file: Path | None,
) -> None:
    """Costs beside what came of them."""
    if waste and per:
        raise InvalidError("--per", "goes without --waste; ask for one after the other")
    if output is CostFormat.parquet:
        raise InvalidError("--output", "parquet is not made of use; expected table, json or csv")
    with opened(url) as found:
        from farthing.store.ask import Question  # noqa: PLC0415 -- SQL takes most of a second to import

        report = use_report(found, Question(*question), per)
    if output is CostFormat.json:
        show_json(report)
    elif output is CostFormat.csv:
        with _csv(file) as out:
            write_use(report, out)
    else:
        show_use(console(), report)


@contextlib.contextmanager
def opened(url: str) -> Iterator["Ledger"]:
    """The ledger that the options name, until the end of the block."""
    if not url:
        raise InvalidError("--ledger", "no ledger is named; give its URL, or set $FARTHING_LEDGER")
    from farthing.store.ledger import Ledger  # noqa: PLC0415 -- SQL takes most of a second to import

    with contextlib.closing(Ledger.open(url)) as ledger:
        yield ledger


def _report(ledger: "Ledger", by: tuple[str, ...], days: tuple[int, int], team: str, workload: str) -> CostReport:
    from farthing.store.ask import Question, ask  # noqa: PLC0415 -- as above

    answer = ask(ledger.database, Question(by, *days, team, workload))
    return CostReport(
        by=by,
        since=day_text(days[0]),
        until=day_text(days[1]),
        currency=answer.currency,
        total=format_exact(sum(cost.amount for cost in answer.costs)),
        rows=tuple(
            CostRow(
                cost.names,
                format_exact(cost.amount),
                format_exact(cost.unsettled),
                round(cost.milli_gpu_seconds / MILLI_GPU_HOUR, 6),
                round(cost.mib_seconds / 1024 / 3600, 6),
            )
            for cost in _in_time(answer.costs, by)
        ),
        books=tuple(_books(found) for found in answer.standing),
        problems=tuple(_problems(answer)),
    )


def _in_time(costs: "Sequence[Cost]", by: tuple[str, ...]) -> "Sequence[Cost]":
    """The dearest first, but days and months in their order where they come first."""
    return sorted(costs, key=lambda cost: cost.names[0]) if by[:1] in (("day",), ("month",)) else costs


def _books(found: "Standing") -> BooksRow:
    through = day_text(found.settled_day) if found.settled_day >= 0 else ""
    heard = datetime.fromtimestamp(found.watermark, UTC).isoformat() if found.watermark else ""
    retired = "" if found.retired is None else datetime.fromtimestamp(found.retired, UTC).isoformat()
    return BooksRow(found.cluster, through, heard, found.missing, retired)


def _problems(answer: "Answer") -> list[str]:
    late = [
        f"{found.cluster}: of the meter's batches {found.missing:,} came before earlier ones that are missing"
        for found in answer.standing
        if found.missing
    ]
    return [*answer.unpriced, *late]


# Showing ----------------------------------------------------------------------------------------------------------


def _answer(found: CostReport, output: CostFormat, file: Path | None) -> None:
    match output:
        case CostFormat.json:
            show_json(found)
        case CostFormat.csv:
            _write_csv(found, file)
        case CostFormat.parquet:
            _write_parquet(found, file)
        case CostFormat.table:
            _show(found)


def _show(found: CostReport) -> None:
    out = console()
    total = sum(_micro(row.cost) for row in found.rows)
    columns = [Column(name) for name in found.by]
    columns += [Column(found.currency or "cost", right=True), Column("part", right=True, from_width=70)]
    columns += [Column("GPU hours", right=True), Column("GiB hours", right=True, from_width=100)]
    columns += [Column("not settled", right=True, from_width=90)]
    rows: list[Sequence[str | Text]] = [
        (
            *row.names,
            format_money(_micro(row.cost)),
            percent(_micro(row.cost), total),
            f"{row.gpu_hours:,.2f}",
            f"{row.gib_hours:,.0f}",
            format_money(_micro(row.not_settled)),
        )
        for row in found.rows
    ]
    show_table(out, columns, rows)
    out.print(f"\n{format_money(total)} {found.currency} from {found.since} to {found.until}, in UTC", style="bold")
    for books in found.books:
        settled = f"settled through {books.settled_through}" if books.settled_through else "nothing settled yet"
        heard = (
            f"retired from {books.retired_from}"
            if books.retired_from
            else f"heard until {books.heard_until or 'never'}"
        )
        out.print(f"{books.cluster}: {settled}, {heard}", style="dim")
    for problem in found.problems:
        out.print(Text(problem, "yellow"))


def _micro(exact: str) -> int:
    whole, _, part = exact.lstrip("-").partition(".")
    return (int(whole) * MICRO + int(part)) * (-1 if exact.startswith("-") else 1)


def _table_rows(found: CostReport) -> list[dict[str, Any]]:
    return [
        {
            **dict(zip(found.by, row.names, strict=True)),
            "currency": found.currency,
            "cost": row.cost,
            "not_settled": row.not_settled,
            "gpu_hours": row.gpu_hours,
            "gib_hours": row.gib_hours,
        }
        for row in found.rows
    ]


def _write_csv(found: CostReport, file: Path | None) -> None:
    names = [*found.by, "currency", "cost", "not_settled", "gpu_hours", "gib_hours"]
    with _csv(file) as out:
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_table_rows(found))


def _csv(file: Path | None) -> contextlib.AbstractContextManager[TextIO]:
    """Where CSV goes: a file, or standard output where none is named."""
    return file.open("w", newline="", encoding="utf-8") if file else contextlib.nullcontext(sys.stdout)


def _write_parquet(found: CostReport, file: Path | None) -> None:
    if file is None:
        raise InvalidError("--file", "Parquet is not for terminals; name a file")
    from farthing.store.parquet import arrow  # noqa: PLC0415 -- SQL takes most of a second to import

    pa = arrow()
    from pyarrow import parquet as pq  # noqa: PLC0415 -- large, and only needed here

    table = pa.Table.from_pylist(_table_rows(found))
    money = pa.decimal128(38, 6)
    for name in ("cost", "not_settled"):
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, table.column(name).cast(money))
    pq.write_table(table, file)
