"""One database: opening it, its migrations, its transactions, and its errors in our words.

SQLite is written through a write-ahead log with full synchronisation, so that what was committed survives a power cut.
Writers take their turn: one at a time, which SQLite demands and PostgreSQL is told with an advisory lock.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)

from farthing.model.errors import ConflictError, InvalidError, PermanentError, TransientError

_LOCK: Final = 0x6661727468696E67
"""The advisory lock's number: our name."""

WAIT_SECONDS: Final = 30
"""How long a writer waits for its turn, and a connection to be made."""

_EXPECTED: Final = "expected a URL such as sqlite:////var/lib/farthing/ledger.db or postgresql://user@host/ledger"

_DRIVERS: Final = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -65536",  # KiB: what a batch touches, a page or two for each device, stays in memory
    "wal_autocheckpoint = 16384",  # pages: a device's page is written back once for many batches, not for each
)


class Database:
    """A database that is open and of the newest version."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open it and bring its tables up to date; InvalidError for a URL that cannot be one."""
        database = cls.connect(url)
        try:
            with database.writing() as connection:
                upgrade(connection)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def connect(cls, url: str) -> "Database":
        """One whose tables are known to be there and up to date; nothing is connected to before it is used."""
        return cls(_engine(url))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that alone may write; all of it is done in the end, or nothing."""
        with translated(), self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of everything."""
        options = {"isolation_level": "REPEATABLE READ"} if self.dialect == "postgresql" else {}
        with translated(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing; refuse a database of a newer Farthing."""
    config = Config()
    config.set_main_option("script_location", "farthing.store:migrations")
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise PermanentError(f"the ledger is of a newer Farthing (its tables are of version {found}); use that one")
    if found != script.get_current_head():
        command.upgrade(config, "head")


def check_url(url: str) -> None:
    """InvalidError for a URL that cannot be that of a ledger; nothing is connected to."""
    _engine(url).dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError("--ledger", _EXPECTED) from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise InvalidError("--ledger", f"{parsed.drivername!r} is no database that Farthing knows; {_EXPECTED}")
    parsed = parsed.set(drivername=driver)
    if driver == _DRIVERS["sqlite"]:
        if not parsed.database or parsed.database == ":memory:":
            raise InvalidError("--ledger", f"a ledger in memory would be lost; {_EXPECTED}")
        engine = create_engine(parsed, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": WAIT_SECONDS})


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # else Python's driver opens transactions by its own rules
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The database's errors in our words: what may pass is Transient, what broke a rule is a Conflict."""
    try:
        yield
    except psycopg.IntegrityError as error:  # as COPY tells it
        raise ConflictError(f"the database refused it: {str(error).strip().splitlines()[0]}") from error
    except IntegrityError as error:
        raise ConflictError(f"the database refused it: {_first_line(error)}") from error
    except OperationalError as error:
        raise TransientError(f"the ledger's database does not answer: {_first_line(error)}") from error
    except SQLAlchemyError as error:
        raise PermanentError(f"the ledger's database failed: {_first_line(error)}") from error


def _first_line(error: SQLAlchemyError) -> str:
    text_ = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return text_.strip().split("\n")[0]
