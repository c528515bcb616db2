"""A gang has one place in its team's line, and quota for all of its pods or for none."""

from farthing.model.cluster import Owner
from farthing.model.gang import Member
from farthing.model.plan import Hold, Place
from farthing.model.reason import Why
from tests.builders import allocated, asking, node, planned, slice_of
from tests.teams import quota, team

JOB = Owner("Job", "train", "uid-train")


def gang(count, namespace="a", name="train", **more):
    said = Member(f"id-{name}", f"Job/{name}", size=(count, count))
    return [asking(f"{name}-{i}", "1", namespace, gang=said, owner=JOB, **more) for i in range(count)]


def placed(effects):
    return {effect.pod.key.name for effect in effects if isinstance(effect, Place)}


def test_a_gang_that_its_quota_does_not_hold_waits_whole_and_takes_nothing_of_it():
    limited = team("a", H100=quota(3, borrowing=0))
    effects = planned(node(), slice_of("n0", 8), limited, *gang(4, created=1.0), asking("one", "1", "a", created=2.0))
    assert placed(effects) == {"one"}
    why = next(e.reason for e in effects if isinstance(e, Hold) and e.pod.key.name == "train-0")
    assert why.why is Why.QUOTA_EXCEEDED
    assert "4 pods of its gang start together; 2 would find a place, then: 1 (shared): team a has" in why.sentence


def test_a_gang_waits_its_teams_turn_for_all_of_its_pods():
    teams = [team("a", H100=0), team("b", H100=0)]
    more = [asking(f"old{i}", "1", "a", node="n0", gated=False) for i in range(2)]
    held = [(pod, allocated(claim, pod, f"gpu-{i}", compute=1000)) for i, (pod, claim) in enumerate(more)]
    singles = [asking(f"b{i}", "1", "b", created=5.0) for i in range(3)]
    effects = planned(node(), slice_of("n0", 5), *teams, *held, *gang(3, "a", created=0.0), *singles)
    assert placed(effects) == {"b0", "b1", "b2"}


def test_a_gang_within_its_guarantee_goes_before_those_who_borrow():
    teams = [team("a", H100=3), team("b", H100=0)]
    singles = [asking(f"b{i}", "1", "b", created=0.0) for i in range(3)]
    effects = planned(node(), slice_of("n0", 3), *teams, *gang(3, "a", created=9.0), *singles)
    assert placed(effects) == {"train-0", "train-1", "train-2"}


def test_a_gang_of_unlike_pods_is_within_its_guarantee_by_what_all_of_it_asks_for():
    teams = [team("a", H100=5), team("b", H100=0)]
    said = Member("id-ray", "RayCluster/ray", size=(3, 3))
    mates = [asking(f"ray-{i}", gpu, "a", gang=said, created=9.0) for i, gpu in enumerate(("3", "1", "1"))]
    singles = [asking(f"b{i}", "1", "b", created=0.0) for i in range(5)]
    effects = planned(node(), slice_of("n0", 5), *teams, *mates, *singles)
    assert placed(effects) == {"ray-0", "ray-1", "ray-2"}


def test_pods_of_two_teams_are_no_gang():
    teams = [team("root", H100=4), team("a", "root", H100=2), team("b", "root", H100=2)]
    said = Member("named/both", "both", size=(2, 2))
    mates = [asking(f"{name}0", "1", "root", gang=said, team=name) for name in ("a", "b")]
    effects = planned(node(), slice_of("n0", 2), *teams, *mates)
    assert placed(effects) == set()
    held = {effect.reason for effect in effects if isinstance(effect, Hold)}
    assert {reason.why for reason in held} == {Why.UNSUPPORTED}
    assert "pods that start together are of one team; those of both are of a and b" in str(held)
