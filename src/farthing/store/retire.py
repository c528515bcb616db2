"""Clusters that are gone for good: nothing is expected of them any more, so that months can close without them.

Each retirement, and each undoing of one, is an event that stays. A retired cluster's days are settled up to the instant
from which on it is gone. Undoing takes back what was written about days that its meter had not passed by its own word;
they are settled once it has.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select

from farthing.ledger.interval import DAY, check_text
from farthing.ledger.period import last_day
from farthing.ledger.price import instant_text
from farthing.model.errors import ConflictError, InvalidError, NotFoundError
from farthing.store.ask import clusters
from farthing.store.books import Writer
from farthing.store.database import Database
from farthing.store.epochs import retired_since
from farthing.store.meters import settled_day
from farthing.store.schema import dirty, early, entries, periods, progress, retirements, settled
from farthing.store.upsert import put


@dataclass(frozen=True, slots=True)
class Retirement:
    """An event: from `since` on nothing is expected of a cluster, or, where that is None, it is expected again.

    `said_at` and `since` are seconds since 1970.
    """

    cluster: str
    since: int | None
    said_at: int
    said_by: str


def retire(database: Database, cluster: str, since: int | None, at: int, by: str) -> Retirement:
    """Expect nothing of a cluster from `since` on (None: from when it was last heard); said at `at`, by `by`.

    NotFoundError for a cluster that was never heard; InvalidError where it was heard later, or `since` is to come;
    ConflictError where it is retired.
    """
    with database.writing() as connection:
        _check_known(connection, cluster)
        if (before := retired_since(connection, cluster)) is not None:
            raise ConflictError(f"{cluster} is retired since {instant_text(before)}; undo that first, with --undo")
        heard = _heard(connection, cluster)
        if since is None:
            since = heard
        if since < heard:
            raise InvalidError("--since", f"{cluster} was heard until {instant_text(heard)}; expected that or later")
        if since > max(at, heard):
            raise InvalidError("--since", f"{instant_text(since)} is still to come")
        return _write(connection, Retirement(cluster, since, at, by))


def undo(database: Database, cluster: str, at: int, by: str) -> Retirement:
    """Expect the cluster again. ConflictError where it is not retired, or a month was closed without it."""
    with database.writing() as connection:
        _check_known(connection, cluster)
        if retired_since(connection, cluster) is None:
            raise ConflictError(f"{cluster} is not retired")
        passed = _passed(connection, cluster)
        for period in connection.scalars(select(periods.c.period).order_by(periods.c.period)):
            if last_day(period) > passed:
                raise ConflictError(
                    f"{period} was closed without {cluster}, so it stays retired; what comes back needs another name "
                    "(`farthing spoke --cluster`)"
                )
        _take_back(connection, cluster, passed)
        return _write(connection, Retirement(cluster, None, at, by))


def events(database: Database) -> tuple[Retirement, ...]:
    """All of them, in the order in which they were said."""
    columns = (retirements.c[name] for name in ("cluster", "since", "said_at", "said_by"))
    with database.reading() as connection:
        return tuple(Retirement(*row) for row in connection.execute(select(*columns).order_by(retirements.c.number)))


def _check_known(connection: Connection, cluster: str) -> None:
    if cluster not in (known := clusters(connection)):
        raise NotFoundError(f"the ledger has not heard of {cluster}; it knows {', '.join(known) or 'no cluster'}")


def _heard(connection: Connection, cluster: str) -> int:
    """The latest instant that any batch spoke of, also one that came before its turn."""
    found = (
        connection.scalar(select(func.max(table.c.watermark)).where(table.c.cluster == cluster))
        for table in (progress, early)
    )
    return max(watermark or 0 for watermark in found)


def _passed(connection: Connection, cluster: str) -> int:
    """The last day that the newest life of the meter has passed by its own word."""
    newest = select(progress.c.watermark).where(progress.c.cluster == cluster).order_by(progress.c.epoch.desc())
    return int(connection.scalars(newest.limit(1)).one()) // DAY - 1


def _write(connection: Connection, event: Retirement) -> Retirement:
    check_text("--by", event.said_by)
    number = (connection.scalar(select(func.max(retirements.c.number))) or 0) + 1
    row = {"cluster": event.cluster, "since": event.since, "said_at": event.said_at, "said_by": event.said_by}
    connection.execute(insert(retirements).values(number=number, **row))
    return event


def _take_back(connection: Connection, cluster: str, passed: int) -> None:
    """Reverse what stands about days after `passed`, day by day; they are no longer settled, nor to be rated."""
    later = and_(entries.c.cluster == cluster, entries.c.day > passed)
    writer = Writer(connection)
    for day in connection.scalars(select(entries.c.day).where(later).distinct().order_by(entries.c.day)).all():
        here = and_(entries.c.cluster == cluster, entries.c.day == day)
        subjects = connection.scalars(select(entries.c.subject).where(here).distinct().order_by(entries.c.subject))
        writer.post(dict.fromkeys(subjects))
        writer.flush()
    connection.execute(delete(dirty).where(dirty.c.cluster == cluster, dirty.c.day > passed))
    if settled_day(connection, cluster) > passed:
        put(connection, settled, [{"cluster": cluster, "day": passed}])
