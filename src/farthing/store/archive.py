"""A closed month's raw records go into files of Parquet, and its postings and intervals leave the database.

    write    each table's rows into a file, read back and compared with the database row by row
    record   the month, its files and their checksums in `archives`; from here on it is read from the files
    remove   exactly the rows that are in the files, some at a time

Whoever is interrupted begins again: before the record nothing has left, and after it what is left to remove is removed.
Entries, which are what each device cost each day, and their sums by day stay, and so does whatever is still open.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
)

from farthing.disk import keep
from farthing.ledger.interval import DAY
from farthing.ledger.period import first_day, last_day
from farthing.ledger.price import instant_text
from farthing.model.errors import ConflictError, PermanentError
from farthing.store.archived import Archived, File, archived_month, files_are_read, parquet_file
from farthing.store.ask import standing
from farthing.store.database import Database
from farthing.store.parquet import arrow
from farthing.store.schema import archives, dirty, entries, intervals, periods, postings, supplies

AT_ONCE: Final = 20_000
"""Rows in one group of a file, and in one transaction."""

QUIET_DAYS: Final = 7
"""How long every meter must have been heard after a month before it may leave: what is asked every minute is newer."""

Said = Callable[[str, int, int], None]
"""Hears what is being done, how many rows of it are done, and how many there are."""


def archive(database: Database, period: str, folder: Path, *, copy: bool = False, said: Said | None = None) -> Archived:
    """Archive a month, or go on with it; with `copy` its files are written and nothing leaves.

    `intervals` and `supplies` are those that touch the month, `entries` and `postings` what was posted in it.
    ConflictError says what must be done first; PermanentError where a file is not what was written.
    """
    tell = said or (lambda *_: None)
    with database.reading() as connection:
        found = archived_month(connection, period)
        if found is not None and copy:
            raise ConflictError(f"{period} is archived; its files are in {found.folder}")
        if found is None:
            (_check_closed if copy else _check_may_leave)(connection, period)
            found = Archived(period, folder.absolute(), _write(connection, period, folder, tell))
    if copy:
        return found
    check_files(found, tell)
    _record(database, found)
    _remove(database, found, tell)
    return found


def _check_closed(connection: Connection, period: str) -> None:
    if connection.scalar(select(periods.c.period).where(periods.c.period == period)) is None:
        raise ConflictError(f"{period} is open, and may still change; close it first")


def _check_may_leave(connection: Connection, period: str) -> None:
    _check_closed(connection, period)
    query = select(func.min(periods.c.period)).where(periods.c.period.not_in(select(archives.c.period)))
    if (first := connection.scalar(query)) != period:
        raise ConflictError(f"{first} is not archived; archive months in their order")
    quiet = (last_day(period) + 1 + QUIET_DAYS) * DAY
    for one in standing(connection):
        if one.watermark < quiet and one.retired is None:
            raise ConflictError(
                f"{one.cluster} was heard until {instant_text(one.watermark)} only; {period} can leave once it was "
                f"heard on {instant_text(quiet)}"
            )
    waiting = connection.scalar(select(func.count()).select_from(dirty).where(dirty.c.day <= last_day(period)))
    if waiting:
        raise ConflictError(f"{waiting:,} days of devices up to {period} are to be rated again; settle first")


# Writing ----------------------------------------------------------------------------------------------------------


def _write(connection: Connection, period: str, folder: Path, said: Said) -> dict[str, File]:
    folder.mkdir(parents=True, exist_ok=True)
    return {
        table.name: _write_table(connection, table, query, (period, folder), said)
        for table, query in _queries(period).items()
    }


def _queries(period: str) -> dict[Table, Select[Any]]:
    start, end = first_day(period) * DAY, (last_day(period) + 1) * DAY
    found: dict[Table, Select[Any]] = {}
    for table in (intervals, supplies):
        columns = table.c
        touches = or_(columns.end.is_(None), columns.end > start, columns.start >= start)
        found[table] = (
            select(table).where(columns.start < end, touches).order_by(columns.end, *table.primary_key.columns)
        )
    found[entries] = select(entries).where(entries.c.period == period).order_by(entries.c.id)
    found[postings] = postings_of(period)
    return found


def postings_of(period: str) -> Select[Any]:
    """All postings of a month, in their order."""
    joined = select(postings).join(entries, entries.c.id == postings.c.entry).where(entries.c.period == period)
    return joined.order_by(postings.c.entry, postings.c.line)


def _write_table(connection: Connection, table: Table, query: Select[Any], place: tuple[str, Path], said: Said) -> File:
    """Written under another name, read back, and given its name: it holds what the database holds, or is not there."""
    pa = arrow()
    from pyarrow import parquet  # noqa: PLC0415 -- large, and only here where Parquet is wanted

    period, folder = place
    part = folder / f"{table.name}-{period}-{os.getpid()}-{threading.get_ident()}.part"  # two may write at once
    total = connection.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = 0
    try:
        with (
            parquet.ParquetWriter(part, _schema(pa, table), compression="zstd", write_page_checksum=True) as out,
            connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found,
        ):
            for some in found.partitions():
                out.write_table(_group(table, some))
                said(f"{table.name} written", rows := rows + len(some), total)
        keep(part)
        if not same(connection, table, query, parquet.ParquetFile(part, page_checksum_verification=True)):
            raise PermanentError(f"{part}, read back, is not what was written; nothing has left the ledger")
        digest = sha256_of(part)
        path = folder / f"{table.name}-{period}-{digest[:12]}.parquet"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    keep(folder)
    return File(path.name, path.stat().st_size, rows, digest)


def same(connection: Connection, table: Table, query: Select[Any], file: Any) -> bool:
    """Whether a file holds what a query finds, row by row."""
    with connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found:
        for i in range(file.num_row_groups):
            group = file.read_row_group(i)
            if not group.equals(_group(table, found.fetchmany(group.num_rows))):
                return False
        return found.fetchone() is None


def _group(table: Table, rows: Sequence[Any]) -> Any:
    """Rows of a table as pyarrow's."""
    pa = arrow()
    schema = _schema(pa, table)
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def _schema(pa: Any, table: Table) -> Any:
    def kind(column: Any) -> Any:
        number = pa.int64() if isinstance(column.type, BigInteger) else pa.string()
        return pa.bool_() if isinstance(column.type, Boolean) else number

    return pa.schema([(column.name, kind(column)) for column in table.columns])


