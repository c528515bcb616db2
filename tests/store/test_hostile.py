"""Whoever means harm to the books: names that are SQL, amounts beyond all bounds, two who write at once, old prices."""

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import day_of
from farthing.model.errors import ConflictError, FarthingError, InvalidError, NotFoundError
from farthing.model.quantity import LARGEST
from farthing.store.archive import archive
from farthing.store.archived import archived_months
from farthing.store.ask import Question, ask
from farthing.store.held import Holding, held
from farthing.store.ledger import Ledger
from farthing.store.restore import moved, restore
from tests.ledgers import book, interval, supply
from tests.store.sums import by_kind, by_team, daily_recomputed, daily_sums
from tests.store.test_archive import NOVEMBER, all_of, answers, closed

FIRST = day_of("2026-11-01")
START = FIRST * DAY
NAMES = ("x'); DROP TABLE postings; --", 'a"b', "%", "_", "a\\b", "50%_off", "ünïcode", "NULL", ":day", "{0}", "$1")


def a_closed_month(ledger, shares, devices, seq=1):
    ledger.set_prices(book())
    ledger.ingest(Batch("c", START, seq, START + 50 * DAY, tuple(shares), tuple(devices)))
    ledger.settle()
    ledger.close_period(NOVEMBER, 0)


def test_names_that_are_sql_are_names(ledger, tmp_path):
    shares = [
        replace(
            interval(f"c{i}", f"d/n0/{name}", start=START, end=START + DAY, team=name, namespace=name, isolation=name),
            model=name,
            pod=name,
            owners=(f"Job/{name}",),
            tags=((name, name),),
        )
        for i, name in enumerate(NAMES)
    ]
    a_closed_month(
        ledger, shares, [supply(share.device, start=START, end=START + DAY, model=share.model) for share in shares]
    )
    for where in ("in the database", "in files", "back"):
        for i, name in enumerate(NAMES):
            (cost,) = ask(
                ledger.database, Question(("workload",), FIRST, FIRST, team=name, workload=f"Job/{name}")
            ).costs
            assert cost.names == (f"Job/{name}",), where
            holding = Holding(frozenset({name}), namespace=name, workload=f"Job/{name}", start=START, end=START + DAY)
            assert held(ledger.database, holding, None, 9) == (shares[i],), where
        if where == "in the database":
            archive(ledger.database, NOVEMBER, tmp_path / "it's a folder")
        elif where == "in files":
            restore(ledger.database, NOVEMBER)
    assert set(by_team(ledger)) == set(NAMES)


@pytest.mark.parametrize("month", ["2026-11'; DROP TABLE postings; --", "2026-1%", "../../2026-11", ""])
def test_a_month_that_is_none_is_not_archived_restored_or_moved(ledger, tmp_path, month):
    before = all_of(closed(ledger))
    for work in (
        lambda: archive(ledger.database, month, tmp_path),
        lambda: restore(ledger.database, month),
        lambda: moved(ledger.database, month, tmp_path),
    ):
        with pytest.raises((ConflictError, NotFoundError)):
            work()
    assert all_of(ledger) == before
    assert not list(tmp_path.glob("*.parquet"))


def test_devices_with_absurd_memory_do_not_spoil_the_sums_of_a_day(ledger):
    devices = [supply(f"d/n0/gpu-{i}", start=START, memory=LARGEST, compute=LARGEST) for i in range(40)]
    shares = [
        interval(f"s{i}", one.device, start=START, memory=LARGEST // 2, compute=1) for i, one in enumerate(devices)
    ]
    a_closed_month(ledger, shares, devices)
    assert daily_sums(ledger) == daily_recomputed(ledger)
    assert all(isinstance(number, int) for numbers in daily_sums(ledger).values() for number in numbers)
    found = ask(ledger.database, Question(("team",), FIRST, FIRST + 29)).costs
    assert {cost.names[0]: cost.amount for cost in found} == {
        "vision": 40 * 30 * 24 * 3_600_000 // 2,
        "(idle)": 40 * 30 * 24 * 3_600_000 // 2,
    }


def test_prices_and_rules_of_an_archived_month_cannot_be_changed(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    before, november = by_kind(ledger), by_kind(ledger, period=NOVEMBER)
    with pytest.raises(InvalidError, match="closed period"):
        ledger.set_prices(book("99", version=2, since="2026-11-30T23:59:59Z"))
    ledger.set_prices(book("99", version=2, since="2026-12-01"))
    assert ledger.settle().waiting == ()
    assert by_kind(ledger, period=NOVEMBER) == november
    assert before != by_kind(ledger)


def test_two_who_archive_and_restore_at_once_lose_nothing(url, tmp_path):
    with closing(Ledger.open(url)) as ledger:
        before, asked = all_of(closed(ledger)), answers(ledger)

        def work(*steps):
            with closing(Ledger.open(url)) as mine:
                for step in steps:
                    try:
                        step(mine.database)
                    except FarthingError:
                        continue

        def away(database):
            archive(database, NOVEMBER, tmp_path)

        def back(database):
            restore(database, NOVEMBER)

        both = [threading.Thread(target=work, args=steps) for steps in ((away, back, away), (back, away, back, away))]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert answers(ledger) == asked
        with ledger.database.reading() as connection:
            there = archived_months(connection)
        if there:
            restore(ledger.database, NOVEMBER)
        assert all_of(ledger) == before


def test_a_meter_whose_clock_was_set_back_adds_nothing_to_an_archived_month(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    asked = answers(ledger)
    again = interval("a", start=START, end=START + 20 * DAY)
    ledger.ingest(Batch("c", START, 2, START + 3, (again,)))  # a number that was used before
    ledger.ingest(Batch("c", START, 3, START + 3))
    ledger.settle()
    assert answers(ledger) == asked
    assert ledger.heard("c")[1] == START + 50 * DAY
