"""How the ledger grows to 1, 5 and 100 million intervals: what is asked of it, and how large it and its archive are.

The newest month is taken in, settled, closed, archived and restored like any other. Older months are copies of its
first 28 days, put into tables and files directly: what is measured is not how they came there, but what it costs that
they are there. Up to 5 million intervals all are in the database; then all months but the newest are archived. The
oldest month's files are made for it; those of the months between, of which nothing is asked that needs them, are links
to the newest month's. `FOLDER` keeps what is made, and work goes on where it was interrupted.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from pyarrow import compute as pc
from pyarrow import parquet
from sqlalchemy import Connection, func, select, text

from bench.ledger import BOOK, DAYS, START, batches
from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import first_day, period_of
from farthing.ledger.read_prices import parse_price_book
from farthing.store.archive import archive, sha256_of
from farthing.store.archived import Archived, File, archived_months
from farthing.store.ask import Question, ask
from farthing.store.between import between
from farthing.store.held import Holding, held
from farthing.store.ledger import Ledger
from farthing.store.restore import restore
from farthing.store.schema import archives, daily, entries, intervals, postings, supplies
from farthing.store.so_far import SoFar
from farthing.store.statement import make_statement

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-growth.md"
PER_DEVICE: Final = 500
DEVICES: Final = 2000
COPIED_DAYS: Final = 28
"""As many as each month has."""

MONTH = period_of(START // DAY)
IN_DATABASE: Final = 6
"""Months that are in the database at once, at most."""


@dataclass(frozen=True)
class Size:
    """The ledger at one size. Bytes in MiB, queries in seconds; `old` are those about the oldest month."""

    intervals: int
    archived: int
    database: float
    files: float
    statement: float
    by_six: float
    team_by_day: float
    by_month: float
    old_statement: float
    old_held: float
    old_part_of_a_day: float


# The newest month -------------------------------------------------------------------------------------------------


def newest(ledger: Ledger, folder: Path) -> None:
    """Take in, settle, close, archive, restore."""
    ledger.set_prices(parse_price_book(BOOK | {"since": "1970-01-01"}))
    seq = 0
    for batch in batches(DEVICES, PER_DEVICE):
        ledger.ingest(batch)
        seq = batch.seq
    ledger.settle()
    ledger.ingest(Batch("bench", START, seq + 1, START + 40 * DAY))
    ledger.settle()
    ledger.close_period(MONTH, 0)
    found = archive(ledger.database, MONTH, folder / "archive")
    (folder / "source.json").write_text(json.dumps({name: asdict(file) for name, file in found.files.items()}))
    restore(ledger.database, MONTH)


# Older ones -------------------------------------------------------------------------------------------------------


def month_before(number: int) -> str:
    """The month so many before the newest."""
    year, month = map(int, MONTH.split("-"))
    months = year * 12 + month - 1 - number
    return f"{months // 12}-{months % 12 + 1:02d}"


def add_older(connection: Connection, number: int, *, rows: bool) -> None:
    """A copy of the newest month's entries and sums, so many months before it; with `rows` of the rest as well."""
    period = month_before(number)
    if connection.scalar(select(func.count()).select_from(entries).where(entries.c.period == period)):
        return
    shift = START // DAY - first_day(period)
    ids = number * 1_000_000
    last = START // DAY + COPIED_DAYS
    values = {"ids": ids, "days": shift, "seconds": shift * DAY, "period": period, "month": MONTH, "last": last}
    values |= {"number": f"-{number}", "end": last * DAY}
    moved: dict[Any, dict[str, str]] = {
        entries: {
            "id": "id - :ids",
            "subject": "'device/' || cluster || '/' || device || '/' || (day - :days)",
            "day": "day - :days",
            "period": ":period",
        },
        daily: {"day": "day - :days", "period": ":period"},
    }
    where = {entries: "period = :month AND day < :last AND kind = 'device'", daily: "period = :month AND day < :last"}
    if rows:
        moved[postings] = {"entry": "entry - :ids", "start": "start - :seconds", "claim": "claim || :number"}
        where[postings] = "entry IN (SELECT id FROM entries WHERE period = :month AND day < :last)"
        moved[intervals] = {"start": "start - :seconds", "end": '"end" - :seconds', "claim": "claim || :number"}
        where[intervals] = 'start < :end AND "end" <= :end AND start >= :end - 28 * 86400'
    for table, change in moved.items():
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        found = ", ".join(change.get(column.name, f'"{column.name}"') for column in table.columns)
        statement = f"INSERT INTO {table.name} ({names}) SELECT {found} FROM {table.name} WHERE {where[table]}"  # noqa: S608
        connection.execute(text(statement), values)
    connection.execute(text("INSERT INTO periods VALUES (:period, 0)"), {"period": period})


