"""How budgets stand is what the books say, settled or so far."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from farthing.cli import app
from farthing.ledger.budget import Budget, prices_now
from farthing.ledger.interval import DAY, Batch
from farthing.ledger.money import MICRO
from farthing.ledger.period import day_of
from farthing.model.reason import Why
from farthing.model.written import BudgetObject, PriceBookObject
from farthing.spoke.treasury import Seen, find, strangers, take_over
from farthing.state.fleet import build_fleet
from farthing.store.ask import Question, ask
from farthing.store.budgets import accounts, read_budgets, set_budgets
from tests.builders import device, node, slice_of, world
from tests.ledgers import HOUR_COST, book, interval, prices, supply

FIRST = day_of("2026-11-01")
START = FIRST * DAY
NOW = START + 3 * DAY + 3600
NOTHING = build_fleet((), (), (), ())


@pytest.fixture
def filled(ledger):
    """Two clusters: three settled days and an hour of the fourth; and a week in October."""
    ledger.set_prices(book(isolation={"hard": "1.5"}))
    shares = [
        interval("old", start=START - 10 * DAY, end=START - 3 * DAY),
        interval("a", start=START),
        interval("b", start=START, compute=250, memory=0, team="speech"),
        interval("c", "d/n0/gpu-1", start=NOW - 1800, team="vision-eu", isolation="shared"),
        interval("d", "d/n0/gpu-2", start=START, team="others"),
    ]
    devices = [supply(start=START - 20 * DAY), *(supply(f"d/n0/gpu-{i}", start=START - 20 * DAY) for i in (1, 2))]
    ledger.ingest(Batch("c", START, 1, NOW, tuple(shares), tuple(devices)))
    there = interval("z", start=START, cluster="east", compute=1000, isolation="")
    ledger.ingest(Batch("east", START, 1, NOW, (there,), (supply(start=START, cluster="east"),)))
    ledger.settle()
    return ledger


def stand(ledger, *wanted, at=NOW, parents=None):
    return {account.budget.name: account for account in accounts(ledger.database, wanted, at, parents or {}).accounts}


def test_spent_is_what_the_team_is_charged_in_the_period_on_all_clusters(filled):
    found = stand(filled, Budget("vision", "vision", 1000 * MICRO), Budget("speech", "speech", 1000 * MICRO))
    answer = ask(filled.database, Question(("team",), FIRST, FIRST + 29))
    asked = {cost.names[0]: cost.amount for cost in answer.costs}
    assert found["vision"].spent == asked["vision"] == 73 * HOUR_COST * 3 // 4 + 73 * HOUR_COST
    assert found["speech"].spent == asked["speech"]
    assert found["vision"].currency == "GBP"


def test_gpu_time_and_quarters_and_trees(filled):
    quarter = Budget("q", "vision", MICRO, of_time=True, length="Quarter")
    found = stand(filled, quarter, parents={"vision-eu": "vision"})["q"]
    hours = (7 * 24 + 73) * 0.5 + 73 + 0.25
    assert found.spent == hours * 3_600_000


def test_the_last_hours_are_rated_on_the_spot(filled):
    one = Budget("eu", "vision-eu", 100 * MICRO)
    found = stand(filled, one)["eu"]
    assert found.spent == HOUR_COST // 4, "half a device for half an hour"
    assert found.paces[0] == pytest.approx(found.spent * 30 * 24 / one.limit, abs=0.01)
    assert found.burns == ()
    assert stand(filled, Budget("eu", "vision-eu", 10 * MICRO))["eu"].burns == ("fast", "slow")


def test_what_the_ledger_holds_is_what_was_set_last(ledger):
    set_budgets(ledger.database, [Budget("a", "vision", 1), Budget("b", "vision", 2, length="Days", days=7)])
    set_budgets(ledger.database, [Budget("b", "vision", 3)])
    assert read_budgets(ledger.database) == (Budget("b", "vision", 3),)


def test_an_object_goes_before_the_ledgers_budget_of_its_name_and_a_wrong_one_is_told_of(filled):
    set_budgets(filled.database, [Budget("a", "vision", 5 * MICRO), Budget("b", "speech", MICRO)])
    objects = (
        BudgetObject("a", 1, json.dumps({"team": "vision", "money": "7", "onExhausted": "Stop"})),
        BudgetObject("w", 1, json.dumps({"team": "vision", "money": "7", "days": 3})),
    )
    found = find(filled.database, Seen(objects, (), NOTHING, {}), "c", float(NOW))
    assert found.budgets is not None
    assert [(a.name, a.limit, a.on_exhausted) for a in found.budgets.allowances] == [
        ("a", 7 * MICRO, "Stop"),
        ("b", MICRO, "Hold"),
    ]
    assert (found.budgets.counted, found.budgets.factors) == (float(NOW), {"hard": 1_500_000})
    assert found.faults == {"w": "spec.days: goes with period: Days only"}


def test_an_object_for_a_team_that_nobody_is_of_says_so(filled):
    """What the ledger holds by itself may be about another cluster's teams."""
    set_budgets(filled.database, [Budget("elsewhere", "east", MICRO)])
    spec = {"money": "7", "onExhausted": "Hold"}
    objects = tuple(BudgetObject(team, 1, json.dumps({"team": team, **spec})) for team in ("vision", "visoin"))
    seen = Seen(objects, (), NOTHING, {}, frozenset({"vision"}))
    accounts_ = find(filled.database, seen, "c", float(NOW)).accounts
    said = {a.budget.name: strangers(a, {"vision", "visoin"}, seen.teams) for a in accounts_}
    assert (said["vision"], said["elsewhere"]) == ((), ())
    (reason,) = said["visoin"]
    assert reason.why is Why.UNKNOWN_TEAM
    assert reason.sentence.startswith("visoin is no Team and no namespace")


