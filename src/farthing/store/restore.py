"""An archived month comes back into the database, row by row; and files of archived months that were moved.

The month is read from its files until all of it is there again. Whoever is interrupted begins again.
"""

from pathlib import Path

from sqlalchemy import Connection, delete, update

from farthing.model.errors import ConflictError, NotFoundError, PermanentError
from farthing.store.archive import Said, check_files, postings_of, same
from farthing.store.archived import Archived, archived_month, archived_months, interval_key, order_of, parquet_file
from farthing.store.database import Database
from farthing.store.meters import known_rows
from farthing.store.schema import archives, intervals, postings
from farthing.store.upsert import put_missing, put_newer


def restore(database: Database, period: str, said: Said | None = None) -> Archived:
    """Bring a month back. NotFoundError where it is not archived, ConflictError where a later one still is."""
    tell = said or (lambda *_: None)
    with database.reading() as connection:
        found = _last(connection, period)
    check_files(found, tell)
    with database.writing() as connection:
        _last(connection, period)
        connection.execute(update(archives).where(archives.c.period == period).values(restoring=True))
    for table, put in ((intervals, put_newer), (postings, put_missing)):
        file = parquet_file(found, table)
        done = 0
        for i in range(file.num_row_groups):
            rows = file.read_row_group(i).to_pylist()
            with database.writing() as connection:
                put(connection, table, rows)
            tell(f"{table.name} restored", done := done + len(rows), file.metadata.num_rows)
    with database.reading() as connection:
        _check_all_there(connection, found)
    with database.writing() as connection:
        connection.execute(delete(archives).where(archives.c.period == period))
    return found


def _last(connection: Connection, period: str) -> Archived:
    months = archived_months(connection)
    found = next((one for one in months if one.period == period), None)
    if found is None:
        raise NotFoundError(f"{period} is not archived; `farthing ledger archives` shows what is")
    if months[-1] != found:
        raise ConflictError(f"{months[-1].period} is archived as well; restore months from the last one back")
    return found


def _check_all_there(connection: Connection, found: Archived) -> None:
    """Postings as they were; intervals as they were, or as a later batch says."""
    file = parquet_file(found, intervals)
    for i in range(file.num_row_groups):
        rows = file.read_row_group(i).to_pylist()
        known = known_rows(connection, intervals, rows)
        if any(interval_key(row) not in known or order_of(known[interval_key(row)]) < order_of(row) for row in rows):
            raise PermanentError(f"intervals of {found.period} are missing; restore it again")
    if not same(connection, postings, postings_of(found.period), parquet_file(found, postings)):
        raise PermanentError(f"postings of {found.period} are not those of its file, from which it is read")


def moved(database: Database, period: str, folder: Path) -> Archived:
    """Note that a month's files are in another folder now, once their checksums are found there to be right."""
    with database.reading() as connection:
        known = archived_month(connection, period)
    if known is None:
        raise NotFoundError(f"{period} is not archived; `farthing ledger archives` shows what is")
    found = Archived(period, folder.absolute(), known.files, known.restoring)
    check_files(found)
    with database.writing() as connection:
        connection.execute(update(archives).where(archives.c.period == period).values(folder=str(found.folder)))
    return found
