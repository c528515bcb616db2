"""When a waiting pod would start, on what that rests, and where nobody knows."""

from dataclasses import replace

import pytest

from farthing.decide.endings import Basis, History
from farthing.decide.needs import needs_of
from farthing.decide.when import forecast
from farthing.model.cluster import Owner
from farthing.state.residents import finished
from tests.builders import GIB, allocated, asking, node, slice_of, world

NOW = 10_000.0
BIG = asking("big", "1")
WHOLE = {"compute": 1000, "memory": 80 * GIB}


def runs(name, device="gpu-0", since=NOW - 600, **more):
    """A pod with a whole device."""
    pod, claim = asking(name, "1", **more)
    return replace(pod, node="n0", gated=False, started=since), allocated(claim, pod, device, **WHOLE)


def ended(name, seconds, **more):
    pod, _ = asking(name, "1", **more)
    return replace(pod, node="n0", gated=False, over=True, started=0.0, ended=float(seconds))


def told(*things, waiting=BIG, devices=1):
    found = world(node("n0"), slice_of("n0", devices), waiting, *things, at=NOW)
    needs = tuple(need for _, need in needs_of(waiting[1]))
    return forecast(found, waiting[0].key, needs, NOW)


def test_when_who_runs_says_how_long():
    found = told(runs("a", duration=3600))
    assert (found.earliest, found.likely, found.latest) == (NOW + 3000,) * 3
    assert (found.hints, found.history, found.unknown) == (1, 0, 0)


def test_after_those_ahead_of_it():
    ahead = asking("ahead", "1", created=-5.0, duration=1000)
    assert told(runs("a", duration=3600), ahead).likely == NOW + 4000


def test_nobody_knows_where_nobody_says():
    found = told(runs("a"))
    assert (found.earliest, found.likely, found.latest) == (None, None, None)
    assert found.unknown == 1


def test_a_hint_that_is_over_is_no_hint():
    assert told(runs("a", duration=60)).likely is None


def test_a_range_from_what_the_team_s_earlier_pods_took():
    past = [ended(f"old{i}", seconds) for i, seconds in enumerate((100, 700, 800, 1600, 5600))]
    found = told(runs("a"), *past)
    assert (found.earliest, found.likely, found.latest) == (NOW + 100, NOW + 200, NOW + 5000)
    assert (found.history, found.samples) == (1, 5)


def test_other_teams_pods_tell_nothing():
    past = [ended(f"old{i}", 900, team="others") for i in range(9)]
    assert told(runs("a"), *past).likely is None


def test_two_earlier_pods_are_too_few():
    assert told(runs("a"), ended("x", 900), ended("y", 900)).likely is None


def test_what_serves_does_not_end_by_itself():
    past = [ended(f"old{i}", 900) for i in range(9)]
    assert told(runs("a", owner=Owner("ReplicaSet", "web", "u")), *past).likely is None
    assert told(runs("a", owner=Owner("Job", "train", "u")), *past).likely == NOW + 300


def test_one_whose_end_is_known_is_enough_where_another_runs_for_ever():
    found = told(runs("a"), runs("b", "gpu-1", duration=900), devices=2)
    assert found.likely == NOW + 300
    assert (found.hints, found.unknown) == (1, 1)


def test_a_pod_that_wants_two_waits_for_the_later():
    found = told(runs("a", duration=900), runs("b", "gpu-1", duration=1800), waiting=asking("big", "2"), devices=2)
    assert found.likely == NOW + 1200


def test_many_endings_are_taken_together_and_none_is_promised_too_early():
    crowd = [runs(f"p{i}", f"gpu-{i}", duration=601 + i) for i in range(16)]
    found = told(*crowd, waiting=asking("big", "16"), devices=16)
    assert found.likely is not None
    assert NOW + 16 <= found.likely <= NOW + 16.2


def test_finished_pods_are_counted_from_start_to_end():
    (one,) = finished(world(ended("x", 900)))
    assert (one.team, one.seconds) == ("team-a", 900.0)


@pytest.mark.parametrize(("seconds", "basis"), [([700] * 3, Basis.HISTORY), ([500] * 9 + [700] * 2, Basis.UNKNOWN)])
def test_only_those_that_ran_longer_count(seconds, basis):
    past = finished(world(*(ended(f"old{i}", s) for i, s in enumerate(seconds))))
    pod, _ = runs("a")
    assert History(past).left(pod, "team-a", NOW).basis is basis
