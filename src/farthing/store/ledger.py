"""The ledger in a database: taking batches in, prices, settling, closing months.

Each method is one or more transactions that leave the books right at every point between; what is interrupted is done
by the next `settle`. The same batches and prices end in the same balances, in whatever order they came.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Select, and_, func, insert, select

from farthing.ledger.entry import IdleRule
from farthing.ledger.interval import DAY, Batch, check_batch
from farthing.ledger.period import first_day, last_day, period_of
from farthing.ledger.price import PriceBook, Prices, instant_text
from farthing.model.errors import ConflictError, InvalidError
from farthing.store.database import Database
from farthing.store.epochs import epochs
from farthing.store.meters import IDLE, mark, remember, settled_day
from farthing.store.rows import book_of, book_row
from farthing.store.schema import books, dirty, entries, idle_rules, periods, progress, settled
from farthing.store.settle import START, Place, Settled, mark_ended_days, settle_idle, settle_some, waiting_for_archives
from farthing.store.upsert import put


class Ledger:
    """Writes one ledger. Safe to use from several processes; writers take turns."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """Open or make the ledger at a URL such as sqlite:////var/lib/farthing/ledger.db."""
        return cls(Database.open(url))

    def close(self) -> None:
        """Hang up."""
        self.database.close()

    # Batches ------------------------------------------------------------------------------------------------------

    def ingest(self, *batches: Batch) -> int:
        """Take batches in, all or none; how many were new. InvalidError names a field that is wrong."""
        for batch in batches:
            check_batch(batch)
        with self.database.writing() as connection:
            return sum(remember(connection, batch) for batch in batches)

    def heard(self, cluster: str) -> tuple[int, int]:
        """The newest epoch of a cluster's meter, and the latest watermark of any; zeros where none was heard."""
        with self.database.reading() as connection:
            found = epochs(connection, cluster)
        return found.newest, max(found.watermarks, default=0)

    # Prices and rules ---------------------------------------------------------------------------------------------

    def set_prices(self, book: PriceBook) -> bool:
        """Add a version of the price book; False where it is there already. What it changes is rated anew."""
        with self.database.writing() as connection:
            known = _books(connection)
            if book in known:
                return False
            _check_book(connection, book, known)
            connection.execute(insert(books).values(**book_row(book)))
            query = _written(entries.c.cluster, entries.c.day, entries.c.device)
            found = connection.execute(query.where(entries.c.kind == "device", entries.c.day >= book.since // DAY))
            mark(connection, ((row.cluster, row.day, row.device) for row in found.all()))
            return True

    def prices(self) -> Prices:
        with self.database.reading() as connection:
            return read_prices(connection)

    def set_idle_rule(self, day: int, rule: IdleRule) -> None:
        """From a day (since 1970) on, idle cost is shared out so; what was shared out otherwise is reversed."""
        with self.database.writing() as connection:
            if period_of(day) in _closed(connection):
                raise InvalidError("since", f"{period_of(day)} is closed; begin in an open month")
            put(connection, idle_rules, [{"day": day, "content": msgspec.json.encode(rule).decode()}])
            found = connection.execute(_written(entries.c.cluster, entries.c.day).where(entries.c.day >= day))
            mark(connection, ((row.cluster, row.day, IDLE) for row in found.all()))

    # Settling and closing -----------------------------------------------------------------------------------------

    def settle(self) -> Settled:
        """Rate every day that has ended and every one that changed, then share out the idle cost."""
        with self.database.writing() as connection:
            mark_ended_days(connection)
        total = Settled()
        after: Place | None = START
        while after is not None:
            with self.database.writing() as connection:
                found, after = settle_some(connection, read_prices(connection), after)
            total += found
        with self.database.writing() as connection:
            settle_idle(connection)
            return total + Settled(waiting=waiting_for_archives(connection))

    def close_period(self, period: str, at: int) -> None:
        """Close a month for good, at the instant `at`; ConflictError says what is not settled yet."""
        with self.database.writing() as connection:
            if period in _closed(connection):
                return
            earlier = set(connection.scalars(select(entries.c.period).distinct().where(entries.c.period < period)))
            if still_open := earlier - _closed(connection):
                raise ConflictError(f"{min(still_open)} is open; close months in their order")
            _check_settled(connection, period)
            connection.execute(insert(periods).values(period=period, closed_at=at))

    def closed(self) -> tuple[str, ...]:
        with self.database.reading() as connection:
            return tuple(sorted(_closed(connection)))


def read_prices(connection: Connection) -> Prices:
    """Every version of the price book."""
    return Prices(_books(connection))


def _books(connection: Connection) -> tuple[PriceBook, ...]:
    return tuple(book_of(content) for content in connection.scalars(select(books.c.content).order_by(books.c.version)))


def _written(*columns: Column[Any]) -> Select[Any]:
    """What entries are about, each once, of days that are settled; of others what was written was taken back."""
    here = and_(settled.c.cluster == entries.c.cluster, settled.c.day >= entries.c.day)
    return select(*columns).distinct().join(settled, here)


def _closed(connection: Connection) -> set[str]:
    return set(connection.scalars(select(periods.c.period)))


def _check_book(connection: Connection, book: PriceBook, known: Sequence[PriceBook]) -> None:
    last = max(known, key=lambda old: old.version, default=None)
    if last is not None and book.version <= last.version:
        raise InvalidError(
            "version",
            f"the last book is {last.version}, and books are never edited; make it {last.version + 1}",
        )
    if last is not None and book.currency != last.currency:
        raise InvalidError("currency", f"the ledger is kept in {last.currency}; {book.currency} needs one of its own")
    closed = max(_closed(connection), default=None)
    if closed is not None and (last_closed := last_day(closed)) >= book.since // DAY:
        first_open = instant_text((last_closed + 1) * DAY)
        raise InvalidError("since", f"{instant_text(book.since)} is in a closed period; begin on {first_open} or later")


def _check_settled(connection: Connection, period: str) -> None:
    for cluster in connection.scalars(select(progress.c.cluster).distinct().order_by(progress.c.cluster)).all():
        known, done = epochs(connection, cluster), settled_day(connection, cluster)
        last = last_day(period) if known.retired is None else min(last_day(period), known.last_ended_day)
        if done < last:
            said = instant_text((done + 1) * DAY) if done >= 0 else "nothing"
            raise ConflictError(
                f"{cluster} is settled up to {said} only; {period} cannot be closed yet. Where it is gone for good: "
                f"`farthing ledger retire {cluster}`"
            )
    waiting = connection.scalar(
        select(func.count()).select_from(dirty).where(dirty.c.day >= first_day(period), dirty.c.day <= last_day(period))
    )
    if waiting:
        raise ConflictError(f"{waiting} days of devices in {period} are to be rated; settle first, and price them all")
