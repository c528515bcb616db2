"""Who holds what: the shares that are held now, or were held in some time, a page at a time."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, and_, or_, select, tuple_

from farthing.ledger.interval import Interval, IntervalId
from farthing.store.archived import interval_key
from farthing.store.ask import clusters
from farthing.store.database import Database
from farthing.store.epochs import Epochs, epochs
from farthing.store.left import beside_archived, months_between
from farthing.store.meters import plain
from farthing.store.rows import Row, interval_of
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
    archived = holding.start is not None and bool(months_between(connection, holding.start, holding.end))
    columns = intervals.c
    here = (plain(columns.cluster) if holding.start is None else columns.cluster) == cluster
    query = select(intervals).where(here, columns.use == "share", _when(known, holding))
    if holding.teams is not None:
        query = query.where(columns.team.in_(sorted(holding.teams)))
    if holding.namespace:
        query = query.where(columns.namespace == holding.namespace)
    if holding.workload:
        query = query.where(_is_workload(holding.workload))
    order = _bytewise if archived and connection.dialect.name == "postgresql" else _as_it_is
    keys = tuple_(*map(order, (columns.cluster, columns.device, columns.start, columns.claim, columns.share)))
    if after is not None:
        query = query.where(keys > tuple(after))
    rows: Iterable[Row] = connection.execute(query.order_by(*keys.clauses).limit(most)).mappings()
    if archived:
        left, between = _Left(cluster, holding, after, known), (holding.start or 0, holding.end)
        found = beside_archived(connection, cluster, rows, between, left.expression(), left.fits)
        rows = heapq.nsmallest(most, found, key=interval_key)
    for row in rows:
        yield interval_of(row, known.share_end(row))


def _when(known: Epochs, holding: Holding) -> Any:
    """Rows that are open are still held in the newest epoch of the meter; in an older one, until it was last heard."""
    columns = intervals.c
    if holding.start is None:
        return and_(columns.end.is_(None), columns.epoch.in_([e for e in known.starts if known.goes_on(e)]))
    heard = [epoch for epoch in known.starts if known.goes_on(epoch) or known.heard(epoch) > holding.start]
    there = or_(columns.end > holding.start, and_(columns.end.is_(None), columns.epoch.in_(heard)))
    return there if holding.end is None else and_(there, columns.start < holding.end)


def _is_workload(name: str) -> Any:
    """The root owner, which is the last one, or the pod itself where nobody owns it."""
    owners = intervals.c.owners
    owned = or_(owners == name, owners.endswith(f"\n{name}", autoescape=True))
    kind, _, pod = name.partition("/")
    return or_(owned, and_(owners == "", intervals.c.pod == pod)) if kind == "Pod" else owned


# What has left with an archived month -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Left:
    """Which rows of files are wanted."""

    cluster: str
    holding: Holding
    after: IntervalId | None
    known: Epochs

    def expression(self) -> Any:
        """As pyarrow's, what narrows most; `fits` says all."""
        from pyarrow import compute as pc  # noqa: PLC0415 -- large, and only here where Parquet is wanted

        wanted = pc.field("use") == "share"
        if self.holding.teams is not None:
            wanted &= pc.field("team").isin(sorted(self.holding.teams))
        if self.after is not None and self.after.cluster == self.cluster:
            wanted &= pc.field("device") >= self.after.device
        return wanted

    def fits(self, row: Row) -> bool:
        holding = self.holding
        if row["use"] != "share" or (holding.teams is not None and row["team"] not in holding.teams):
            return False
        if holding.namespace not in ("", row["namespace"]):
            return False
        if holding.workload not in ("", interval_of(row, None).workload):
            return False
        end = self.known.share_end(row)
        still = end is None or end > (holding.start or 0)
        return still and (self.after is None or interval_key(row) > tuple(self.after))


def _as_it_is(column: Any) -> Any:
    return column


def _bytewise(column: Any) -> Any:
    """Text in the order of its bytes, as rows of files are sorted, whatever the database's own order is."""
    return column.collate("C") if isinstance(column.type, Text) else column
