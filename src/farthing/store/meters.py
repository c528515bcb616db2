"""What meters said: taking a batch in, marking the days it changes, and reading one day of devices back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from farthing.ledger.interval import DAY, Batch, Interval, Supply
from farthing.ledger.price import instant_text
from farthing.model.errors import ConflictError
from farthing.store.archived import last_archived_day
from farthing.store.epochs import Epochs, epochs
from farthing.store.left import beside_archived, months_between, on_devices
from farthing.store.rows import INTERVAL_COLUMNS, Row, interval_from, interval_row, supply_of, supply_row
from farthing.store.schema import dirty, early, intervals, progress, settled, supplies, used
from farthing.store.upsert import add, put_missing, put_newer, put_selected

IDLE: Final = ""
"""Among dirty devices: the day's idle cost is to be shared out anew."""

_SAME: Final = ("end", "epoch", "seq")
_MOST_KEYS: Final = 2000
_DEARER: Final = 4
"""So many times what a row costs by the primary key it costs by the index of ends."""

_EPOCH: Final = INTERVAL_COLUMNS.index("epoch")


# Taking in --------------------------------------------------------------------------------------------------------


def remember(connection: Connection, batch: Batch) -> bool:
    """Take a batch in; False where it was here before. ConflictError where its cluster was retired by then."""
    before = epochs(connection, batch.cluster)
    if not _count(connection, batch):
        return False
    if before.retired is not None and batch.watermark > before.retired:
        raise ConflictError(
            f"{batch.cluster} is retired since {instant_text(before.retired)}, and speaks of "
            f"{instant_text(batch.watermark)}; if it is back: `farthing ledger retire {batch.cluster} --undo`"
        )
    after = epochs(connection, batch.cluster)
    last = settled_day(connection, batch.cluster)
    for table, rows in (
        (supplies, [supply_row(supply, batch) for supply in batch.supplies]),
        (intervals, [interval_row(interval, batch) for interval in batch.intervals]),
    ):
        _mark(connection, table, [row for row in rows if row["start"] // DAY <= last], after, last)
        put_newer(connection, table, rows)
    add(connection, used, [asdict(one) for one in batch.used])
    if batch.epoch != after.newest and before != after:
        heard = before.heard(batch.epoch) if batch.epoch in before.starts else batch.epoch
        mark_cluster(connection, batch.cluster, min(heard, batch.epoch) // DAY, last)
    return True


def _count(connection: Connection, batch: Batch) -> bool:
    """Note that the batch is here; False where it was."""
    where = and_(progress.c.cluster == batch.cluster, progress.c.epoch == batch.epoch)
    row = connection.execute(select(progress.c.seq, progress.c.watermark).where(where)).first()
    seq, watermark = (row.seq, row.watermark) if row else (0, 0)
    if batch.seq <= seq:
        return False
    place = {"cluster": batch.cluster, "epoch": batch.epoch}
    if row is None:
        connection.execute(insert(progress).values(**place, seq=0, watermark=0))
    waiting = and_(early.c.cluster == batch.cluster, early.c.epoch == batch.epoch)
    if batch.seq > seq + 1:
        found = connection.execute(select(early.c.seq).where(waiting, early.c.seq == batch.seq)).first()
        if found is None:
            connection.execute(insert(early).values(**place, seq=batch.seq, watermark=batch.watermark))
        return found is None
    seq, watermark = batch.seq, max(watermark, batch.watermark)
    for later in connection.execute(select(early.c.seq, early.c.watermark).where(waiting).order_by(early.c.seq)).all():
        if later.seq != seq + 1:
            break
        seq, watermark = later.seq, max(watermark, later.watermark)
    connection.execute(delete(early).where(waiting, early.c.seq <= seq))
    connection.execute(update(progress).where(where).values(seq=seq, watermark=watermark))
    return True


def missing(connection: Connection, cluster: str) -> int:
    """How many batches have come before others that are still missing."""
    return len(connection.execute(select(early.c.seq).where(early.c.cluster == cluster)).all())


# Marking ----------------------------------------------------------------------------------------------------------


def settled_day(connection: Connection, cluster: str) -> int:
    """The last day that was rated; -1 where none was."""
    found = connection.scalar(select(settled.c.day).where(settled.c.cluster == cluster))
    return -1 if found is None else found


def mark(connection: Connection, found: Iterable[tuple[str, int, str]]) -> None:
    """Mark devices (cluster, day, device) as to be rated again."""
    rows = [{"cluster": cluster, "day": day, "device": device} for cluster, day, device in sorted(set(found))]
    put_missing(connection, dirty, rows)


def mark_cluster(connection: Connection, cluster: str, first: int, last: int) -> None:
    """Mark all devices that were there on some days."""
    for day in range(first, last + 1):
        there = and_(
            supplies.c.cluster == cluster,
            supplies.c.start < (day + 1) * DAY,
            or_(supplies.c.end.is_(None), supplies.c.end > day * DAY),
        )
        query = select(literal(cluster), literal(day), supplies.c.device).where(there).distinct()
        put_selected(connection, dirty, query)
        mark(connection, [(cluster, day, IDLE)])


def _mark(connection: Connection, table: Table, rows: Sequence[Row], found: Epochs, last: int) -> None:
    """Mark the rated days on which these records differ from what was known.

    Where a record loses to a later one that is known, days are marked needlessly, which changes nothing.
    """
    known = known_rows(connection, table, rows)
    left = last_archived_day(connection) if table is intervals else -1
    keys = [column.name for column in table.primary_key.columns]
    for row in rows:
        old = known.get(tuple(row[key] for key in keys))
        first = row["start"] // DAY
        if old is not None and all(old[name] == row[name] for name in row if name not in _SAME):
            first = max(first, min(_end(old, found), _end(row, found)) // DAY)
            until = last
        else:
            until = last if old is not None else min(last, (_end(row, found) - 1) // DAY if row["end"] else last)
            if old is None and first <= left:  # it may have left with its month, and have been longer
                until = max(until, left)
        mark(connection, ((row["cluster"], day, row["device"]) for day in range(first, until + 1)))


def _end(row: Row, found: Epochs) -> int:
    """When a record ends, or until when at least it lasts."""
    return row["end"] if row["end"] is not None else found.heard(row["epoch"])


def known_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    """Of these records those that are there, by their keys."""
    keys = list(table.primary_key.columns)
    known: dict[tuple[Any, ...], Row] = {}
    for i in range(0, len(rows), _MOST_KEYS):
        wanted = [tuple(row[key.name] for key in keys) for row in rows[i : i + _MOST_KEYS]]
        for found in connection.execute(select(table).where(tuple_(*keys).in_(wanted))).mappings():
            known[tuple(found[key.name] for key in keys)] = dict(found)
    return known


# Reading back -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one device in some time."""

    supplies: tuple[Supply, ...]
    intervals: tuple[Interval, ...]


def known_of(
    connection: Connection, cluster: str, devices: Sequence[str] | None, start: int, end: int
) -> Iterator[tuple[str, Known]]:
    """What is known of devices (None: all of the cluster) from `start` to `end`, in order of their names.

    Intervals are read from the end of the history that is nearer: by their starts from the beginning, or by their ends
    from now back. So what is recent costs the same however long the history is. What has left with an archived month is
    read from its file.
    """
    found = epochs(connection, cluster)
    by_end = _is_nearer(connection, cluster, devices, (start, end), found.watermark)
    there: dict[str, list[Supply]] = {}
    held: dict[str, list[Interval]] = {}
    for row in connection.execute(_within(supplies, cluster, devices, start, end)).mappings():
        there.setdefault(row["device"], []).append(supply_of(row, found.supply_end(row)))
    read = _ending(cluster, devices, start, end) if by_end else _within(intervals, cluster, devices, start, end)
    for values in _beside_archived(connection, cluster, read, (start, end), devices):
        known = interval_from(values)
        if known.end is None and not found.goes_on(values[_EPOCH]):
            known = replace(known, end=found.open_share_end(known.start, values[_EPOCH]))
        held.setdefault(known.device, []).append(known)
    for device in sorted({*there, *held, *(devices or ())}):
        yield device, Known(tuple(there.get(device, ())), tuple(held.get(device, ())))


def _is_nearer(
    connection: Connection, cluster: str, devices: Sequence[str] | None, between: tuple[int, int], watermark: int
) -> bool:
    """Whether there is less to read from now back, on all devices, than from the beginning on, on the wanted ones."""
    there = select(func.min(supplies.c.start), func.count(supplies.c.device.distinct()))
    begun, count = connection.execute(there.where(supplies.c.cluster == cluster)).one()
    begun = max(begun or 0, (last_archived_day(connection) + 1) * DAY)
    wanted = count if devices is None else len(devices)
    return bool(wanted * (between[1] - begun) > _DEARER * count * (watermark - between[0]))


def _beside_archived(
    connection: Connection, cluster: str, read: Any, between: tuple[int, int], devices: Sequence[str] | None
) -> Iterable[Sequence[Any]]:
    """What a query finds and what files of archived months have beside it, as values in the order of the columns."""
    found = connection.execute(read)
    if not months_between(connection, *between):
        return found
    mine = None if devices is None else frozenset(devices)
    fits = (lambda _: True) if mine is None else (lambda row: row["device"] in mine)
    rows = beside_archived(connection, cluster, found.mappings(), between, on_devices(devices), fits)
    return ([row[name] for name in INTERVAL_COLUMNS] for row in rows)


def _within(table: Table, cluster: str, devices: Sequence[str] | None, start: int, end: int) -> Any:
    query = select(table).where(
        table.c.cluster == cluster, table.c.start < end, or_(table.c.end.is_(None), table.c.end > start)
    )
    return query if devices is None else query.where(table.c.device.in_(devices))


def _ending(cluster: str, devices: Sequence[str] | None, start: int, end: int) -> Any:
    """As `_within` for intervals, by the index of their ends."""
    columns = intervals.c
    there = and_(plain(columns.cluster) == cluster, columns.start < end)
    if devices is not None:
        there = and_(there, plain(columns.device).in_(devices))
    return union_all(*(select(intervals).where(there, still) for still in (columns.end > start, columns.end.is_(None))))


def plain(column: Column[str]) -> ColumnElement[str]:
    """A column as no index has it; where SQLite may choose, it takes the primary key, however much that is to read."""
    return column + ""
