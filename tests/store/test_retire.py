"""A cluster that is gone for good holds up no month: what it held ends, it is written down, and it can be undone."""

import json

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from farthing.cli import app
from farthing.ledger.entry import IdleRule
from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import first_day, last_day
from farthing.model.errors import ConflictError, InvalidError, NotFoundError
from farthing.server.metrics import LedgerMetrics
from farthing.store.archive import archive
from farthing.store.ask import Question, ask
from farthing.store.audit import audit
from farthing.store.held import Holding, held
from farthing.store.retire import events, retire, undo
from tests.ledgers import HOUR_COST, book, interval, supply
from tests.store.sums import by_kind, capacity_cost

NOVEMBER = "2026-11"
FIRST, LAST = first_day(NOVEMBER) * DAY, (last_day(NOVEMBER) + 1) * DAY
GONE = FIRST + 9 * DAY + DAY // 2
"""When paris was last heard: at noon."""

NOW = LAST + 40 * DAY


def said(cluster, seq, watermark, *intervals, epoch=FIRST, there=True):
    supplies = (supply(cluster=cluster, start=FIRST),) if there and seq == 1 else ()
    return Batch(cluster, epoch, seq, watermark, intervals, supplies)


@pytest.fixture
def books(ledger):
    """London goes on; paris is not heard after noon of the tenth, with half a device held."""
    ledger.set_prices(book())
    ledger.ingest(said("london", 1, LAST + 10 * DAY))
    ledger.ingest(said("paris", 1, GONE, interval(cluster="paris", start=FIRST)))
    ledger.settle()
    return ledger


def of_paris(ledger):
    """What paris was charged, settled or not, by kind."""
    days = (first_day(NOVEMBER), last_day(NOVEMBER) + 50)
    question = Question(("kind",), *days, where=(("cluster", frozenset({"paris"})),))
    return {cost.names[0]: cost.amount for cost in ask(ledger.database, question).costs}


def test_a_silent_cluster_holds_up_a_month_until_it_is_retired(books, tmp_path):
    with pytest.raises(ConflictError, match="gone for good: `farthing ledger retire paris`"):
        books.close_period(NOVEMBER, NOW)
    retire(books.database, "paris", None, NOW, "ada")
    with pytest.raises(ConflictError, match="paris is settled up to 2026-11-10"):
        books.close_period(NOVEMBER, NOW)
    books.settle()
    books.close_period(NOVEMBER, NOW)
    assert archive(books.database, NOVEMBER, tmp_path).files["intervals"].rows == 1
    assert audit(books.database, NOVEMBER).problems == ()
    books.ingest(said("london", 2, LAST + 31 * DAY))
    books.settle()
    books.close_period("2026-12", NOW)


