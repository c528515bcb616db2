"""A budget on a real cluster: what cannot be paid waits and is told why, and Stop ends what runs once all is spent."""

import contextlib

import pytest
import yaml

from farthing.ledger.read_budgets import parse_budgets
from farthing.ledger.read_prices import parse_price_book
from farthing.model.errors import NotFoundError
from farthing.store.budgets import set_budgets
from farthing.store.ledger import Ledger
from tests.e2e.conftest import Spoke, condition, eventually

BUDGETS = "/apis/farthing.dev/v1alpha1/budgets"
PRICES = """
version: 1
since: 2026-01-01
currency: GBP
lines: [{perHour: "36000"}]
"""


@pytest.fixture
def url(tmp_path):
    """A ledger in which a device costs 10 GBP a second."""
    found = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger.open(found)
    ledger.set_prices(parse_price_book(yaml.safe_load(PRICES)))
    rich = {"name": "rich", "team": "rich", "money": "36000", "period": "Days", "days": 3000}
    set_budgets(ledger.database, parse_budgets({"budgets": [rich]}))
    ledger.close()
    return found


async def test_a_team_spends_its_budget_and_no_more(site, url, tmp_path):
    site.cluster.spoke.stop()
    spoke = Spoke(site.cluster, "budgets", options=("--ledger", url, "--ledger-log", str(tmp_path / "log")))
    poor = {"team": "poor", "money": "60", "period": "Days", "days": 3000, "onExhausted": "Stop"}
    body = {"apiVersion": "farthing.dev/v1alpha1", "kind": "Budget", "metadata": {"name": "poor"}, "spec": poor}
    await site.connection.create(BUDGETS, body)
    try:
        spoke.start()
        await spoke.leading(site.connection)
        await site.submit("within", "0.5", **_rich("1h"))
        await site.running("within")
        await site.submit("beyond", "1", **_rich("2h"))
        await site.submit("second", "1", **_rich("1h"))
        beyond = await site.held("beyond", "BudgetShort")
        assert "budget rich of team rich: it would cost at least 72,000.00 GBP for as much" in beyond["message"]
        second = await site.held("second", "BudgetShort")
        assert " GBP of it promised to work under way" in second["message"]
        await site.submit("spender", "1", labels={"farthing.dev/team": "poor"})
        await site.running("spender")
        await eventually(lambda: _stopped(site), "what runs is stopped once its team has spent all", 60)
        await site.submit("late", "1", labels={"farthing.dev/team": "poor"})
        late = await site.held("late", "BudgetSpent")
        assert "budget poor of team poor is spent" in late["message"]
        assert "it resets on " in late["message"]
        await eventually(lambda: _says_so(site), "the object says that it is spent", 30)
        events = await site.connection.list_all("/apis/events.k8s.io/v1/namespaces/default/events")
        told = {(e["regarding"].get("kind"), e["regarding"].get("name"), e["reason"]) for e in events[0]}
        assert ("Budget", "poor", "BudgetSpent") in told
        await site.connection.delete(f"{BUDGETS}/poor")
        await site.running("late")
    finally:
        spoke.process.stop()
        with contextlib.suppress(NotFoundError):
            await site.connection.delete(f"{BUDGETS}/poor")
        await site.cluster.start_spoke(site.connection)


def _rich(hint):
    return {"annotations": {"farthing.dev/duration": hint}, "labels": {"farthing.dev/team": "rich"}}


async def _says_so(site):
    found = (await site.connection.get(f"{BUDGETS}/poor")).get("status", {})
    return (found.get("limit"), found.get("left"), found.get("state")) == ("60.000000", "0.000000", "exhausted")


async def _stopped(site):
    names = {pod["metadata"]["name"] for pod in await site.pods()}
    return "spender" not in names and condition(await site.pod("within")).get("status") == "True"
