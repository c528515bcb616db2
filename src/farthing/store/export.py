"""A month's charges as FOCUS rows, read as a stream: memory does not grow with the month.

Which entries are wanted is read once, in one state of the books. Their postings never change, so they may be read at
any time, and those of a large month are read and printed by several processes. Those of an archived month are read from
its file.
"""

import contextlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Select, and_, func, select

from farthing.ledger.focus import INSTANTS, OWN_COLUMNS, VERSIONS, Invoice
from farthing.ledger.focus_text import Printer
from farthing.model.errors import InvalidError, NotFoundError
from farthing.store.archived import Archived, archived_month
from farthing.store.database import Database, translated
from farthing.store.ledger import read_prices
from farthing.store.parquet import ParquetFile, arrow
from farthing.store.schema import entries
from farthing.store.source import HEAD, Heads, Source

AT_ONCE: Final = 500
"""Entries, each of a device and day, that are printed at once."""

LARGE: Final = 20_000
"""Entries from which on further processes are worth their start."""

MOST_PROCESSES: Final = 4


class Out(Protocol):
    """What takes CSV."""

    def write(self, text: str, /) -> object: ...


def export_focus(database: Database, period: str, issuer: str, version: str, out: Out, large: int = LARGE) -> int:
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
        printer = Printer(Invoice(period, books[-1].currency, issuer), version)
        out.write(printer.head())
        number = connection.scalar(select(func.count()).select_from(entries).where(entries.c.period == period)) or 0
        count = 0
        archived = archived_month(connection, period)
        with (
            contextlib.closing(_heads(connection, period)) as heads,
            _printing(database, archived, printer, several=number >= large) as printed,
        ):
            for text, rows in printed(heads):
                out.write(text)
                count += rows
    return count


def focus_parquet(path: Path) -> ParquetFile:
    """A file for `export_focus` that keeps the rows as Parquet: money and hours as decimals, instants as instants."""
    pa = arrow()
    places, instant = {"cost": 6, "hours": 9, "price": 12}, pa.timestamp("s", tz="UTC")
    shown = {name: pa.decimal128(38, places[part]) for name, part in OWN_COLUMNS.items() if part in places}
    return ParquetFile(path, shown | dict.fromkeys(INSTANTS, instant))


# Reading ----------------------------------------------------------------------------------------------------------


def _heads(connection: Connection, period: str) -> Generator[Heads, None, None]:
    with connection.execute(_query(period), execution_options={"yield_per": AT_ONCE}) as found:
        for rows in found.partitions():
            yield [tuple(row) for row in rows]


def _query(period: str) -> Select[Any]:
    """The entries of a month, without those that were reversed in the same month, and their reversals."""
    taking_back, taken_back = entries.alias(), entries.alias()
    return (
        select(*(entries.c[name] for name in HEAD))
        .outerjoin(taking_back, and_(taking_back.c.reverses == entries.c.id, taking_back.c.period == period))
        .outerjoin(taken_back, and_(taken_back.c.id == entries.c.reverses, taken_back.c.period == period))
        .where(entries.c.period == period, taking_back.c.id.is_(None), taken_back.c.id.is_(None))
        .order_by(entries.c.id)
    )


# Printing, here or in several processes ---------------------------------------------------------------------------

Printed = Callable[[Iterable[Heads]], Iterator[tuple[str, int]]]


@contextlib.contextmanager
def _printing(database: Database, archived: Archived | None, printer: Printer, *, several: bool) -> Iterator[Printed]:
    workers = min(os.cpu_count() or 1, MOST_PROCESSES)
    if not several or workers < 2:
        with database.engine.connect() as connection:
            source = Source(connection, archived)
            yield lambda found: (printer.text(source.read(heads)) for heads in found)
        return
    url = database.engine.url.set(drivername=database.dialect).render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (url, archived, printer.invoice, printer.version)) as pool:
        yield lambda found: _in_order(pool, found, 2 * workers)


def _in_order(pool: ProcessPoolExecutor, found: Iterable[Heads], ahead: int) -> Iterator[tuple[str, int]]:
    """What the processes print, in the order of the entries, never more than some pieces ahead."""
    waiting: deque[Future[tuple[str, int]]] = deque()
    for heads in found:
        waiting.append(pool.submit(_work, heads))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()


_mine: list[tuple[Source, Printer]] = []
"""In a process that prints: where it reads, and its printer."""


def _begin(url: str, archived: Archived | None, invoice: Invoice, version: str) -> None:
    with translated():
        source = Source(Database.connect(url).engine.connect(), archived)
        _mine.append((source, Printer(invoice, version)))


def _work(heads: Heads) -> tuple[str, int]:
    source, printer = _mine[0]
    with translated():
        return printer.text(source.read(heads))
