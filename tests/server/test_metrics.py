"""The ledger's metrics: what is held and what it costs an hour, in a bounded number of series."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from farthing.ledger.budget import Budget
from farthing.ledger.interval import DAY
from farthing.ledger.period import day_of
from farthing.server.metrics import KEEP_SECONDS, MOST_SERIES, OTHER, LedgerMetrics, bounded, budgets_left
from farthing.store.ask import Question, ask
from farthing.store.budgets import set_budgets
from farthing.store.now import Held
from tests.server.conftest import NOW
from tests.store.focus_month import START


@pytest.fixture
def value(month):
    registry = CollectorRegistry()
    registry.register(LedgerMetrics(month, lambda: 0.0, lambda: budgets_left(month, NOW - 1)))

    def _value(name, **labels):
        return registry.get_sample_value(name, {"cluster": "c", **labels})

    _value.registry = registry
    return _value


def test_what_is_held_costs_its_part_of_the_device_an_hour(value):
    speech = {"team": "speech", "model": "h100"}
    assert value("farthing_cost_per_hour", currency="GBP", **speech) == pytest.approx(3.6 * 0.333)
    assert value("farthing_allocated_gpus", **speech) == 0.333
    assert value("farthing_allocated_memory_bytes", **speech) == 20 << 30
    assert value("farthing_allocated_shares", **speech) == 1


def test_all_costs_an_hour_together_are_what_the_devices_cost(value):
    found = [
        s.value for family in value.registry.collect() for s in family.samples if s.name == "farthing_cost_per_hour"
    ]
    assert sum(found) == pytest.approx(2 * 3.6)


def test_how_fresh_it_is(value):
    assert value("farthing_ledger_settled_timestamp_seconds") == START + 31 * DAY
    assert value("farthing_ledger_heard_timestamp_seconds") == START + 31 * DAY
    assert value("farthing_ledger_missing_batches") == 0
    assert value("farthing_ledger_unpriced_devices") == 0


def test_what_is_left_of_budgets_is_in_their_unit(month, value):
    money = Budget("gpus", "speech", 1_000_000_000)
    hours = Budget("hours", "speech", 100 * 3_600_000, of_time=True)
    set_budgets(month.database, (money, hours))
    (charged,) = ask(month.database, Question((), day_of("2026-12-01"), day_of("2026-12-01"), "speech")).costs
    left = {
        unit: value.registry.get_sample_value("farthing_budget_left", {"budget": name, "team": "speech", "unit": unit})
        for name, unit in (("gpus", "GBP"), ("hours", "GPU-hours"))
    }
    set_budgets(month.database, ())
    assert left["GBP"] == pytest.approx(1000 - charged.amount / 10**6)
    assert left["GPU-hours"] == pytest.approx(100 - charged.milli_gpu_seconds / 3_600_000)


def test_many_teams_are_few_series():
    held = {(f"team-{i}", "h100"): Held(i, 1, 2, 3) for i in range(MOST_SERIES + 100)}
    found = bounded(held)
    assert len(found) == MOST_SERIES + 1
    assert found[OTHER, OTHER] == Held(sum(range(100)), 100, 200, 300)
    assert sum(one.cost for one in found.values()) == sum(one.cost for one in held.values())


def test_the_ledger_is_looked_at_once_in_a_while(month):
    now, asked = [0.0], []
    metrics = LedgerMetrics(month, lambda: now[0], lambda: asked.append(now[0]) or {})
    registry = CollectorRegistry()
    registry.register(metrics)
    for at in (0.0, 1.0, KEEP_SECONDS + 2):
        now[0] = at
        generate_latest(registry)
    assert asked == [0.0, KEEP_SECONDS + 2]