def test_what_it_still_held_ends_then_and_its_devices_with_it(books):
    later = GONE + 3 * DAY + 60
    retire(books.database, "paris", later, NOW, "ada")
    before = of_paris(books)
    books.settle()
    cost = (later - FIRST) * HOUR_COST // 3600
    assert of_paris(books) == before == {"share": cost // 2, "idle": cost // 2}
    assert held(books.database, Holding(cluster="paris"), None, 9) == ()
    (share,) = held(books.database, Holding(cluster="paris", start=FIRST, end=LAST), None, 9)
    assert share.end == later
    assert sum(by_kind(books).values()) == capacity_cost(books)


def test_a_retired_cluster_counts_to_when_it_was_last_heard_unless_another_instant_is_named(books):
    assert retire(books.database, "paris", None, NOW, "ada").since == GONE
    assert sum(of_paris(books).values()) == (GONE - FIRST) * HOUR_COST // 3600


def test_batches_that_wait_for_their_turn_count_as_heard(books):
    books.ingest(said("paris", 3, GONE + DAY))
    assert retire(books.database, "paris", None, NOW, "ada").since == GONE + DAY


def test_a_report_of_the_time_before_is_late_data(books):
    retire(books.database, "paris", None, NOW, "ada")
    books.settle()
    books.close_period(NOVEMBER, NOW)
    share = interval(cluster="paris", start=FIRST, end=FIRST + DAY)
    assert books.ingest(said("paris", 2, GONE, share)) == 1
    assert books.settle().corrected == 9  # days 2 to 10
    assert of_paris(books)["share"] == 12 * HOUR_COST
    december = Question(("kind",), first_day("2026-12"), last_day("2026-12"), period="2026-12")
    assert {c.names[0]: c.amount for c in ask(books.database, december).costs}["share"] == -102 * HOUR_COST


def test_a_report_of_a_later_time_is_refused_and_one_that_was_heard_is_no_news(books):
    retire(books.database, "paris", None, NOW, "ada")
    with pytest.raises(
        ConflictError, match=r"retired since 2026-11-10T12.*speaks of 2026-11-10T12.*retire paris --undo"
    ):
        books.ingest(said("paris", 2, GONE + 1))
    with pytest.raises(ConflictError):
        books.ingest(said("paris", 1, GONE + 60, epoch=GONE + 30))
    assert books.ingest(said("paris", 1, GONE)) == 0
    undo(books.database, "paris", NOW, "ada")
    assert books.ingest(said("paris", 2, GONE + 1)) == 1


@pytest.mark.parametrize("rule", ["none", "use"])
def test_undone_it_is_as_if_it_had_never_been(books, copies, rule):
    untouched = copies.new()
    untouched.set_prices(book())
    untouched.ingest(said("london", 1, LAST + 10 * DAY))
    untouched.ingest(said("paris", 1, GONE, interval(cluster="paris", start=FIRST)))
    for one in (books, untouched):
        one.set_idle_rule(first_day(NOVEMBER), IdleRule(rule))
        one.settle()
    before = of_paris(books)
    retire(books.database, "paris", GONE + 3 * DAY, NOW, "ada")
    books.settle()
    undo(books.database, "paris", NOW, "ada")
    assert of_paris(books) == before
    books.set_prices(book("7.20", version=2, since="2026-11-08"))
    untouched.set_prices(book("7.20", version=2, since="2026-11-08"))
    for one in (books, untouched):
        one.settle()
    assert of_paris(books) == of_paris(untouched)
    for one in (books, untouched):
        one.ingest(said("paris", 2, LAST + DAY))
        one.settle()
    assert of_paris(books) == of_paris(untouched)
    assert by_kind(books) == by_kind(untouched)
    assert audit(books.database, NOVEMBER).problems == ()
    copies.drop(untouched)


def test_once_a_month_is_closed_without_it_it_stays_retired(books):
    retire(books.database, "paris", None, NOW, "ada")
    books.settle()
    books.close_period(NOVEMBER, NOW)
    with pytest.raises(ConflictError, match="2026-11 was closed without paris, so it stays retired"):
        undo(books.database, "paris", NOW, "ada")


def test_a_cluster_that_never_had_a_device_holds_up_nothing(books):
    books.ingest(said("empty", 1, LAST + DAY, there=False))
    retire(books.database, "paris", None, NOW, "ada")
    books.settle()
    books.close_period(NOVEMBER, NOW)


def test_metrics_wait_for_no_news_of_it(books):
    def clusters():
        found = LedgerMetrics(books, lambda: 0.0).collect()
        return {sample.labels["cluster"] for family in found for sample in family.samples}

    assert clusters() == {"london", "paris"}
    retire(books.database, "paris", None, NOW, "ada")
    assert clusters() == {"london"}


def test_what_is_not_so_is_refused(books):
    database = books.database
    with pytest.raises(NotFoundError, match="has not heard of rome; it knows london, paris"):
        retire(database, "rome", None, NOW, "ada")
    with pytest.raises(InvalidError, match="paris was heard until 2026-11-10T12:00:00Z; expected that or later"):
        retire(database, "paris", GONE - 1, NOW, "ada")
    with pytest.raises(InvalidError, match="still to come"):
        retire(database, "paris", NOW + 1, NOW, "ada")
    with pytest.raises(InvalidError, match="--by"):
        retire(database, "paris", None, NOW, "a\nb")
    with pytest.raises(ConflictError, match="is not retired"):
        undo(database, "paris", NOW, "ada")
    assert events(database) == ()
    retire(database, "paris", None, NOW, "ada")
    with pytest.raises(ConflictError, match="retired since 2026-11-10T12:00:00Z; undo that first"):
        retire(database, "paris", None, NOW, "ada")


def test_the_database_lets_nobody_change_what_was_said(books):
    retire(books.database, "paris", None, NOW, "ada")
    for statement in ("UPDATE retirements SET said_by = 'bob'", "DELETE FROM retirements"):
        with pytest.raises(ConflictError, match="stays as it is"), books.database.writing() as connection:
            connection.execute(text(statement))


@pytest.mark.usefixtures("books")
def test_as_people_and_programs_use_it(url):
    def run(*command):
        found = CliRunner().invoke(app, [*command, "--ledger", url])
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found.stdout

    assert run("ledger", "retirements") == "no cluster was ever retired\n"
    assert "paris is retired from 2026-11-10T12:00:00Z on" in run("ledger", "retire", "paris", "--by", "ada")
    assert "paris: settled through 2026-11-09, retired from 2026-11-10T12:00:00+00:00" in run(
        "cost", "--since", "2026-11-01"
    )
    assert "expected again" in run("ledger", "retire", "paris", "--undo", "--by", "bob")
    rows = json.loads(run("ledger", "retirements", "-o", "json"))
    assert [(row["cluster"], row["since"], row["said_by"]) for row in rows] == [
        ("paris", "2026-11-10T12:00:00Z", "ada"),
        ("paris", "", "bob"),
    ]
    assert "undone" in run("ledger", "retirements")
    with pytest.raises(InvalidError, match="goes without --undo"):
        run("ledger", "retire", "paris", "--undo", "--since", "2026-11-11")
    with pytest.raises(InvalidError, match="--since"):
        run("ledger", "retire", "paris", "--since", "yesterday")
