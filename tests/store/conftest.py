"""Each test of the ledger runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from farthing.store.ledger import Ledger
from tests.postgres import MISSING, binaries, running_postgres
from tests.store.databases import Copies, new_database


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


@pytest.fixture
def ledger(url) -> Iterator[Ledger]:
    with closing(Ledger.open(url)) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def copies(request, tmp_path) -> Copies:
    """Ledgers of one kind, as many as wanted."""
    return Copies(tmp_path, "" if request.param == "sqlite" else request.getfixturevalue("postgres"))
