"""From the loop's turns through the log into the ledger: what was seen is billed, whatever goes down in between."""

import asyncio

import pytest

from farthing.ledger.interval import DAY
from farthing.model.cluster import Claim
from farthing.model.errors import TransientError
from farthing.model.plan import Gone
from farthing.spoke import metering
from farthing.store.ledger import Ledger
from tests.ledgers import HOUR_COST, book
from tests.store.spokes import START, Spoke, kinds, until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(metering, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(metering, "PUSH_SECONDS", 0.02)


@pytest.fixture
def spoke(url, tmp_path):
    with_prices = Ledger.open(url)
    with_prices.set_prices(book())
    with_prices.close()
    return Spoke(url, tmp_path / "log")


async def test_a_share_is_billed_from_its_allocation_to_its_end(spoke):
    async with spoke.metering() as work:
        spoke.clock.at += 3600
        spoke.fold(work, Gone(Claim, spoke.held.key, 10**9))
        spoke.clock.at = START + 2 * DAY
    assert kinds(spoke)["share"] == HOUR_COST // 2
    assert sum(kinds(spoke).values()) == 2 * 24 * HOUR_COST


async def test_a_restart_goes_on_where_the_last_life_stopped(spoke):
    for _ in range(4):
        async with spoke.metering():
            spoke.clock.at += DAY // 4
        spoke.clock.at += DAY // 4
    async with spoke.metering():
        spoke.clock.at = START + 3 * DAY
    assert sum(kinds(spoke).values()) == 3 * 24 * HOUR_COST


async def test_a_ledger_that_is_away_loses_nothing(spoke, monkeypatch):
    real = Ledger.open

    def away(_):
        raise TransientError("connection refused")

    monkeypatch.setattr(Ledger, "open", away)
    async with spoke.metering() as work:
        for _ in range(10):
            spoke.clock.at += 3600
            await asyncio.sleep(0.05)
        spoke.fold(work, Gone(Claim, spoke.held.key, 10**9))
        spoke.clock.at = START + 2 * DAY
        await asyncio.sleep(0.1)
    assert list((spoke.settings.log).glob("*.log"))
    monkeypatch.setattr(Ledger, "open", real)
    async with spoke.metering():
        await until(lambda: not list(spoke.settings.log.glob("*.log")))
    assert kinds(spoke)["share"] == 10 * HOUR_COST // 2


async def test_a_disk_that_is_full_for_a_while_loses_nothing(spoke, monkeypatch):
    from farthing.spoke.wal import Wal  # noqa: PLC0415 -- patched below

    real = Wal.append

    def full(*_):
        raise TransientError("No space left on device")

    async with spoke.metering() as work:
        await until(lambda: work._seq)
        monkeypatch.setattr(Wal, "append", full)
        spoke.clock.at += 3600
        spoke.fold(work, Gone(Claim, spoke.held.key, 10**9))
        await until(lambda: spoke.metrics.registry.get_sample_value("farthing_meter_blocked") == 1)
        monkeypatch.setattr(Wal, "append", real)
        spoke.clock.at = START + DAY
        await until(lambda: spoke.metrics.registry.get_sample_value("farthing_meter_blocked") == 0)
    assert kinds(spoke)["share"] == HOUR_COST // 2


async def test_a_clock_that_was_set_back_does_not_bill_an_hour_twice(spoke):
    async with spoke.metering():
        spoke.clock.at += DAY // 2
        await asyncio.sleep(0.1)
    spoke.clock.at -= DAY // 4
    async with spoke.metering():
        spoke.clock.at = START + 2 * DAY
    assert sum(kinds(spoke).values()) == 2 * 24 * HOUR_COST


async def test_a_mistake_while_handing_over_is_not_the_end(spoke, monkeypatch):
    real, calls = Ledger.ingest, []

    def fails_once(self, *batches):
        calls.append(batches)
        if len(calls) == 1:
            raise ZeroDivisionError
        return real(self, *batches)

    monkeypatch.setattr(metering, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(Ledger, "ingest", fails_once)
    async with spoke.metering():
        await until(lambda: len(calls) > 1 and not list(spoke.settings.log.glob("*.log")))