def test_without_budgets_there_is_nothing_to_decide(ledger):
    assert find(ledger.database, Seen((), (), NOTHING, {}), "c", float(NOW)).budgets is None


def test_prices_now_are_by_node_and_model_at_the_hour():
    night = {"perHour": "1", "model": "l4", "window": {"from": "22:00", "to": "06:00"}}
    found = prices(book(lines=[{"perHour": "3"}, night, {"perHour": "2", "commitment": "year"}]))
    things = (
        node("n0"), slice_of("n0", [device("gpu-0", model="L4"), device("gpu-1", model="H100")]),
        node("n1", labels={"farthing.dev/commitment": "year"}), slice_of("n1"),
    )  # fmt: skip
    fleet = world(*things).fleet
    rest = {("n0", "h100"): 3 * MICRO, ("n1", "h100"): 2 * MICRO}
    assert prices_now(fleet, "c", found, START + 12 * 3600) == {("n0", "l4"): 3 * MICRO, **rest}
    assert prices_now(fleet, "c", found, START + 23 * 3600) == {("n0", "l4"): 1 * MICRO, **rest}
    assert prices_now(fleet, "c", prices(book(since="2027-01-01")), START) == {}


@pytest.mark.usefixtures("filled")
def test_budgets_are_shown_as_a_table_and_as_json(url, tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_LEDGER", url)
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "budgets.yaml"
    wanted = {"name": "vision-cap", "team": "others", "gpuHours": "1", "period": "Days", "days": 3000}
    file.write_text(yaml.safe_dump({"budgets": [wanted]}))
    run = CliRunner().invoke
    assert "the ledger holds 1 budget" in run(app, ["ledger", "budgets", str(file)]).output
    shown = run(app, ["budgets"])
    assert shown.exit_code == 0, shown.output
    assert "vision-cap" in shown.output
    assert "exhausted" in shown.output
    report = json.loads(run(app, ["budgets", "-o", "json"]).output)
    (row,) = report["budgets"]
    assert (row["unit"], row["limit"], row["state"]) == ("GPU hours", "1.000000", "exhausted")
    spent = float(row["spent"])
    assert 36.5 <= spent <= 36.525, "what is open goes on for three minutes"
    assert float(row["left"]) == pytest.approx(1 - spent)
    assert json.loads(run(app, ["budgets", "--team", "x", "-o", "json"]).output)["budgets"] == []


def test_books_in_the_cluster_are_taken_over_in_order_and_what_is_refused_is_told(ledger):
    def written(name, version, **more):
        spec = {"version": version, "since": "2026-01-01", "currency": "GBP", "lines": [{"perHour": "1"}], **more}
        return PriceBookObject(name, 1, json.dumps(spec))

    third = written("c", 3, currency="EUR")
    assert take_over(ledger, [written("b", 2), written("a", 1), third, written("d", 4, lines=[])]) == {
        "c": "spec.currency: the ledger is kept in GBP; EUR needs one of its own",
        "d": "spec.lines: expected a list of prices",
    }
    assert [book.version for book in ledger.prices().books] == [1, 2]
    assert take_over(ledger, [written("a", 1), written("b", 2)]) == {}, "what is there already is fine"
    assert "books are never edited" in take_over(ledger, [written("a", 1, spotDiscount="0.5")])["a"]


def test_what_is_open_is_taken_to_go_on_for_three_minutes_after_the_meter_spoke(filled):
    one = Budget("eu", "vision-eu", 100 * MICRO)
    rate = HOUR_COST // 7200
    before = stand(filled, one)["eu"].spent
    assert stand(filled, one, at=NOW + 100)["eu"].spent == before + 100 * rate
    assert stand(filled, one, at=NOW + 5000)["eu"].spent == before + 180 * rate
