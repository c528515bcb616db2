"""A month in a ledger, served to people who see one team, several, or everything."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from farthing.ledger.interval import DAY
from farthing.server.context import Context
from farthing.store.ledger import Ledger
from tests.serving import Known, serving
from tests.store.focus_month import START, a_month

NOW = START + 31 * DAY


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> Iterator[Ledger]:
    with closing(Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")) as ledger:
        a_month(ledger)
        yield ledger


@pytest.fixture
def people() -> Known:
    return Known(admin={""}, ann={"vision", "vision-2"}, sam={"speech"}, nobody=set())


@pytest.fixture
def get(month, people):
    """A way to ask the server, by path and token."""
    context = Context.of(month, people, lambda: float(NOW), lambda: 0.0)
    with serving(context) as found:
        yield found
