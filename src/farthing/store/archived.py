"""Archived months: their postings and intervals have left for files of Parquet, and are read from there.

`archives` says which months, where their files are, and what those are: size, rows, checksum. Each page of a file has a
checksum of its own, which is looked at whenever it is read. Files never change; a month that was restored and is
archived again gets new ones.

An interval that touches two months is in the files of both, and one that is open, or that was corrected later, is in
the database as well. Whoever reads takes the report of the latest batch, as the database itself does.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Table, select

from farthing.ledger.interval import DAY
from farthing.ledger.period import first_day, last_day
from farthing.model.errors import NotFoundError, PermanentError
from farthing.store.parquet import arrow
from farthing.store.rows import Row
from farthing.store.schema import archives, intervals, postings

Fits = Callable[[Any, Any], bool]
"""Whether a group of rows, by the least and the largest value of a column, may hold what is wanted."""


@dataclass(frozen=True, slots=True)
class File:
    """One table's rows of a month."""

    name: str
    size: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Archived:
    """One month. `restoring`: its rows are on their way back."""

    period: str
    folder: Path
    files: Mapping[str, File]
    restoring: bool = False

    @property
    def start(self) -> int:
        """Seconds since 1970."""
        return first_day(self.period) * DAY

    @property
    def end(self) -> int:
        """Seconds since 1970."""
        return (last_day(self.period) + 1) * DAY

    def path(self, table: Table) -> Path:
        return self.folder / self.files[table.name].name


def archived_months(connection: Connection) -> tuple[Archived, ...]:
    """All of them, in their order."""
    return tuple(map(_archived, connection.execute(select(archives).order_by(archives.c.period)).mappings()))


def archived_month(connection: Connection, period: str) -> Archived | None:
    """One month; None where it is not archived."""
    row = connection.execute(select(archives).where(archives.c.period == period)).mappings().first()
    return _archived(row) if row else None


def last_archived_day(connection: Connection) -> int:
    """Days since 1970; -1 where nothing is archived. Months are archived in their order, so all before are as well."""
    return max((last_day(found.period) for found in archived_months(connection)), default=-1)


def _archived(row: RowMapping) -> Archived:
    files = msgspec.json.decode(row["files"], type=dict[str, File])
    return Archived(row["period"], Path(row["folder"]), files, bool(row["restoring"]))


# Files ------------------------------------------------------------------------------------------------------------


def parquet_file(found: Archived, table: Table) -> Any:
    """A month's file of a table, open; NotFoundError or PermanentError where it is not what was archived."""
    arrow()
    from pyarrow import parquet  # noqa: PLC0415 -- large, and only here where Parquet is wanted

    path = found.path(table)
    if not path.exists():
        raise NotFoundError(
            f"{found.period} is archived, and its file {path} is not there; mount it there, or say where it is now: "
            f"`farthing ledger archives --moved {found.period}=FOLDER`"
        )
    with files_are_read(path):
        if (size := path.stat().st_size) != found.files[table.name].size:
            raise OSError(f"it has {size:,} bytes instead of {found.files[table.name].size:,}")
        return parquet.ParquetFile(path, page_checksum_verification=True)


@contextlib.contextmanager
def files_are_read(path: Path) -> Iterator[None]:
    """What is wrong with a file, in our words."""
    try:
        yield
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise PermanentError(f"{path} is not what was archived: {error}; take it from a copy") from error


def _groups(file: Any, wanted: Mapping[str, Fits]) -> list[int]:
    """The groups of rows that may hold what is wanted, by what they say of some columns."""
    names = file.schema_arrow.names
    fitting = [(names.index(column), fits) for column, fits in wanted.items()]
    return [i for i in range(file.num_row_groups) if _may_hold(file.metadata.row_group(i), fitting)]


def _may_hold(group: Any, wanted: Iterable[tuple[int, Fits]]) -> bool:
    for column, fits in wanted:
        known = group.column(column).statistics
        if known is not None and known.has_min_max and not known.null_count and not fits(known.min, known.max):
            return False
    return True


# Rows -------------------------------------------------------------------------------------------------------------


def archived_intervals(
    months: Iterable[Archived], cluster: str, start: int, end: int | None, wanted: Any = None
) -> Iterator[Row]:
    """What was held from `start` to `end` (None: until now), by the months' files; `wanted` narrows it further.

    It is an expression of pyarrow's. Those of one month come after those of an earlier one, and some come twice.
    """
    for found in months:
        if start < found.end and (end is None or end > found.start):
            yield from _intervals(found, cluster, start, found.end if end is None else end, wanted)


def _intervals(found: Archived, cluster: str, start: int, end: int, wanted: Any) -> Iterator[Row]:
    from pyarrow import compute as pc  # noqa: PLC0415 -- large, and only here where Parquet is wanted

    file = parquet_file(found, intervals)
    field = pc.field
    there = (field("cluster") == cluster) & (field("start") < end) & (field("end").is_null() | (field("end") > start))
    with files_are_read(found.path(intervals)):
        times: Mapping[str, Fits] = {
            "start": lambda first, _: bool(first < end),
            "end": lambda _, last: bool(last > start),
        }
        for group in _groups(file, times):
            yield from file.read_row_group(group).filter(there if wanted is None else there & wanted).to_pylist()


def archived_postings(found: Archived, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """The postings of the entries from `first` to `last`, in their order, each as its columns."""
    from pyarrow import compute as pc  # noqa: PLC0415 -- as above

    file = parquet_file(found, postings)
    there = (pc.field("entry") >= first) & (pc.field("entry") <= last)
    with files_are_read(found.path(postings)):
        for group in _groups(file, {"entry": lambda least, most: least <= last and most >= first}):
            rows = file.read_row_group(group).filter(there)
            yield from zip(*(column.to_pylist() for column in rows.columns), strict=True)


def latest(rows: Iterable[Row]) -> Iterable[Row]:
    """Of rows about the same interval the one of the latest batch."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = interval_key(row)
        if key not in found or order_of(row) > order_of(found[key]):
            found[key] = row
    return found.values()


def interval_key(row: Row) -> tuple[Any, ...]:
    """What makes it the same interval."""
    return tuple(row[column.name] for column in intervals.primary_key.columns)


def order_of(row: Row) -> tuple[int, int]:
    """The batch that it came in: an epoch and a number."""
    return row["epoch"], row["seq"]
