"""Who has to go for whom, by which rule, and never more than it takes."""

from dataclasses import replace

from farthing.decide import gang as gang_room
from farthing.decide import preempt as preempt_room
from farthing.decide.cycle import decide
from farthing.decide.preempt import MOST, preempt
from farthing.model.cluster import Claim, Key, Owner, Pod
from farthing.model.gang import Member
from farthing.model.plan import Place, Seen
from farthing.model.reason import Reason, Why
from farthing.model.team import Queueing
from farthing.state.residents import gangs_of, residents
from tests.builders import allocated, asking, newer, node, slice_of, world
from tests.lives import Town
from tests.teams import quota, team

GIB = 1 << 30
JOB = Owner("Job", "job", "uid-job")


def running(name, namespace, device, gpu="1", on="n0", **more):
    """A pod that holds a whole device, or a half where it asks for that."""
    pod, claim = asking(name, gpu, namespace, node=on, gated=False, owner=JOB, started=0.0, **more)
    milli = 1000 if gpu == "1" else 500
    held = allocated(claim, pod, device, on, compute=milli, memory=80 * GIB * milli // 1000)
    return pod, replace(held, allocation=replace(held.allocation, team=namespace))


def round_of(*things, at=100.0, unwilling=()):
    """Who has to go in one round, by name, with the reason."""
    found = world(*things, at=at)
    here = residents(found)
    before = found.snapshot(at)
    decided = decide(replace(before, free=before.free.copy()))
    effects = preempt(before, decided, here, gangs_of(found, here), unwilling)
    return {effect.pod.key.name: effect for effect in effects}


def fleet(devices):
    return node(), slice_of("n0", devices)


def test_a_team_takes_back_what_it_is_guaranteed_from_whoever_borrows():
    teams = team("a", H100=2), team("b", H100=0)
    full = [running("b0", "b", "gpu-0"), running("b1", "b", "gpu-1", created=1.0)]
    found = round_of(*fleet(2), *teams, *full, asking("mine", "1", "a"))
    assert set(found) == {"b1"}, "the younger has lost less"
    assert found["b1"].reason == Reason(
        Why.PREEMPTED, "for a/mine: team a takes back what it is guaranteed, and team b borrows"
    )


def test_nobody_within_its_guarantee_has_to_go():
    teams = team("a", H100=1), team("b", H100=1)
    full = [running("b0", "b", "gpu-0"), running("a0", "a", "gpu-1")]
    assert round_of(*fleet(2), *teams, *full, asking("more", "1", "a", priority=0)) == {}


def test_no_more_go_than_it_takes_and_those_who_lose_least():
    teams = team("a", H100=4), team("b", H100=0)
    full = [running(f"b{i}", "b", f"gpu-{i}", created=float(i)) for i in range(3)]
    cheap = running("cheap", "b", "gpu-3", notice=60)
    found = round_of(*fleet(4), *teams, *full, cheap, asking("mine", "1", "a"))
    assert set(found) == {"cheap"}
    assert found["cheap"].leave_by == 160.0
    assert len(round_of(*fleet(4), *teams, *full, cheap, asking("mine", "3", "a"))) == 3


def test_within_a_team_the_higher_priority_goes_before_the_lower_and_no_other():
    teams = (team("a", H100=1),)
    low = running("low", "a", "gpu-0", priority=1)
    assert set(round_of(*fleet(1), *teams, low, asking("high", "1", "a", priority=2))) == {"low"}
    assert round_of(*fleet(1), *teams, low, asking("same", "1", "a", priority=1)) == {}


def test_who_borrows_takes_from_who_borrows_more_until_they_are_even():
    teams = team("a", H100=0), team("b", H100=0)
    full = [running(f"b{i}", "b", f"gpu-{i}") for i in range(4)]
    asks = [asking(f"a{i}", "1", "a") for i in range(4)]
    assert len(round_of(*fleet(4), *teams, *full, *asks)) == 2


def test_weights_say_what_is_even():
    teams = team("a", H100=0, weight=3), team("b", H100=0, weight=1)
    full = [running(f"b{i}", "b", f"gpu-{i}") for i in range(4)]
    asks = [asking(f"a{i}", "1", "a") for i in range(4)]
    assert len(round_of(*fleet(4), *teams, *full, *asks)) == 3


def test_spot_pods_go_first_and_take_from_nobody():
    teams = team("a", H100=1), team("b", H100=1)
    spot, other = running("spot", "b", "gpu-0", qos="spot"), running("a0", "a", "gpu-1")
    assert set(round_of(*fleet(2), *teams, spot, other, asking("mine", "1", "b"))) == {"spot"}
    full = running("b0", "b", "gpu-0"), running("b1", "b", "gpu-1")
    assert round_of(*fleet(2), *teams, *full, asking("idle", "1", "a", qos="spot")) == {}


def test_a_guaranteed_pod_never_borrows():
    teams = team("a", H100=1), team("b", H100=0)
    held = running("a0", "a", "gpu-0")
    found = world(*fleet(2), *teams, held, asking("more", "1", "a", qos="guaranteed"))
    decided = decide(found.snapshot(100.0))
    assert [e for e in decided.effects if isinstance(e, Place)] == []
    assert "runs only within what team a is guaranteed" in str(decided.effects)


def test_of_a_gang_all_go_or_none_and_what_breaks_none_goes_first():
    teams = team("a", H100=4), team("b", H100=0)
    said = Member("id-g", "Job/g", size=(3, 3))
    gang = [running(f"g{i}", "b", f"gpu-{i}", gang=said) for i in range(3)]
    single = running("single", "b", "gpu-3")
    assert set(round_of(*fleet(4), *teams, *gang, single, asking("mine", "1", "a"))) == {"single"}
    assert set(round_of(*fleet(4), *teams, *gang, single, asking("mine", "2", "a"))) == {"g0", "g1", "g2"}


def test_an_elastic_gang_gives_what_it_can_do_without():
    teams = team("a", H100=4), team("b", H100=0)
    said = Member("id-g", "Job/g", size=(2, 4))
    gang = [running(f"g{i}", "b", f"gpu-{i}", gang=said, created=float(i)) for i in range(4)]
    assert set(round_of(*fleet(4), *teams, *gang, asking("mine", "2", "a"))) == {"g2", "g3"}


def test_a_gang_takes_back_all_that_it_needs_or_nothing():
    teams = team("a", H100=2), team("b", H100=2)
    full = [running(f"b{i}", "b", f"gpu-{i}", created=float(i)) for i in range(4)]
    said = Member("id-g", "Job/g", size=(2, 2))
    mine = [asking(f"g{i}", "1", "a", gang=said) for i in range(2)]
    assert len(round_of(*fleet(4), *teams, *full, *mine)) == 2
    three = [asking(f"g{i}", "1", "a", gang=Member("id-g", "Job/g", size=(3, 3)), qos="guaranteed") for i in range(3)]
    assert round_of(*fleet(4), *teams, *full, *three) == {}


def test_who_goes_is_where_the_ask_then_fits():
    teams = team("a", H100=2), team("b", H100=0)
    things = node("n0"), slice_of("n0", 2), node("n1"), slice_of("n1", 1)
    full = [running("b0", "b", "gpu-0"), running("b1", "b", "gpu-1"), running("b2", "b", "gpu-0", on="n1", notice=60)]
    assert set(round_of(*things, *teams, *full, asking("mine", "2", "a"))) == {"b0", "b1"}


def test_who_cannot_be_evicted_now_is_left_and_another_goes():
    teams = team("a", H100=1), team("b", H100=0)
    full = [running("b0", "b", "gpu-0"), running("b1", "b", "gpu-1")]
    found = round_of(*fleet(2), *teams, *full, asking("mine", "1", "a"), unwilling={"uid-b-b0"})
    assert set(found) == {"b1"}


def test_a_gang_of_which_one_cannot_be_evicted_stays_whole():
    teams = team("a", H100=2), team("b", H100=0)
    said = Member("id-g", "Job/g", size=(2, 2))
    gang = [running(f"g{i}", "b", f"gpu-{i}", gang=said) for i in range(2)]
    assert len(round_of(*fleet(2), *teams, *gang, asking("mine", "1", "a"))) == 2
    assert round_of(*fleet(2), *teams, *gang, asking("mine", "1", "a"), unwilling={"uid-b-g0"}) == {}


def told(pod, claim, leave_by=None, **more):
    return newer(pod, verdict=Reason(Why.PREEMPTED, "for a/mine: so"), leave_by=leave_by, **more), claim


def test_nobody_else_has_to_go_while_those_who_were_told_still_leave():
    teams = team("a", H100=1), team("b", H100=0)
    leaving = told(*running("b0", "b", "gpu-0"), deleting=True)
    assert round_of(*fleet(2), *teams, leaving, running("b1", "b", "gpu-1"), asking("mine", "1", "a")) == {}


def test_notice_is_given_and_kept():
    teams = team("a", H100=1), team("b", H100=0)
    leaving = told(*running("b0", "b", "gpu-0", notice=60), leave_by=160.0)
    assert round_of(*fleet(1), *teams, leaving, asking("mine", "1", "a"), at=159.0) == {}
    assert round_of(*fleet(1), *teams, leaving, asking("mine", "1", "a"), at=160.0)["b0"].leave_by is None


def test_what_is_being_left_is_kept_for_whom_it_is_left():
    teams = team("a", H100=2), team("b", H100=0)
    leaving = told(*running("b0", "b", "gpu-0"), deleting=True)
    found = world(*fleet(2), *teams, leaving, asking("mine", "2", "a"), asking("small", "1", "b"))
    decided = decide(found.snapshot(100.0))
    assert [e for e in decided.effects if isinstance(e, Place)] == []


def test_without_teams_nobody_has_to_go():
    full = running("b0", "b", "gpu-0")
    assert round_of(*fleet(1), full, asking("mine", "1", "a", priority=1000)) == {}


def test_the_columns_that_are_left_are_as_before():
    teams = team("a", H100=2), team("b", H100=0)
    found = world(*fleet(2), *teams, running("b0", "b", "gpu-0"), running("b1", "b", "gpu-1"), asking("mine", "2", "a"))
    here, before = residents(found), found.snapshot(100.0)
    decided = decide(replace(before, free=before.free.copy()))
    assert len(preempt(before, decided, here, {})) == 2
    assert sum(1 for claim in found.all(Claim) if claim.allocation) == 2
    assert all(pod.verdict is None for pod in found.all(Pod))
    found.fold(Seen(newer(next(iter(found.all(Pod))))), 101.0)
    assert list(found.snapshot(101.0).free.users) == [1, 1]


def test_a_limit_of_borrowing_is_no_reason_to_take_from_others():
    teams = team("a", H100=quota(1, borrowing=0)), team("b", H100=0)
    held = running("a0", "a", "gpu-0"), running("b0", "b", "gpu-1")
    assert round_of(*fleet(2), *teams, *held, asking("more", "1", "a")) == {}


def test_a_team_takes_back_from_the_team_above_what_that_has_not_for_itself():
    teams = team("a", H100=4), team("child", "a", H100=3)
    own = [running(f"a{i}", "a", f"gpu-{i}") for i in range(4)]
    assert len(round_of(*fleet(4), *teams, *own, asking("mine", "1", "child"))) == 1
    assert len(round_of(*fleet(4), *teams, *own, asking("mine", "3", "child"))) == 3
    within = [running("a0", "a", "gpu-0"), *(running(f"c{i}", "child", f"gpu-{i}") for i in (1, 2, 3))]
    assert round_of(*fleet(4), *teams, *within, asking("more", "1", "child")) == {}


def test_a_team_above_takes_back_what_it_has_for_itself_and_no_more():
    teams = team("a", H100=4), team("child", "a", H100=2)
    theirs = [running(f"c{i}", "child", f"gpu-{i}") for i in range(4)]
    assert len(round_of(*fleet(4), *teams, *theirs, asking("own", "2", "a"))) == 2
    assert round_of(*fleet(4), *teams, *theirs, asking("own", "3", "a")) == {}


def test_a_gang_takes_back_more_than_any_one_pod_may():
    """As few go as it takes, also where that is hundreds."""
    count = MOST + 44
    teams = team("a", H100=count), team("b", H100=0)
    things = [thing for i in range(count // 4 + 5) for thing in (node(f"n{i}"), slice_of(f"n{i}", 4))]
    full = [running(f"b{i}", "b", f"gpu-{i % 4}", on=f"n{i // 4}", created=float(i)) for i in range(count + 20)]
    said = Member("id-g", "Job/g", size=(count, count))
    mine = [asking(f"g{i}", "1", "a", gang=said) for i in range(count)]
    assert len(round_of(*things, *teams, *full, *mine)) == count


def test_all_of_what_was_lent_is_taken_back_in_one_round():
    teams = team("a", H100=300), team("b", H100=0)
    things = [thing for i in range(75) for thing in (node(f"n{i}"), slice_of(f"n{i}", 4))]
    full = [running(f"b{i}", "b", f"gpu-{i % 4}", on=f"n{i // 4}", created=float(i)) for i in range(300)]
    found = round_of(*things, *teams, *full, *(asking(f"a{i}", "1", "a") for i in range(300)))
    assert len(found) == len({effect.beneficiary for effect in found.values()}) == 300


def test_what_is_lent_comes_back_before_a_team_takes_from_itself():
    teams = team("a", H100=2), team("b", H100=0)
    full = [running("b0", "b", "gpu-0"), running("a0", "a", "gpu-1", created=5.0)]
    assert set(round_of(*fleet(2), *teams, *full, asking("high", "1", "a", priority=9))) == {"b0"}


def test_what_was_taken_back_is_not_lent_again_before_it_is_used():
    """Though somebody of the same team, who asks for more than its guarantee, stands in front."""
    town = Town(world(*fleet(2), team("a", H100=1), team("b", H100=0), team("c", H100=0)))
    for i, (name, space, gpu) in enumerate((("b0", "b", "1"), ("c0", "c", "1"), ("c1", "c", "1"), ("big", "a", "2"))):
        town.submit(*asking(name, gpu, space, created=float(i)))
    town.at = 60.0
    town.submit(*asking("small", "1", "a", created=50.0))
    assert [effect.pod.key.name for effect in town.preempt()] == ["c0"]
    town.settle()
    assert town.pod(Key("a", "small")).node
    assert town.preempt() == ()


def test_who_is_going_anyhow_counts_as_gone_and_nobody_else_goes():
    """Whoever deleted it; an eviction whose answer got lost, say."""
    teams = team("a", H100=1), team("b", H100=0)
    going, claim = running("b0", "b", "gpu-0")
    full = [(replace(going, deleting=True), claim), running("b1", "b", "gpu-1")]
    assert round_of(*fleet(2), *teams, *full, asking("mine", "1", "a")) == {}


def test_a_gang_of_unlike_pods_takes_back_what_all_of_it_is_guaranteed():
    teams = team("a", H100=5), team("b", H100=0)
    full = [running(f"b{i}", "b", f"gpu-{i}") for i in range(5)]
    said = Member("id-g", "Job/g", size=(3, 3))
    mates = [asking(f"a{i}", gpu, "a", gang=said, owner=JOB) for i, gpu in enumerate(("3", "1", "1"))]
    found = round_of(*fleet(5), *teams, *full, *mates)
    assert set(found) == {f"b{i}" for i in range(5)}
    assert "takes back what it is guaranteed" in str(found["b0"].reason)


def test_a_gang_that_asks_for_more_than_is_guaranteed_takes_nothing_back_for_its_smallest_pod():
    teams = team("a", H100=1), team("b", H100=0)
    full = [running(f"b{i}", "b", f"gpu-{i}") for i in range(5)]
    said = Member("id-g", "Job/g", size=(2, 2))
    mates = [asking(f"a{i}", gpu, "a", gang=said, owner=JOB) for i, gpu in enumerate(("1", "4"))]
    assert round_of(*fleet(5), *teams, *full, *mates) == {}


def test_who_is_within_the_guarantee_is_left_to_run_where_it_would_come_back_first():
    """Else the two would let each other go for ever: what is within goes before what its team asks for beyond that."""
    said = Member("id-g", "Job/g", size=(2, 2))
    mates = [asking(f"a{i}", "1", "a", gang=said, owner=JOB, priority=1) for i in range(2)]
    low = running("low", "a", "gpu-0")
    assert round_of(*fleet(2), team("a", H100=1), team("b"), low, *mates) == {}
    strict = team("a", H100=1, queueing=Queueing.STRICT)
    assert set(round_of(*fleet(2), strict, team("b"), low, *mates)) == {"low"}


def test_nor_where_it_would_only_come_back_since_others_are_gone_too():
    """While the two are there the small one is beyond the guarantee; without them it would be within."""
    said = Member("id-g", "Job/g", size=(2, 2))
    two = [running(f"two{i}", "a", f"gpu-{i}", gang=said) for i in range(2)]
    small, high = running("small", "a", "gpu-2"), running("high", "a", "gpu-3", priority=5)
    for guaranteed, gone in ((2, set()), (1, {"two0", "two1", "small"})):
        found = round_of(*fleet(4), team("a", H100=guaranteed), *two, small, high, asking("more", "3", "a", priority=1))
        assert set(found) == gone


def test_a_large_gang_is_placed_once_in_a_round(monkeypatch):
    """To try it takes long, and the loop waits meanwhile."""
    tried = []
    place = gang_room.place_together
    monkeypatch.setattr(preempt_room, "place_together", lambda *args: tried.append(1) or place(*args))
    said = Member("id-g", "Job/g", size=(40, 40))
    full = [running(f"b{i}", "b", f"gpu-{i}", created=float(i)) for i in range(50)]
    mates = [asking(f"a{i}", "1", "a", gang=said, owner=JOB) for i in range(40)]
    found = round_of(*fleet(50), team("a", H100=40), team("b", H100=0), *full, *mates)
    assert len(found) == 40
    assert len(tried) == 1


def test_a_team_takes_back_what_it_is_guaranteed_from_a_gang_before_it_takes_from_itself():
    """Else the pod that it lets go would be the next that has to take it back."""
    said = Member("id-g", "Job/g", size=(2, 2))
    borrowing = [running(f"b{i}", "b", f"gpu-{i}", gang=said) for i in range(2)]
    own = [running(f"a{i}", "a", f"gpu-{i}") for i in (2, 3)]
    found = round_of(*fleet(4), team("a", H100=3), team("b"), *borrowing, *own, asking("high", "1", "a", priority=1))
    assert set(found) == {"b0", "b1"}
