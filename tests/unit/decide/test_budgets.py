"""What a team cannot pay does not start, and whoever waits for it is told how much is left and when it resets."""

from dataclasses import replace

import pytest

from farthing.decide.cycle import plan
from farthing.model.budget import MICRO, Allowance, Budgets
from farthing.model.gang import Member
from farthing.model.plan import Hold, Place, Seen, Stop
from farthing.model.quantity import MILLI_GPU_HOUR
from farthing.model.reason import Why
from farthing.state.cards import CARD
from farthing.state.fork import Fork
from tests.builders import allocated, asking, device, newer, node, slice_of, world

HOUR = 3600
DAY = 24 * HOUR
PRICES = {("h0", "h100"): 10 * MICRO, ("l0", "l4"): 1 * MICRO}


def allowance(limit=100, spent=0, team="team-a", **more):
    fields = {"name": "b", "currency": "GBP", "starts": 0, "resets": 30 * DAY}
    return Allowance(team=team, limit=limit * MICRO, spent=spent * MICRO, **{**fields, **more})


def budgets(*allowances, prices=PRICES, **more):
    return Budgets(allowances or (allowance(),), **{"counted": 0.0, "prices": prices, **more})


def fleet(h100=8, l4=0):
    things = [node("h0"), slice_of("h0", h100)] if h100 else []
    return [*things, *((node("l0"), slice_of("l0", [device(f"gpu-{i}", model="L4") for i in range(l4)])) if l4 else ())]


def decided(found, *things, at=0.0):
    """What becomes of each pod: the node, or the hold's reason."""
    here = world(*things, at=at)
    here.budgets = found
    effects = plan(here.snapshot(at))
    return {
        e.pod.key.name: e.node if isinstance(e, Place) else e.reason for e in effects if isinstance(e, Place | Hold)
    }


def running(name="old", gpu="0.5", since=0.0, node_name="h0", **more):
    pod, claim = asking(name, gpu, gated=False, node=node_name, started=since, **more)
    return pod, allocated(claim, pod, node_name=node_name)


def test_without_budgets_everybody_starts():
    assert decided(None, *fleet(), asking(duration=1000 * HOUR)) == {"p": "h0"}


def test_a_spent_budget_holds_new_work_and_says_when_it_resets():
    held = decided(budgets(allowance(100, spent=103)), *fleet(), asking())["p"]
    assert held.why is Why.BUDGET_SPENT
    assert held.sentence == (
        "budget b of team team-a is spent, 103.00 GBP of 100.00 GBP; it resets on 1970-01-31 00:00 UTC"
    )


def test_other_teams_and_budgets_that_only_warn_hold_nobody():
    spent = (allowance(100, spent=100, on_exhausted="Warn"), allowance(100, spent=100, team="team-b"))
    assert decided(budgets(*spent), *fleet(), asking(duration=99 * HOUR)) == {"p": "h0"}


@pytest.mark.parametrize(("hours", "starts"), [(20, True), (21, False)])
def test_an_ask_whose_hint_costs_more_than_is_left_does_not_start(hours, starts):
    found = decided(budgets(), *fleet(), asking(gpu="0.5", duration=hours * HOUR))["p"]
    if starts:
        assert found == "h0"
    else:
        assert found.why is Why.BUDGET_SHORT
        assert (
            "it would cost at least 105.00 GBP for as much of its hint as falls into the period, 21 h" in found.sentence
        )
        assert "100.00 GBP of 100.00 GBP are left; it resets on 1970-01-31 00:00 UTC" in found.sentence


def test_only_what_falls_into_the_period_counts():
    ending = allowance(100, resets=10 * HOUR)
    assert decided(budgets(ending), *fleet(), asking(gpu="1", duration=1000 * HOUR)) == {"p": "h0"}


def test_without_a_hint_or_a_forecast_work_starts_while_anything_is_left():
    assert decided(budgets(allowance(1)), *fleet(), asking(gpu="8")) == {"p": "h0"}
    assert decided(budgets(allowance(1, forecast=False)), *fleet(), asking(duration=99 * HOUR)) == {"p": "h0"}


