"""A closed month's raw records as Parquet, for other tools and for keeping: a copy, nothing leaves the ledger."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Select, Table, or_, select

from farthing.ledger.interval import DAY
from farthing.ledger.period import first_day, last_day
from farthing.model.errors import ConflictError
from farthing.store.database import Database
from farthing.store.parquet import arrow
from farthing.store.schema import entries, intervals, periods, postings, supplies

AT_ONCE: Final = 50_000


def archive(database: Database, period: str, folder: Path) -> dict[str, int]:
    """Write a file for each of the tables; how many rows each has. ConflictError where the month is open.

    `intervals` and `supplies` are those that touch the month, `entries` and `postings` what was posted in it.
    """
    pa = arrow()
    from pyarrow import parquet  # noqa: PLC0415 -- large, and only here where Parquet is wanted

    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with database.reading() as connection:
        if connection.scalar(select(periods.c.period).where(periods.c.period == period)) is None:
            raise ConflictError(f"{period} is open, and may still change; close it first")
        for table, query in _queries(period).items():
            schema = _schema(pa, table)
            path = folder / f"{table.name}-{period}.parquet"
            part = path.with_suffix(".part")
            counts[table.name] = 0
            with parquet.ParquetWriter(part, schema, compression="zstd") as out:
                found = connection.execute(query, execution_options={"yield_per": AT_ONCE})
                for rows in found.partitions():
                    columns = dict(zip(schema.names, zip(*rows, strict=True), strict=True))
                    out.write_table(pa.table(columns, schema))
                    counts[table.name] += len(rows)
            part.replace(path)
    return counts


def _queries(period: str) -> dict[Table, Select[Any]]:
    start, end = first_day(period) * DAY, (last_day(period) + 1) * DAY
    found: dict[Table, Select[Any]] = {
        table: select(table).where(table.c.start < end, or_(table.c.end.is_(None), table.c.end > start))
        for table in (intervals, supplies)
    }
    found[entries] = select(entries).where(entries.c.period == period)
    found[postings] = select(postings).join(entries, entries.c.id == postings.c.entry).where(entries.c.period == period)
    return found


def _schema(pa: Any, table: Table) -> Any:
    def kind(column: Any) -> Any:
        number = pa.int64() if isinstance(column.type, BigInteger) else pa.string()
        return pa.bool_() if isinstance(column.type, Boolean) else number

    return pa.schema([(column.name, kind(column)) for column in table.columns])
