"""A month's charges as FOCUS rows, read as a stream: memory does not grow with the month."""

import csv
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO, Any

from sqlalchemy import Select, and_, exists, or_, select

from farthing.ledger.entry import Entry
from farthing.ledger.focus import VERSIONS, Invoice, columns, rows
from farthing.model.errors import InvalidError, NotFoundError
from farthing.store.database import Database
from farthing.store.ledger import read_prices
from farthing.store.rows import entry_of
from farthing.store.schema import entries, postings

AT_ONCE = 10_000


def export_focus(database: Database, period: str, issuer: str, version: str, out: IO[str]) -> int:
    """Write the month's rows as CSV; how many they are. InvalidError for a version that is not known."""
    if version not in VERSIONS:
        raise InvalidError(
            "--focus", f"{version!r} is no version that Farthing writes; expected {' or '.join(VERSIONS)}"
        )
    with database.reading() as connection:
        books = read_prices(connection).books
        if not books:
            raise NotFoundError(
                "the ledger has no price book, so it has no charges; see `farthing ledger prices --help`"
            )
        invoice = Invoice(period, books[-1].currency, issuer)
        names = columns(version)
        in_order = itemgetter(*names)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        count = 0
        for entry in _entries(connection.execution_options(yield_per=AT_ONCE), period):
            for row in rows(entry, invoice, version):
                writer.writerow(in_order(row))
                count += 1
    return count


def _entries(connection: Any, period: str) -> Iterator[Entry]:
    """The entries of a month, without those that were reversed in the same month, and their reversals."""
    found = connection.execute(_query(period)).mappings()
    for _, lines in groupby(found, key=lambda row: row["id"]):
        held = list(lines)
        yield entry_of(held[0], [{**line, "kind": line["posting_kind"]} for line in held])


def _query(period: str) -> Select[Any]:
    other = entries.alias()
    same = and_(other.c.period == period, or_(other.c.reverses == entries.c.id, other.c.id == entries.c.reverses))
    lines = [column for column in postings.columns if column.name not in ("entry", "kind")]
    return (
        select(entries, postings.c.kind.label("posting_kind"), *lines)
        .join(postings, postings.c.entry == entries.c.id)
        .where(entries.c.period == period, ~exists().where(same))
        .order_by(entries.c.id, postings.c.line)
    )