@contextmanager
def without_rules(connection: Connection) -> Iterator[None]:
    """Triggers refuse what is put there directly."""
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    rules = connection.execute(query).all()
    for name, _ in rules:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, rule in rules:
        connection.exec_driver_sql(rule)


def archive_older(connection: Connection, number: int, folder: Path, *, links: bool) -> None:
    """Let the copy be archived: its files are those of the newest month, moved in time, or links to them."""
    period = month_before(number)
    if connection.scalar(select(func.count()).select_from(archives).where(archives.c.period == period)):
        return
    shift = (START // DAY - first_day(period)) * DAY
    source = msgspec.json.decode((folder / "source.json").read_bytes(), type=dict[str, File])
    found = Archived(MONTH, folder / "archive", source)
    files = dict(source)
    if not links:
        claim = f"-{number}"
        files["intervals"] = _moved(found, "intervals", period, {"start": -shift, "end": -shift, "claim": claim})
        changes = {"entry": -number * 1_000_000, "start": -shift, "claim": claim}
        files["postings"] = _moved(found, "postings", period, changes)
    first = first_day(period) * DAY
    for statement in (
        "DELETE FROM postings WHERE entry IN (SELECT id FROM entries WHERE period = :period)",
        'DELETE FROM intervals WHERE "end" > :first AND "end" <= :last',
    ):
        connection.execute(text(statement), {"period": period, "first": first, "last": first + COPIED_DAYS * DAY})
    row = {"period": period, "folder": str(found.folder), "files": msgspec.json.encode(files).decode()}
    connection.execute(archives.insert().values(**row, restoring=False))


def _moved(found: Archived, name: str, period: str, by: dict[str, int | str]) -> File:
    """A file of the newest month with numbers added, or text, to some columns; its first 28 days."""
    path = found.folder / f"{name}-{period}-copy.parquet"
    file = parquet.ParquetFile(found.folder / found.files[name].name)
    rows = 0
    with parquet.ParquetWriter(path, file.schema_arrow, compression="zstd", write_page_checksum=True) as out:
        for i in range(file.num_row_groups):
            group = file.read_row_group(i)
            if name == "intervals":
                group = group.filter(pc.field("end") <= START + COPIED_DAYS * DAY)
            for column, more in by.items():
                values = group.column(column)
                changed = (
                    pc.add(values, more) if isinstance(more, int) else pc.binary_join_element_wise(values, more, "")
                )
                group = group.set_column(group.schema.get_field_index(column), column, changed)
            out.write_table(group)
            rows += group.num_rows
    return File(path.name, path.stat().st_size, rows, sha256_of(path))


# Measuring --------------------------------------------------------------------------------------------------------


def measure(ledger: Ledger, folder: Path) -> Size:
    """What is asked, the best of three each."""
    with ledger.database.reading() as connection:
        months = archived_months(connection)
        inside = connection.scalar(select(func.count()).select_from(intervals)) or 0
        oldest = connection.scalar(select(func.min(daily.c.period))) or MONTH
    away = sum(month.files["intervals"].rows for month in months)
    files = sum(month.files[name].size for month in months for name in ("intervals", "postings"))
    first, old = START // DAY, first_day(oldest)
    six = ("team", "namespace", "workload", "model", "cluster", "kind")
    at = (old + 10) * DAY + 3600
    return Size(
        intervals=inside + away,
        archived=away,
        database=sum(path.stat().st_size for path in folder.glob("ledger.db*")) / 2**20,
        files=files / 2**20,
        statement=_best(lambda: make_statement(ledger, "team-3", MONTH)),
        by_six=_best(lambda: ask(ledger.database, Question(six, first, first + DAYS - 1))),
        team_by_day=_best(lambda: ask(ledger.database, Question(("day",), first, first + DAYS - 1, "team-3"))),
        by_month=_best(lambda: ask(ledger.database, Question(("month",), 0, first + DAYS, "team-3"))),
        old_statement=_best(lambda: make_statement(ledger, "team-3", oldest)),
        old_held=_best(
            lambda: held(ledger.database, Holding(frozenset({"team-3"}), start=at, end=at + 3600), None, 100)
        ),
        old_part_of_a_day=_best(lambda: between(ledger.database, Question(("team",), 0, 0), at, at + 3600, SoFar())),
    )


def _best(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# The page ---------------------------------------------------------------------------------------------------------


def page(sizes: list[Size]) -> str:
    """The table, as Markdown."""
    rows = (
        f"| {s.intervals:,} | {s.archived:,} | {s.database:,.0f} MiB | {s.files:,.0f} MiB | {s.statement * 1000:.0f} ms "
        f"| {s.by_six * 1000:.0f} ms | {s.team_by_day * 1000:.0f} ms | {s.by_month * 1000:.0f} ms "
        f"| {s.old_statement * 1000:.0f} ms | {s.old_held:.2f} s | {s.old_part_of_a_day:.2f} s "
        f"| **{s.team_by_day / sizes[0].team_by_day:.2f}** |"
        for s in sizes
    )
    return "\n".join(
        [
            "# How the ledger grows",
            "",
            f"Written by `python -m bench growth` on {date.today().isoformat()}, {os.cpu_count()} cores, SQLite, a fleet of {DEVICES:,} devices, beside other work",
            "on the machine. The newest month was taken in, settled, closed, archived and restored like any other. Older ones are",
            f"copies of its first {COPIED_DAYS} days, put into tables and files directly, so that nobody waits for hours: what is shown is what it",
            "costs that they are there. How many are in files is in the table: those of the oldest month are its own, those of the",
            "months between, of which nothing is asked here that needs them, are links to the newest month's and counted as files. SQLite",
            "keeps the room that rows have left for what comes next.",
            "",
            "| intervals in all | in files | database | files | team's statement | month by six fields | one team by day | one team by month, all months | oldest month: statement | who held what in an hour, one team | an hour's cost by team | one team by day / at first |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(folder: str = "/tmp/farthing-growth", months: str = "107") -> None:  # noqa: S108 -- it is large
    """Make what is missing, measure each size, and write the page."""
    place, oldest = Path(folder), int(months)
    place.mkdir(parents=True, exist_ok=True)
    known = place / "results.json"
    found: dict[str, Any] = json.loads(known.read_text()) if known.exists() else {}
    with closing(Ledger.open(f"sqlite:///{place}/ledger.db")) as ledger:
        if not (place / "source.json").exists():
            newest(ledger, place)
        for name, count, away in (("1", 0, False), ("5", IN_DATABASE - 1, False), ("100", oldest, True)):
            if name in found:
                continue
            for number in range(1, count + 1):
                with ledger.database.writing() as connection, without_rules(connection):
                    add_older(connection, number, rows=not away)
                    if away:
                        archive_older(connection, number, place, links=number < oldest)
                print(name, number, flush=True)
            with ledger.database.writing() as connection:  # the devices are as old as the months
                connection.execute(supplies.update().values(start=first_day(month_before(count)) * DAY))
            found[name] = asdict(measure(ledger, place))
            known.write_text(json.dumps(found))
            print(name, found[name], flush=True)
    text_ = page([Size(**found[name]) for name in ("1", "5", "100")])
    PAGE.write_text(text_, encoding="utf-8")
    print(text_)