def test_many_asks_of_one_plan_do_not_overspend_together():
    asks = [asking(f"p{i:03}", "0.25", duration=4 * HOUR) for i in range(32)]
    found = decided(budgets(), *fleet(), *asks)
    placed = [name for name, what in found.items() if what == "h0"]
    assert len(placed) == 10, "each costs 10 of 100"
    held = [what for what in found.values() if what != "h0"]
    assert {reason.why for reason in held} == {Why.BUDGET_SHORT}
    assert "100.00 GBP of it promised to work under way" in held[0].sentence


def test_work_under_way_counts_by_what_is_left_of_its_hint():
    here = [*fleet(), running(gpu="0.5", since=0.0, duration=18 * HOUR)]
    ask = asking("new", "0.5", duration=8 * HOUR)
    known = budgets(allowance(100, spent=40), counted=8.0 * HOUR)
    assert decided(known, *here, ask, at=8.0 * HOUR)["new"].why is Why.BUDGET_SHORT, "40 spent, 50 promised, 40 wanted"
    ending = [*fleet(), running(gpu="0.5", since=0.0, duration=10 * HOUR)]
    assert decided(known, *ending, ask, at=8.0 * HOUR)["new"] == "h0", "40 spent, 10 promised, 40 wanted"


def test_what_the_ledger_has_not_heard_yet_counts_as_promised():
    here = [*fleet(), running(gpu="0.5", duration=10 * HOUR), asking("new", "0.5", duration=12 * HOUR)]
    heard_late = budgets(allowance(100, spent=0), counted=0.0)
    assert decided(heard_late, *here, at=5.0 * HOUR)["new"].why is Why.BUDGET_SHORT, "50 in all, 60 wanted"


def test_what_is_being_placed_counts_before_the_ledger_hears_of_it():
    here = world(*fleet(), asking("a", "1", duration=6 * HOUR))
    here.budgets = budgets()
    (first,) = [e for e in plan(here.snapshot(0.0)) if isinstance(e, Place)]
    here.assume(first, 0.0)
    for thing in asking("b", "1", duration=6 * HOUR):
        here.fold(Seen(thing), 1.0)
    (held,) = [e for e in plan(here.snapshot(1.0)) if isinstance(e, Hold)]
    assert held.reason.why is Why.BUDGET_SHORT


def test_the_cheaper_devices_are_taken_where_the_dearer_are_beyond_the_budget():
    ask = asking(gpu="1", duration=20 * HOUR)
    assert decided(budgets(), *fleet(8, 8), ask) == {"p": "l0"}


def test_where_only_dearer_devices_are_free_it_waits_and_is_told_so():
    taken = [
        (pod, allocated(claim, pod, node_name="l0", compute=1000, memory=80 << 30))
        for pod, claim in [asking("x", "1", "team-b", gated=False, node="l0", started=0.0)]
    ]
    held = decided(budgets(), *fleet(8, 1), *taken, asking(gpu="1", duration=20 * HOUR))["p"]
    assert held.why is Why.BUDGET_SHORT
    assert "only dearer devices are free, as on node h0" in held.sentence
    assert "it would cost 200.00 GBP" in held.sentence


def test_a_budget_of_an_ancestor_counts_for_its_descendants():
    tree = {"team-a": "research", "research": "all"}
    found = budgets(allowance(100, spent=100, team="all"), parents=tree)
    assert decided(found, *fleet(), asking())["p"].why is Why.BUDGET_SPENT
    circle = budgets(allowance(100, spent=100, team="all"), parents={"team-a": "x", "x": "team-a"})
    assert decided(circle, *fleet(), asking()) == {"p": "h0"}


def test_gpu_hours_need_no_prices():
    def of(hours):
        return budgets(
            Allowance("b", "team-a", "", hours * MILLI_GPU_HOUR, 0, 0, 30 * DAY), prices={}, factors={"shared": 0}
        )

    assert decided(of(10), *fleet(), asking(gpu="0.5", duration=20 * HOUR)) == {"p": "h0"}
    held = decided(of(10), *fleet(), asking(gpu="2x0.5", duration=20 * HOUR))["p"]
    assert "at least 20.0 GPU hours" in held.sentence


