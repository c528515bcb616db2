"""What the books hold, summed up straight from the postings, not from what the code keeps as sums."""

from collections import Counter
from typing import Any

from sqlalchemy import select

from farthing.ledger.entry import movements
from farthing.store.archived import archived_months, archived_postings
from farthing.store.ledger import Ledger
from farthing.store.rows import entry_of
from farthing.store.schema import daily, entries, postings, used


def all_entries(ledger: Ledger, period=None):
    """Every entry with the period it is in; the postings of archived months are in their files."""
    with ledger.database.reading() as connection:
        lines: dict[int, Any] = {}
        for line in connection.execute(select(postings).order_by(postings.c.entry, postings.c.line)).mappings():
            lines.setdefault(line["entry"], []).append(line)
        names = postings.columns.keys()
        for month in archived_months(connection):
            away: dict[int, Any] = {}
            for values in archived_postings(month, -(2**62), 2**62):
                away.setdefault(values[0], []).append(dict(zip(names, values, strict=True)))
            lines |= away
        for row in connection.execute(select(entries).order_by(entries.c.id)).mappings():
            if period in (None, row["period"]):
                yield row["period"], entry_of(row, lines.get(row["id"], []))


def moved(ledger: Ledger, period=None):
    for _, entry in all_entries(ledger, period):
        for posting in entry.postings:
            yield from movements(posting)


def by_kind(ledger: Ledger, period=None):
    sums: Counter[str] = Counter()
    for movement in moved(ledger, period):
        sums[movement.kind] += movement.amount
    return dict(sums)


def by_team(ledger: Ledger, period=None, kind=None):
    sums: Counter[str] = Counter()
    for movement in moved(ledger, period):
        if movement.team and kind in (None, movement.kind):
            sums[movement.team] += movement.amount
    return {team: amount for team, amount in sums.items() if amount}


def capacity_cost(ledger: Ledger) -> int:
    return sum(entry.capacity for _, entry in all_entries(ledger))


def daily_sums(ledger: Ledger):
    """The table of sums, without rows that came to nothing."""
    with ledger.database.reading() as connection:
        rows = connection.execute(select(daily)).all()
    return {tuple(row[:9]): tuple(row[9:]) for row in rows if any(row[9:])}


def tokens(ledger: Ledger) -> int:
    """Every token that was ever counted."""
    with ledger.database.reading() as connection:
        return sum(row.generated_tokens for row in connection.execute(select(used)))


def daily_recomputed(ledger: Ledger):
    sums: dict[Any, Any] = {}
    for period, entry in all_entries(ledger):
        for m in (movement for posting in entry.postings for movement in movements(posting)):
            key = (period, m.team, entry.day, m.kind, entry.cluster, m.namespace, m.workload, entry.model, m.isolation)
            sums[key] = tuple(a + b for a, b in zip(sums.get(key, (0, 0, 0, 0)), m[5:], strict=True))
    return {key: numbers for key, numbers in sums.items() if any(numbers)}


def standing(ledger: Ledger):
    """What stands for each subject: the digest of its last entry, where that is no reversal."""
    with ledger.database.reading() as connection:
        rows = connection.execute(select(entries).order_by(entries.c.id)).all()
    last = {row.subject: row for row in rows}
    return {subject: row.digest for subject, row in last.items() if row.reverses is None}


def dump(ledger: Ledger) -> bytes:
    """Every table of the books as text, in the order of its keys."""
    with ledger.database.reading() as connection:
        found = [
            [tuple(row) for row in connection.execute(select(table))] for table in (entries, postings, daily, used)
        ]
    return "\n".join(repr(row) for rows in found for row in sorted(rows, key=repr)).encode()
