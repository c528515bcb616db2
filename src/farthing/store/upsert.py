"""Insert-or-update, which each database spells its own way."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import Select


def _insert(connection: Connection, table: Table) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def put_newer(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert records of meters; where one is there, the one of the later batch (epoch, seq) stays."""
    if not rows:
        return
    found = _insert(connection, table)
    new = {column.name: found.excluded[column.name] for column in table.columns if not column.primary_key}
    later = tuple_(found.excluded.epoch, found.excluded.seq) > tuple_(table.c.epoch, table.c.seq)
    keys = list(table.primary_key.columns)
    _many(connection, found.on_conflict_do_update(index_elements=keys, set_=new, where=later), table, rows)


def _many(connection: Connection, statement: Any, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement for each row, past SQLAlchemy's own look at every value, which takes longer than the database."""
    compiled = statement.compile(dialect=connection.dialect, column_keys=[column.name for column in table.columns])
    order: Sequence[str] | None = compiled.positiontup
    values = list(rows) if order is None else [tuple(map(row.__getitem__, order)) for row in rows]
    connection.exec_driver_sql(compiled.string, values)


def put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where one is there, replace it."""
    if not rows:
        return
    found = _insert(connection, table)
    new = {column.name: found.excluded[column.name] for column in table.columns if not column.primary_key}
    connection.execute(
        found.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=new), list(rows)
    )


def add(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where one is there, add to its numbers."""
    if not rows:
        return
    found = _insert(connection, table)
    numbers: list[Column[Any]] = [column for column in table.columns if not column.primary_key]
    sums: dict[str, ColumnElement[Any]] = {c.name: c + found.excluded[c.name] for c in numbers}
    connection.execute(
        found.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=sums), list(rows)
    )


def append(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, given as values in the order of the columns, in the quickest way that each database has."""
    if not rows:
        return
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "postgresql":
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({places})"  # noqa: S608 -- the schema's own names
    connection.exec_driver_sql(statement, list(map(tuple, rows)))


def put_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that are not there."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def put_selected(connection: Connection, table: Table, query: Select[Any]) -> None:
    """Insert what a query finds and is not there."""
    columns = [column.name for column in table.columns]
    # "WHERE true": SQLite would read ON CONFLICT as a join's ON otherwise; every query here has its own WHERE
    connection.execute(_insert(connection, table).from_select(columns, query).on_conflict_do_nothing())
