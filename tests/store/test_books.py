"""The books: what is learned late is corrected by reversals, and the database refuses what must not be."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select, text

from farthing.ledger.entry import IdleRule
from farthing.ledger.interval import DAY, Batch
from farthing.model.errors import ConflictError, InvalidError
from farthing.store.ledger import Ledger
from farthing.store.schema import entries, metadata, postings
from tests.ledgers import HOUR_COST, book, interval, supply
from tests.store.sums import by_kind, by_team, capacity_cost

DAY_COST = 24 * HOUR_COST


def batch(seq=1, watermark=3 * DAY, intervals=(), supplies=(), epoch=1, cluster="c"):
    return Batch(cluster, epoch, seq, watermark, tuple(intervals), tuple(supplies))


def priced(ledger: Ledger) -> Ledger:
    ledger.set_prices(book())
    return ledger


def test_a_day_is_rated_once_it_has_ended_and_adds_up(ledger):
    priced(ledger).ingest(batch(watermark=DAY + 5, supplies=[supply()], intervals=[interval(end=DAY // 2)]))
    assert ledger.settle().rated == 1
    assert by_kind(ledger) == {"share": DAY_COST // 4, "idle": DAY_COST - DAY_COST // 4}


def test_settling_again_changes_nothing(ledger):
    priced(ledger).ingest(batch(supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    before = by_kind(ledger)
    assert (ledger.settle().rated, by_kind(ledger)) == (0, before)


def test_a_batch_that_comes_twice_counts_once(ledger):
    found = batch(supplies=[supply()], intervals=[interval()])
    assert (priced(ledger).ingest(found), ledger.ingest(found)) == (1, 0)
    ledger.settle()
    assert sum(by_kind(ledger).values()) == 3 * DAY_COST


def test_days_wait_for_a_batch_that_is_missing(ledger):
    priced(ledger).ingest(batch(1, 100, supplies=[supply()]))
    ledger.ingest(batch(3, 4 * DAY))
    assert ledger.settle().rated == 0
    ledger.ingest(batch(2, 2 * DAY, intervals=[interval(end=DAY)]))
    assert ledger.settle().rated == 4
    assert by_kind(ledger)["share"] == DAY_COST // 2


def test_news_about_a_rated_day_is_a_reversal_and_a_new_entry(ledger):
    priced(ledger).ingest(batch(1, 2 * DAY, supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    ledger.ingest(batch(2, 2 * DAY, intervals=[interval(end=DAY + DAY // 2)]))
    assert ledger.settle().corrected == 1
    assert by_kind(ledger)["share"] == DAY_COST // 2 + DAY_COST // 4
    with ledger.database.reading() as connection:
        rows = connection.execute(select(entries).where(entries.c.day == 1).order_by(entries.c.id)).all()
    assert [(row.revision, row.reverses, row.capacity) for row in rows] == [
        (1, None, DAY_COST),
        (2, rows[0].id, -DAY_COST),
        (3, None, DAY_COST),
    ]


def test_the_end_of_a_long_share_does_not_touch_the_days_before(ledger):
    priced(ledger).ingest(batch(1, 10 * DAY, supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    ledger.ingest(batch(2, 11 * DAY, intervals=[interval(end=10 * DAY + 60)]))
    assert ledger.settle().rated == 1


@pytest.mark.parametrize("before", [None, 8 * DAY])
def test_a_share_that_ended_days_before_it_was_thought_is_taken_back_for_all_of_them(ledger, before):
    priced(ledger).ingest(batch(1, 10 * DAY, supplies=[supply()], intervals=[interval(end=before)]))
    ledger.settle()
    ledger.ingest(batch(2, 10 * DAY, intervals=[interval(end=2 * DAY)]))
    ledger.settle()
    assert by_team(ledger) == {"vision": 2 * DAY_COST // 2}
    ledger.ingest(batch(3, 10 * DAY, intervals=[interval(end=6 * DAY)]))
    ledger.settle()
    assert by_team(ledger) == {"vision": 6 * DAY_COST // 2}


def test_an_older_batch_does_not_undo_a_later_one(ledger):
    priced(ledger).ingest(batch(1, DAY, supplies=[supply()]))
    ledger.ingest(batch(3, 2 * DAY, intervals=[interval(end=100)]))
    ledger.ingest(batch(2, 2 * DAY, intervals=[interval()]))
    ledger.settle()
    assert by_team(ledger) == {"vision": 50_000}


def test_a_new_price_corrects_what_the_old_one_charged(ledger):
    priced(ledger).ingest(batch(supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    assert ledger.set_prices(book("7.20", version=2, since="1970-01-02"))
    assert not ledger.set_prices(book("7.20", version=2, since="1970-01-02"))
    assert ledger.settle().corrected == 2
    assert capacity_cost(ledger) == 5 * DAY_COST


def test_a_device_without_a_price_waits_and_is_named(ledger):
    ledger.set_prices(book(lines=[{"perHour": "1", "model": "l4"}]))
    ledger.ingest(batch(supplies=[supply(), supply("d/n0/gpu-1", model="l4")]))
    found = ledger.settle()
    assert found.rated == 3
    assert "no price for h100 in c" in found.waiting[0]
    ledger.set_prices(book(version=2))
    assert ledger.settle().rated == 6


def test_idle_cost_is_shared_out_by_rule_and_taken_back_when_the_rule_changes(ledger):
    shares = [interval("a", team="a", compute=500), interval("b", team="b", compute=250, memory=0)]
    priced(ledger).ingest(batch(watermark=DAY, supplies=[supply()], intervals=shares))
    ledger.set_idle_rule(0, IdleRule("use"))
    ledger.settle()
    assert by_kind(ledger) == {"share": 3 * DAY_COST // 4, "idle": 0, "idle-share": DAY_COST // 4}
    assert by_team(ledger) == {"a": 2 * DAY_COST // 3, "b": DAY_COST // 3}
    ledger.set_idle_rule(0, IdleRule("quota", (("a", 1), ("c", 3))))
    ledger.settle()
    assert by_team(ledger)["c"] == 3 * DAY_COST // 16
    ledger.set_idle_rule(0, IdleRule())
    ledger.settle()
    assert by_kind(ledger) == {"share": 3 * DAY_COST // 4, "idle": DAY_COST // 4, "idle-share": 0}


def test_a_closed_month_stays_and_what_is_learned_later_is_posted_in_the_next(ledger):
    priced(ledger).ingest(batch(1, 32 * DAY, supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    ledger.close_period("1970-01", 0)
    before = by_kind(ledger, period="1970-01")
    ledger.ingest(batch(2, 32 * DAY, intervals=[interval(team="speech")]))
    ledger.settle()
    assert by_kind(ledger, period="1970-01") == before
    assert by_team(ledger, period="1970-02") == {"vision": -31 * DAY_COST // 2, "speech": 32 * DAY_COST // 2}


def test_a_month_is_closed_only_when_all_of_it_is_settled_and_in_order(ledger):
    priced(ledger).ingest(batch(1, 31 * DAY, supplies=[supply()]))
    with pytest.raises(ConflictError, match="settled up to nothing only"):
        ledger.close_period("1970-01", 0)
    ledger.settle()
    ledger.ingest(batch(2, 60 * DAY, intervals=[interval()]))
    with pytest.raises(ConflictError, match="to be rated"):
        ledger.close_period("1970-01", 0)
    ledger.settle()
    with pytest.raises(ConflictError, match="1970-01 is open"):
        ledger.close_period("1970-02", 0)
    ledger.close_period("1970-01", 0)
    assert ledger.closed() == ("1970-01",)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (book(version=2, since="1970-01-20"), "since"),
        (book(version=2, currency="EUR", since="1970-02-01"), "currency"),
        (book("9"), "version"),
    ],
)
def test_a_price_book_that_would_rewrite_the_past_is_refused(ledger, wrong, where):
    priced(ledger).ingest(batch(1, 31 * DAY, supplies=[supply()]))
    ledger.settle()
    ledger.close_period("1970-01", 0)
    with pytest.raises(InvalidError) as refused:
        ledger.set_prices(wrong)
    assert refused.value.where == where


def test_what_a_dead_meter_left_open_ends_when_it_was_last_heard_and_devices_stay(ledger):
    priced(ledger).ingest(batch(1, DAY // 2, supplies=[supply()], intervals=[interval()]))
    ledger.ingest(batch(1, DAY, epoch=3 * DAY // 4, supplies=[supply(start=3 * DAY // 4)]))
    ledger.settle()
    assert by_kind(ledger) == {"share": DAY_COST // 4, "idle": 3 * DAY_COST // 4}


def test_the_next_meter_goes_on_with_what_the_last_one_left_open(ledger):
    priced(ledger).ingest(batch(1, DAY // 2, supplies=[supply()], intervals=[interval()]))
    later = [interval(end=DAY)]
    ledger.ingest(batch(1, DAY, epoch=3 * DAY // 4, supplies=[supply(start=3 * DAY // 4)], intervals=later))
    ledger.settle()
    assert by_kind(ledger) == {"share": DAY_COST // 2, "idle": DAY_COST // 2}


def posting(entry, amount="amount", line="line + 10"):
    """A copy of a good posting with something else about it."""
    names = "debit, credit, {}, kind, team, namespace, workload, isolation, claim, share, start, seconds"
    more = "milli_gpu_seconds, mib_seconds, tags FROM postings WHERE entry = 1 AND line = 0"
    return f"INSERT INTO postings SELECT {entry}, {line}, {names.format(amount)}, {more}"


def entry(revision, reverses, period, capacity):
    names = f"99, kind, 'other', {revision}, {reverses}, cluster, device, model, day, '{period}', {capacity}"
    return f"INSERT INTO entries SELECT {names}, cause, digest FROM entries WHERE id = 1"  # noqa: S608 -- our own numbers


FORBIDDEN = {
    "change a posting": "UPDATE postings SET amount = amount + 1",
    "remove a posting": "DELETE FROM postings",
    "move an entry": "UPDATE entries SET period = '1970-05'",
    "remove an entry": "DELETE FROM entries",
    "open a period again": "DELETE FROM periods",
    "edit a book": "UPDATE books SET since = 5",
    "add to an entry": posting(1),
    "a posting without an entry": posting(99),
    "a negative posting": posting(99, amount="-1"),
    "an entry out of balance": entry(1, "NULL", "1971-01", 1),
    "an entry in a closed period": entry(1, "NULL", "1970-01", 0),
    "a reversal of something else": entry(2, 1, "1971-01", 0),
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_database_itself_refuses(ledger, statement):
    priced(ledger).ingest(batch(1, 31 * DAY, supplies=[supply()], intervals=[interval()]))
    ledger.settle()
    ledger.close_period("1970-01", 0)
    with pytest.raises(ConflictError), ledger.database.writing() as connection:
        connection.execute(text(statement))
    with ledger.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(postings)) == 62


def test_the_migrations_make_the_tables_that_the_code_knows(ledger):
    with ledger.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
