"""What has left with archived months, beside what is still there: rows of files and of the database as one.

Of two reports of an interval the later one counts, and the other may reach into a time into which that one does not. So
on devices of which something was learned after their months had left, all reports are looked at, not only those of the
time that is asked about. Such devices are among the dirty ones; mostly there are none.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from farthing.model.errors import ConflictError
from farthing.store.archived import Archived, archived_intervals, archived_months, last_archived_day, latest
from farthing.store.rows import Row
from farthing.store.schema import dirty, intervals

MOST_CHANGED: Final = 1000
"""Devices of which all reports are looked at; more are first to be restored and settled."""


def months_between(connection: Connection, start: int, end: int | None) -> list[Archived]:
    """The archived months that some time touches; until now where `end` is None."""
    return [one for one in archived_months(connection) if start < one.end and (end is None or end > one.start)]


def changed_devices(connection: Connection, cluster: str) -> tuple[str, ...]:
    """Devices of which something was learned after their months had left; ConflictError where they are too many."""
    left = last_archived_day(connection)
    query = select(dirty.c.device).where(dirty.c.cluster == cluster, dirty.c.day <= left, dirty.c.device != "")
    found = tuple(connection.scalars(query.distinct().order_by(dirty.c.device)))
    if len(found) > MOST_CHANGED:
        raise ConflictError(
            f"{len(found):,} devices of {cluster} changed after their months were archived; restore the months "
            "(`farthing ledger restore`) and settle to see what was held"
        )
    return found


def beside_archived(
    connection: Connection,
    cluster: str,
    rows: Iterable[Row],
    between: tuple[int, int | None],
    wanted: Any = None,
    fits: Callable[[Row], bool] = lambda _: True,
) -> Iterable[Row]:
    """Rows of the database that touch some time, and those of files, each interval once; those that fit.

    `wanted` narrows what is read of the files, as an expression of pyarrow's.
    """
    start, end = between
    months = months_between(connection, start, end)
    if not months:
        return filter(fits, rows)
    changed = frozenset(changed_devices(connection, cluster))
    files = archived_intervals(months, cluster, start, end, wanted)
    found = latest(row for some in (rows, files) for row in some if row["device"] not in changed and fits(row))
    return [
        *found,
        *(row for row in _all_reports(connection, cluster, sorted(changed)) if _touches(row, between) and fits(row)),
    ]


def _all_reports(connection: Connection, cluster: str, devices: Sequence[str]) -> Iterable[Row]:
    """The latest report of every interval on some devices, in the database or in any file."""
    if not devices:
        return ()
    months = archived_months(connection)
    here = select(intervals).where(intervals.c.cluster == cluster, intervals.c.device.in_(devices))
    there = connection.execute(here.where(intervals.c.start < months[-1].end)).mappings()
    return latest([*there, *archived_intervals(months, cluster, 0, None, on_devices(devices))])


def _touches(row: Row, between: tuple[int, int | None]) -> bool:
    start, end = between
    return (end is None or row["start"] < end) and (row["end"] is None or row["end"] > start)


def on_devices(devices: Sequence[str] | None) -> Any:
    """Only those devices, as an expression of pyarrow's; None where all are wanted."""
    if devices is None:
        return None
    from pyarrow import compute as pc  # noqa: PLC0415 -- large, and only here where Parquet is wanted

    return pc.field("device").isin(list(devices))
