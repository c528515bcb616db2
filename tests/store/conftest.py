"""Each test of the ledger runs on SQLite and on a real PostgreSQL."""

import itertools
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from farthing.store.ledger import Ledger
from tests.postgres import MISSING, binaries, running_postgres

_names = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    programs = binaries()
    if programs is None:
        pytest.skip(MISSING)
    with running_postgres(programs) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return new_database(request.getfixturevalue("postgres"))


def new_database(postgres: str) -> str:
    name = f"ledger{next(_names)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture
def ledger(url) -> Iterator[Ledger]:
    with closing(Ledger.open(url)) as found:
        yield found