def test_a_factor_for_isolation_counts():
    half = budgets(factors={"shared": MICRO // 2})
    assert decided(half, *fleet(), asking(gpu="1", duration=20 * HOUR)) == {"p": "h0"}


def test_what_has_no_price_cannot_be_foretold():
    assert decided(budgets(prices={}), *fleet(), asking(duration=900 * HOUR)) == {"p": "h0"}


def test_a_node_that_is_new_costs_what_its_model_costs_elsewhere():
    known = budgets(prices={("elsewhere", "h100"): 10 * MICRO, ("cheap", "h100"): MICRO})
    assert decided(known, *fleet(), asking(gpu="1", duration=11 * HOUR))["p"].why is Why.BUDGET_SHORT


def test_a_new_period_begins_whole():
    assert decided(budgets(allowance(100, spent=500)), *fleet(), asking(), at=30.0 * DAY) == {"p": "h0"}
    rolled = allowance(100, spent=500).as_of(65 * DAY)
    assert (rolled.spent, rolled.starts, rolled.resets) == (0, 60 * DAY, 90 * DAY)


def test_running_work_is_stopped_only_where_the_budget_says_so():
    here = world(*fleet(), running("hinted", duration=HOUR), running("plain"), running("other", namespace="team-b"))

    def stopped(how, spent=100):
        here.budgets = budgets(allowance(100, spent=spent, on_exhausted=how))
        return {e.pod.key.name: e.reason.why for e in plan(here.snapshot(0.0)) if isinstance(e, Stop)}

    assert stopped("Warn") == stopped("Hold") == stopped("Stop", spent=99) == {}
    assert stopped("Stop") == dict.fromkeys(("hinted", "plain"), Why.BUDGET_SPENT)


def test_what_is_stopping_is_not_stopped_again():
    pod, claim = running()
    here = world(*fleet(), (newer(pod, deleting=True), claim))
    here.budgets = budgets(allowance(100, spent=100, on_exhausted="Stop"))
    assert not plan(here.snapshot(0.0))


def test_who_was_let_go_already_keeps_its_turn():
    found = decided(budgets(allowance(100, spent=100)), *fleet(), asking(gated=False))
    assert found == {"p": "h0"}


def test_a_fork_knows_the_budgets_and_stops_what_they_stop():
    here = world(*fleet(), running())
    here.budgets = budgets(allowance(100, spent=100, on_exhausted="Stop"))
    fork = Fork(here, 0.0)
    fork.carry_out(plan(fork.snapshot(0.0)), 0.0)
    assert not plan(fork.snapshot(0.0))


def test_a_partition_costs_its_part_of_the_card():
    from farthing.decide.budget import _parts  # noqa: PLC0415
    from farthing.decide.fit import eligible  # noqa: PLC0415
    from farthing.decide.needs import needs_of  # noqa: PLC0415

    consumes = (("counters", "memory", 10),)
    mig = replace(device("mig-0", attributes={"profile": "1g.10gb"}, multi=False), consumes=consumes, capacity=())
    cut = slice_of("h0", [mig], counters=(("counters", "memory", 80),))
    _, claim = asking(gpu="1g.10gb")
    here = world(node("h0"), cut)
    ((_, need),) = needs_of(claim)
    assert _parts(here.fleet, eligible(here.fleet, need))[0] * CARD == CARD // 8


@pytest.mark.parametrize(("size", "starts"), [(4, True), (5, False)])
def test_a_gang_is_foretold_as_one(size, starts):
    """Each of its pods by itself could be paid for."""
    said = Member("id-g", "Job/g", size=(size, size))
    mates = [asking(f"p{i}", "0.5", duration=5 * HOUR, gang=said) for i in range(size)]
    found = decided(budgets(), *fleet(), *mates)
    if starts:
        assert set(found.values()) == {"h0"}
    else:
        (held,) = set(found.values())
        assert held.why is Why.BUDGET_SHORT
        assert "budget b of team team-a: 5 pods of its gang would cost at least 125.00 GBP" in held.sentence
