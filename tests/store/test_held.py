"""Who holds what, now and at other times, page by page; whatever lives the meter has had."""

import pytest

from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import day_of
from farthing.store.held import Holding, held
from farthing.store.now import look
from tests.ledgers import HOUR_COST, book, interval, supply

START = day_of("2026-11-01") * DAY
HOUR = 3600


@pytest.fixture
def filled(ledger):
    """Two lives of the meter: what the first left open ended when it was last heard."""
    ledger.set_prices(book())
    first = [
        interval("ended", start=START, end=START + HOUR, compute=250),
        interval("lost", start=START, compute=250, team="speech"),
    ]
    ledger.ingest(Batch("c", START, 1, START + 2 * HOUR, tuple(first), (supply(start=START),)))
    later = [interval("b", start=START + 5 * HOUR, owners=()), interval("d", "d/n1/gpu-0", start=START + 5 * HOUR)]
    devices = (supply(start=START), supply("d/n1/gpu-0", start=START + 5 * HOUR))
    ledger.ingest(Batch("c", START + 4 * HOUR, 1, START + 6 * HOUR, tuple(later), devices))
    ledger.ingest(Batch("elsewhere", START, 1, START + HOUR, (interval("e", cluster="elsewhere", start=START),)))
    return ledger


def claims(ledger, most=100, after=None, **holding):
    return [found.claim for found in held(ledger.database, Holding(**holding), after, most)]


def test_now_is_what_the_newest_life_of_the_meter_holds(filled):
    assert claims(filled) == ["d", "b", "e"]
    assert claims(filled, cluster="c", teams=frozenset({"vision"})) == ["d", "b"]
    assert claims(filled, teams=frozenset()) == []


def test_what_was_lost_ended_when_its_meter_was_last_heard(filled):
    (found,) = held(filled.database, Holding(start=START + HOUR + 1, end=START + 3 * HOUR, cluster="c"), None, 9)
    assert (found.claim, found.end) == ("lost", START + 2 * HOUR)
    assert claims(filled, start=START, end=START + 1, cluster="c") == ["ended", "lost"]
    assert claims(filled, start=START + 2 * HOUR, end=START + 5 * HOUR, cluster="c") == []


def test_a_pod_that_nobody_owns_is_its_own_workload(filled):
    assert claims(filled, workload="Pod/b-pod") == ["b"]
    assert claims(filled, workload="Job/d") == ["d"]
    assert claims(filled, workload="Job/%") == []


@pytest.mark.parametrize("most", [1, 2, 5])
def test_pages_hold_everything_once(filled, most):
    found, after = [], None
    while page := held(filled.database, Holding(start=START), after, most):
        found += page
        after = page[-1].id
    assert [one.claim for one in found] == ["d", "ended", "lost", "b", "e"]


def test_the_next_hour_is_rated_from_what_is_held(filled):
    with filled.database.reading() as connection:
        found = look(connection, filled.prices(), "c")
    assert {key: (held_.cost, held_.milli_gpus, held_.shares) for key, held_ in found.held.items()} == {
        ("vision", "h100"): (HOUR_COST, 1000, 2),
        ("(idle)", "h100"): (HOUR_COST, 1000, 0),
    }
