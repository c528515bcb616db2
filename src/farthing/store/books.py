"""Writing entries: what changed is reversed and written anew, what did not is left alone.

An entry is about a subject (a device's day, a day's idle cost); of a subject's entries the last one stands unless it
is a reversal. What is about a closed period is posted in the first open one after it.
"""

from collections import defaultdict
from collections.abc import Mapping
from operator import add as add_up
from typing import Any

from sqlalchemy import Connection, func, select

from farthing.ledger.entry import Entry, movements, reversal
from farthing.ledger.period import next_period, period_of
from farthing.store.rows import Row, entry_of, posting_rows
from farthing.store.schema import daily, entries, periods, postings
from farthing.store.upsert import add, append


class Writer:
    """Collects the entries of one transaction and writes them at its end, in the order in which they came."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._closed = set(connection.scalars(select(periods.c.period)))
        self._next = (connection.scalar(select(func.max(entries.c.id))) or 0) + 1
        self._entries: list[tuple[Any, ...]] = []
        self._postings: list[tuple[Any, ...]] = []
        self._daily: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def post(self, wanted: Mapping[str, Entry | None]) -> int:
        """Let these entries stand for their subjects (None: nothing); how many that stood had to be reversed."""
        standing = _standing(self._connection, list(wanted))
        corrected = 0
        for subject, entry in wanted.items():
            row, old = standing.get(subject, (None, None))
            if entry is not None and old is not None and old.digest == entry.digest:
                continue
            revision = row["revision"] if row else 0
            if row is not None and old is not None:
                corrected += 1
                revision += 1
                self._write(reversal(old, f"reverses entry {row['id']}"), revision, row["id"])
            if entry is not None:
                self._write(entry, revision + 1)
        return corrected

    def _write(self, entry: Entry, revision: int, reverses: int | None = None) -> None:
        number, self._next = self._next, self._next + 1
        period = self._period(entry.day)
        about = (entry.cluster, entry.device, entry.model, entry.day, period)
        self._postings += posting_rows(entry, number)
        self._entries.append(
            (number, entry.kind, entry.subject, revision, reverses, *about, entry.capacity, entry.cause, entry.digest)
        )
        for posting in entry.postings:
            for kind, team, namespace, workload, isolation, *numbers in movements(posting):
                key = (period, team, entry.day, kind, entry.cluster, namespace, workload, entry.model, isolation)
                self._daily[key] = list(map(add_up, self._daily[key], numbers))

    def _period(self, day: int) -> str:
        period = period_of(day)
        while period in self._closed:
            period = next_period(period)
        return period

    def flush(self) -> None:
        """Write it all: postings first, since an entry is checked against them when it comes."""
        names = [column.name for column in daily.columns]
        append(self._connection, postings, self._postings)
        append(self._connection, entries, self._entries)
        add(self._connection, daily, [dict(zip(names, (*k, *v), strict=True)) for k, v in self._daily.items()])
        self._entries, self._postings = [], []
        self._daily.clear()


def _standing(connection: Connection, subjects: list[str]) -> dict[str, tuple[Row, Entry | None]]:
    """For each subject its last row, and the entry that stands, if one does."""
    rows = connection.execute(select(entries).where(entries.c.subject.in_(subjects)).order_by(entries.c.id))
    last = {row["subject"]: row for row in rows.mappings()}
    stands = {row["id"]: row for row in last.values() if row["reverses"] is None}
    lines: dict[int, list[Row]] = defaultdict(list)
    query = select(postings).where(postings.c.entry.in_(list(stands))).order_by(postings.c.entry, postings.c.line)
    for line in connection.execute(query).mappings():
        lines[line["entry"]].append(line)
    return {
        subject: (row, entry_of(row, lines[row["id"]]) if row["id"] in stands else None)
        for subject, row in last.items()
    }