def sha256_of(path: Path) -> str:
    """A file's checksum in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(found: Archived, said: Said | None = None) -> None:
    """Every byte of a month's files by their checksums; errors as from `parquet_file`."""
    for i, table in enumerate((intervals, supplies, entries, postings)):
        parquet_file(found, table)
        path = found.path(table)
        with files_are_read(path):
            if sha256_of(path) != found.files[table.name].sha256:
                raise OSError("its checksum is another")
        if said:
            said("files checked", i + 1, 4)


# Recording and removing -------------------------------------------------------------------------------------------


def _record(database: Database, found: Archived) -> None:
    """From here on the month is read from its files."""
    with database.writing() as connection:
        if archived_month(connection, found.period) is None:
            _check_may_leave(connection, found.period)
            files = msgspec.json.encode(found.files).decode()
            row = {"period": found.period, "folder": str(found.folder), "files": files, "restoring": False}
            connection.execute(insert(archives).values(row))


def _check_recorded(connection: Connection, found: Archived) -> None:
    known = archived_month(connection, found.period)
    if known is None or known.restoring or known.files != found.files:
        raise ConflictError(f"{found.period} is being restored; finish that: `farthing ledger restore {found.period}`")


def _remove(database: Database, found: Archived, said: Said) -> None:
    """Exactly what is in the files: what has come since, or goes on, stays."""
    for table, statement, columns in _removals(found):
        file = parquet_file(found, table)
        done = 0
        for i in range(file.num_row_groups):
            group = file.read_row_group(i, columns)
            done += group.num_rows
            with database.writing() as connection:
                _check_recorded(connection, found)
                if rows := _leaving(found, table, group):
                    connection.execute(statement, rows)
            said(f"{table.name} removed", done, file.metadata.num_rows)


def _removals(found: Archived) -> Iterator[tuple[Table, Any, list[str]]]:
    keys = [*(column.name for column in intervals.primary_key.columns), "epoch", "seq"]
    yield (
        intervals,
        delete(intervals).where(*(intervals.c[key] == bindparam(f"the_{key}") for key in keys)),
        [*keys, "end"],
    )
    id_ = entries.c.id
    of_month = select(id_).where(
        and_(id_ >= bindparam("first"), id_ <= bindparam("last")), entries.c.period == found.period
    )
    yield postings, delete(postings).where(postings.c.entry.in_(of_month)), ["entry"]


def _leaving(found: Archived, table: Table, group: Any) -> list[dict[str, Any]]:
    """What tells a statement which of a group's rows leave. Intervals that go on after the month stay for the next."""
    if table is postings:
        numbers = group.column("entry").to_pylist()
        return [{"first": numbers[0], "last": numbers[-1]}]
    return [
        {f"the_{key}": value for key, value in row.items() if key != "end"}
        for row in group.to_pylist()
        if row["end"] is not None and row["end"] <= found.end
    ]
