"""Who holds what: the shares that are held now, or were held in some time, a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select, tuple_

from farthing.ledger.interval import Interval, IntervalId
from farthing.store.ask import clusters
from farthing.store.database import Database
from farthing.store.meters import Epochs, epochs, plain
from farthing.store.rows import interval_of
from farthing.store.schema import intervals


@dataclass(frozen=True, slots=True)
class Holding:
    """Which shares: those of some teams (None: of all) and of one cluster, namespace and workload, where named.

    With `start` and `end` those that were held in between, in seconds since 1970; without, those that are held now.
    """

    teams: frozenset[str] | None = None
    cluster: str = ""
    namespace: str = ""
    workload: str = ""
    start: int | None = None
    end: int | None = None


def held(database: Database, holding: Holding, after: IntervalId | None, most: int) -> tuple[Interval, ...]:
    """The next shares in the order of their ids; an `end` of None means: still held, as far as the meter was heard."""
    found: list[Interval] = []
    with database.reading() as connection:
        for cluster in clusters(connection):
            if holding.cluster in ("", cluster) and (after is None or cluster >= after.cluster):
                found += _of_cluster(connection, cluster, holding, after, most - len(found))
            if len(found) == most:
                break
    return tuple(found)


def _of_cluster(
    connection: Connection, cluster: str, holding: Holding, after: IntervalId | None, most: int
) -> Iterator[Interval]:
    known = epochs(connection, cluster)
    columns = intervals.c
    here = (plain(columns.cluster) if holding.start is None else columns.cluster) == cluster
    query = select(intervals).where(here, columns.use == "share", _when(known, holding))
    if holding.teams is not None:
        query = query.where(columns.team.in_(sorted(holding.teams)))
    if holding.namespace:
        query = query.where(columns.namespace == holding.namespace)
    if holding.workload:
        query = query.where(_is_workload(holding.workload))
    keys = tuple_(columns.cluster, columns.device, columns.start, columns.claim, columns.share)
    if after is not None:
        query = query.where(keys > tuple(after))
    for row in connection.execute(query.order_by(*keys.clauses).limit(most)).mappings():
        yield interval_of(row, known.share_end(row))


def _when(known: Epochs, holding: Holding) -> Any:
    """Rows that are open are still held in the newest epoch of the meter; in an older one, until it was last heard."""
    columns = intervals.c
    if holding.start is None:
        return and_(columns.end.is_(None), columns.epoch == known.newest)
    heard = [epoch for epoch in known.starts if epoch == known.newest or known.heard(epoch) > holding.start]
    there = or_(columns.end > holding.start, and_(columns.end.is_(None), columns.epoch.in_(heard)))
    return there if holding.end is None else and_(there, columns.start < holding.end)


def _is_workload(name: str) -> Any:
    """The root owner, which is the last one, or the pod itself where nobody owns it."""
    owners = intervals.c.owners
    owned = or_(owners == name, owners.endswith(f"\n{name}", autoescape=True))
    kind, _, pod = name.partition("/")
    return or_(owned, and_(owners == "", intervals.c.pod == pod)) if kind == "Pod" else owned
