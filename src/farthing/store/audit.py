"""Whether a month is what was once written: every entry by its digest, and the sums by day from the postings up."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from farthing.ledger.entry import Entry, movements
from farthing.ledger.period import day_text
from farthing.store.archived import archived_month
from farthing.store.database import Database
from farthing.store.schema import daily, entries
from farthing.store.source import HEAD, Source

AT_ONCE: Final = 500
"""Entries."""

Key = tuple[Any, ...]
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """One month; `problems` are sentences about what is not as it was written."""

    period: str
    entries: int
    postings: int
    archived: bool
    problems: tuple[str, ...]


def audit(database: Database, period: str) -> Audited:
    """Look at all that was posted in a month; errors as from `parquet_file` where it is archived."""
    with database.reading() as connection:
        archived = archived_month(connection, period)
        sums: dict[Key, list[int]] = defaultdict(lambda: [0] * 4)
        problems: list[str] = []
        count = lines = 0
        for number, entry, digest in _entries(connection, Source(connection, archived), period):
            count, lines = count + 1, lines + len(entry.postings)
            if entry.digest != digest:
                problems.append(f"entry {number}, {entry.subject}, is not what was written")
            _add(sums, entry)
        problems += _differences(connection, period, {key: tuple(n) for key, n in sums.items() if any(n)})
    return Audited(period, count, lines, archived is not None, tuple(problems))


def audited_periods(database: Database) -> tuple[str, ...]:
    """Every month in which something was posted."""
    with database.reading() as connection:
        return tuple(connection.scalars(select(entries.c.period).distinct().order_by(entries.c.period)))


def _entries(connection: Connection, source: Source, period: str) -> Iterator[tuple[int, Entry, str]]:
    columns = (*(entries.c[name] for name in HEAD), entries.c.digest)
    query = select(*columns).where(entries.c.period == period).order_by(entries.c.id)
    with connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found:
        for rows in found.partitions():
            heads = [tuple(row[:-1]) for row in rows]
            for row, entry in zip(rows, source.read(heads), strict=True):
                yield row.id, entry, row.digest


def _add(sums: dict[Key, list[int]], entry: Entry) -> None:
    for posting in entry.postings:
        for kind, team, namespace, workload, isolation, *numbers in movements(posting):
            found = sums[team, entry.day, kind, entry.cluster, namespace, workload, entry.model, isolation]
            for i, number in enumerate(numbers):
                found[i] += number


def _differences(connection: Connection, period: str, wanted: Mapping[Key, Numbers]) -> Iterator[str]:
    keys = [column for column in daily.primary_key.columns if column.name != "period"]
    numbers = [column for column in daily.columns if not column.primary_key]
    rows = connection.execute(select(*keys, *numbers).where(daily.c.period == period))
    found = {tuple(row[: len(keys)]): tuple(row[len(keys) :]) for row in rows if any(row[len(keys) :])}
    for key in sorted(wanted.keys() | found.keys(), key=repr):
        if wanted.get(key) != found.get(key):
            team, day, kind, *_ = key
            yield f"the sums of {day_text(day)}, {team or 'nobody'}, {kind}, are not what its postings come to"
