"""Periods, the pace at which a budget is spent, and budgets that are refused with the field's path."""

import pytest

from farthing.ledger.budget import BURNS, WINDOWS, Account, Budget, Sum, account, burning, of_budget, pace
from farthing.ledger.interval import DAY
from farthing.ledger.money import MICRO
from farthing.ledger.period import day_of, day_text
from farthing.ledger.read_budgets import parse_budget, parse_budgets
from farthing.model.errors import InvalidError

MONTH = 30 * DAY


def budget(limit=1000, **more):
    return Budget("b", "vision", limit * MICRO, **more)


@pytest.mark.parametrize(
    ("found", "day", "first", "end"),
    [
        (budget(), "2026-11-25", "2026-11-01", "2026-12-01"),
        (budget(), "2026-12-31", "2026-12-01", "2027-01-01"),
        (budget(length="Quarter"), "2026-11-25", "2026-10-01", "2027-01-01"),
        (budget(length="Quarter"), "2026-03-31", "2026-01-01", "2026-04-01"),
        (budget(length="Days", days=7, since=day_of("2026-11-02")), "2026-11-08", "2026-11-02", "2026-11-09"),
        (budget(length="Days", days=7, since=day_of("2026-11-02")), "2026-11-09", "2026-11-09", "2026-11-16"),
        (budget(length="Days", days=7, since=day_of("2026-11-02")), "2026-11-01", "2026-10-26", "2026-11-02"),
    ],
)
def test_a_day_is_in_one_period(found, day, first, end):
    assert tuple(map(day_text, found.period(day_of(day)))) == (first, end)


def spent_at(times, length=MONTH, limit=1000):
    """What is spent in each window at so many times the even pace."""
    return {window: int(times * limit * MICRO * window / length) for window in WINDOWS}


@pytest.mark.parametrize(
    ("times", "burns"), [(1, ()), (5.9, ()), (6.1, ("slow",)), (14.3, ("slow",)), (14.5, ("fast", "slow"))]
)
def test_thirty_days_burn_at_6_and_14_4_times_the_even_pace(times, burns):
    assert burning(budget(), MONTH, spent_at(times)) == burns


@pytest.mark.parametrize(("length", "fast", "slow"), [(90 * DAY, 43.2, 18), (7 * DAY, 3.36, 1.4)])
def test_the_pace_scales_with_the_period(length, fast, slow):
    for times, burns in ((slow * 0.99, ()), (slow * 1.01, ("slow",)), (fast * 1.01, ("fast", "slow"))):
        assert burning(budget(), length, spent_at(times, length)) == burns


def test_the_even_pace_is_never_too_fast_however_short_the_period():
    assert burning(budget(), DAY, spent_at(0.99, DAY)) == ()
    assert burning(budget(), DAY, spent_at(1.01, DAY)) == ("fast", "slow")


def test_an_alert_ends_soon_after_the_spending():
    over = spent_at(20) | {BURNS[0].short: 0, BURNS[1].short: 0}
    assert burning(budget(), MONTH, over) == ()


def test_pace_is_how_many_times_the_even_one():
    assert pace(budget(), MONTH, 3600, spent_at(3)[3600]) == pytest.approx(3, rel=1e-6)
    assert pace(budget(0), MONTH, 3600, 5) == 0


def test_teams_below_count_for_a_budget_and_others_do_not():
    spent = {"vision": Sum(1, 10), "vision-eu": Sum(2, 20), "speech": Sum(4, 40)}
    tree = {"vision-eu": "vision", "speech": "research", "vision": "research"}
    assert of_budget(budget(), spent, {}) == 1
    assert of_budget(budget(), spent, tree) == 3
    assert of_budget(Budget("b", "research", 1, of_time=True), spent, tree) == 70


@pytest.mark.parametrize(("spent", "state"), [(0, "ok"), (799, "ok"), (800, "warning"), (1000, "exhausted")])
def test_a_budget_warns_before_it_is_spent(spent, state):
    found = account(budget(), "GBP", day_of("2026-11-25") * DAY, {"vision": Sum(spent * MICRO)}, {}, {})
    assert isinstance(found, Account)
    assert (found.state, found.allowance.left) == (state, (1000 - spent) * MICRO)
    assert (found.starts, found.resets) == (day_of("2026-11-01") * DAY, day_of("2026-12-01") * DAY)


def test_a_file_holds_budgets_of_money_and_of_time():
    found = parse_budgets(
        {
            "budgets": [
                {"name": "vision", "team": "vision", "money": "1000.50"},
                {"name": "week", "team": "speech", "gpuHours": "0.5", "period": "Days", "days": 7, "from": "2026-11-02",
                 "onExhausted": "Stop", "forecast": False, "warnAt": "0.5"},
            ]
        }
    )  # fmt: skip
    assert found == (
        Budget("vision", "vision", 1_000_500_000),
        Budget("week", "speech", 1_800_000, True, "Days", 7, day_of("2026-11-02"), "Stop", False, 500_000),
    )


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"team": None}, "budgets[0].team"),
        ({"team": "Vision!"}, "budgets[0].team"),
        ({"name": ""}, "budgets[0].name"),
        ({"money": "-1"}, "budgets[0].money"),
        ({"money": None}, "budgets[0].money"),
        ({"money": 10**18}, "budgets[0].money"),
        ({"money": 1.5}, "budgets[0].money"),
        ({"money": "0.0000001"}, "budgets[0].money"),
        ({"gpuHours": "5"}, "budgets[0].money"),
        ({"period": "Week"}, "budgets[0].period"),
        ({"days": 7}, "budgets[0].days"),
        ({"period": "Days"}, "budgets[0].days"),
        ({"period": "Days", "days": 0}, "budgets[0].days"),
        ({"period": "Days", "days": 7, "from": "soon"}, "budgets[0].from"),
        ({"onExhausted": "Panic"}, "budgets[0].onExhausted"),
        ({"forecast": "yes"}, "budgets[0].forecast"),
        ({"warnAt": "0"}, "budgets[0].warnAt"),
        ({"warnAt": "1.1"}, "budgets[0].warnAt"),
        ({"limit": "5"}, "budgets[0].limit"),
    ],
)
def test_a_wrong_budget_is_refused_with_the_fields_path(wrong, path):
    whole = {"name": "b", "team": "vision", "money": "1000", **wrong}
    with pytest.raises(InvalidError) as caught:
        parse_budgets({"budgets": [whole]})
    assert caught.value.where == path


@pytest.mark.parametrize("data", [None, [], {}, {"budgets": {}}, {"budgets": [1]}, {"budget": []}])
def test_what_is_no_list_of_budgets_is_refused(data):
    with pytest.raises(InvalidError):
        parse_budgets(data)


def test_two_of_one_name_are_refused():
    one = {"name": "b", "team": "vision", "money": "1"}
    with pytest.raises(InvalidError, match=r"budgets\[1\].name: b is there twice"):
        parse_budgets({"budgets": [one, one]})


def test_what_admission_lets_in_is_read():
    assert parse_budget("spec", "b", {"team": "vision", "gpuHours": "3"}).limit == 3 * 3_600_000
