"""A month's charges as FOCUS rows, read as a stream: memory does not grow with the month."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Row, Select, and_, select

from farthing.ledger.entry import Entry, Posting
from farthing.ledger.focus import INSTANTS, OWN_COLUMNS, VERSIONS, Alike, Invoice, Own, charges, columns, common_row
from farthing.model.errors import InvalidError, NotFoundError
from farthing.store.database import Database
from farthing.store.ledger import read_prices
from farthing.store.parquet import ParquetFile, arrow
from farthing.store.schema import entries, postings

AT_ONCE: Final = 500
"""Entries, each of a device and day, that are read at once."""

MOST_FORMS: Final = 20_000
"""Beginnings of rows that are kept; a day of a fleet has about as many as it has workloads."""


class Out(Protocol):
    """What takes CSV."""

    def write(self, text: str, /) -> object: ...


def export_focus(database: Database, period: str, issuer: str, version: str, out: Out) -> int:
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
        line_of = _lines(Invoice(period, books[-1].currency, issuer), version)
        out.write(_line(columns(version)))
        count = 0
        for some in _entries(connection, period):
            lines = [line_of(alike, own) for entry in some for alike, own in charges(entry, version)]
            out.write("".join(lines))
            count += len(lines)
    return count


def focus_parquet(path: Path) -> ParquetFile:
    """A file for `export_focus` that keeps the rows as Parquet: money and hours as decimals, instants as instants."""
    pa = arrow()
    money, hours, instant = pa.decimal128(38, 6), pa.decimal128(38, 9), pa.timestamp("s", tz="UTC")
    shown = {name: {"cost": money, "hours": hours}.get(part) for name, part in OWN_COLUMNS.items()}
    types = {name: kind for name, kind in shown.items() if kind is not None}
    return ParquetFile(path, types | dict.fromkeys(INSTANTS, instant))


# Reading ----------------------------------------------------------------------------------------------------------


def _entries(connection: Connection, period: str) -> Iterator[list[Entry]]:
    """The entries of a month, without those that were reversed in the same month, and their reversals."""
    wanted = [postings.c[name] for name in Posting._fields]
    for heads in connection.execute(_heads(period), execution_options={"yield_per": AT_ONCE}).partitions():
        found = connection.execute(
            select(postings.c.entry, *wanted)
            .where(postings.c.entry.in_([head.id for head in heads]))
            .order_by(postings.c.entry, postings.c.line)
        ).all()
        lines = {entry: tuple(Posting(*row[1:]) for row in rows) for entry, rows in groupby(found, itemgetter(0))}
        yield [_entry(head, lines.get(head.id, ())) for head in heads]


def _entry(head: Row[tuple[int, ...]], lines: tuple[Posting, ...]) -> Entry:
    return Entry(
        head.kind, head.subject, head.cluster, head.device, head.model, head.day, head.capacity, head.cause, lines
    )


def _heads(period: str) -> Select[tuple[int, ...]]:
    taking_back, taken_back = entries.alias(), entries.alias()
    return (
        select(entries)
        .outerjoin(taking_back, and_(taking_back.c.reverses == entries.c.id, taking_back.c.period == period))
        .outerjoin(taken_back, and_(taken_back.c.id == entries.c.reverses, taken_back.c.period == period))
        .where(entries.c.period == period, taking_back.c.id.is_(None), taken_back.c.id.is_(None))
        .order_by(entries.c.id)
    )


# Writing ----------------------------------------------------------------------------------------------------------


def _lines(invoice: Invoice, version: str) -> Callable[[Alike, Own], str]:
    """How a charge becomes a line: charges that are alike share a form, whose gaps take what is a charge's own."""
    names = columns(version)
    gaps = itemgetter(*(Own._fields.index(OWN_COLUMNS[name]) for name in names if name in OWN_COLUMNS))

    @lru_cache(maxsize=MOST_FORMS)
    def form(alike: Alike) -> str:
        row = common_row(alike, invoice)
        return (
            _line("\0" if name in OWN_COLUMNS else row[name] for name in names).replace("%", "%%").replace("\0", "%s")
        )

    def line(alike: Alike, own: Own) -> str:
        filled: str = form(alike) % gaps(own)
        return filled

    return line


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
