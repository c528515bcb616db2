"""A gang starts together or not at all."""

from dataclasses import replace

import pytest

from farthing.decide.cycle import plan
from farthing.model.cluster import Key, Node, Owner
from farthing.model.gang import Member, Role, Topology
from farthing.model.group import Group
from farthing.model.plan import Hold, Place
from farthing.model.reason import Reason, Why
from tests.builders import allocated, asking, node, planned, slice_of, snapshot, world
from tests.lives import Town

JOB = Owner("Job", "train", "uid-train")


def member(name, gpu="1", size=(4, 4), gang="train", role="", group="", **more):
    """A pod of a gang; without a `size` the object `group` says how many there are."""
    said = Member(f"id-{gang}", f"Job/{gang}", role, size, group)
    return asking(name, gpu, gang=said, owner=JOB, **more)


def members(count, **more):
    return [member(f"{more.get('gang', 'train')}-{i}", **more) for i in range(count)]


def nodes(count, devices=1, **labels):
    return [thing for i in range(count) for thing in (node(f"n{i}", labels=labels), slice_of(f"n{i}", devices))]


def placed(effects):
    return {effect.pod.key.name: effect.node for effect in effects if isinstance(effect, Place)}


def why(effects):
    return {effect.pod.key.name: effect.reason for effect in effects if isinstance(effect, Hold)}


def test_all_start_where_all_fit():
    assert len(placed(planned(*nodes(4), *members(4)))) == 4


def test_nobody_starts_where_one_does_not_fit_and_says_how_far_it_came():
    effects = planned(*nodes(3), *members(4))
    assert placed(effects) == {}
    assert {reason.why for reason in why(effects).values()} == {Why.GANG_WAITING}
    assert "4 pods of its gang start together; 3 would find a place, then: 1 (shared)" in str(why(effects)["train-0"])


def test_what_was_tried_for_a_gang_is_there_for_others():
    effects = planned(*nodes(3), *members(4), asking("single", "1", created=5), asking("other", "1", created=6))
    assert set(placed(effects)) == {"single", "other"}


def test_it_waits_until_its_pods_are_there_and_says_so_only_when_no_more_come():
    things = [*nodes(4), *members(3)]
    assert planned(*things, at=1.0) == ()
    effects = planned(*things, at=10.0)
    assert "the pods of Job/train start together, and there are 3 of 4" in str(why(effects)["train-0"])


def test_pods_that_wait_for_others_do_not_keep_devices_from_anybody():
    assert set(placed(planned(*nodes(3), *members(3), asking("single", "3x0.5")))) == set()
    assert set(placed(planned(*nodes(1, 3), *members(3), asking("single", "3")))) == {"single"}


def test_an_elastic_gang_starts_with_its_least_and_grows_with_what_is_left():
    assert len(placed(planned(*nodes(1), *members(4, size=(2, 4))))) == 0
    assert len(placed(planned(*nodes(2), *members(4, size=(2, 4))))) == 2
    assert len(placed(planned(*nodes(3), *members(4, size=(2, 4))))) == 3


def test_a_replacement_joins_its_gang_before_anybody_else_gets_anything():
    running = [member(f"train-{i}", node=f"n{i}", gated=False, created=0.0) for i in range(3)]
    held = [(pod, allocated(claim, pod, "gpu-0", pod.node, compute=1000, memory=80 << 30)) for pod, claim in running]
    first = asking("first", "1", created=1, priority=100)
    effects = planned(*nodes(4), *held, first, member("train-9", created=50.0), at=60.0)
    assert placed(effects) == {"train-9": "n3"}


def test_a_gang_whose_pods_failed_altogether_starts_together_again():
    over = [replace(pod, over=True) for pod, _ in members(4)]
    again = [member(f"again-{i}") for i in range(3)]
    assert placed(planned(*nodes(4), *over, *again, at=1.0)) == {}


def test_pods_that_have_done_their_work_count_as_started():
    done = [replace(pod, over=True, succeeded=True) for pod, _ in members(3)]
    assert placed(planned(*nodes(4), *done, member("again"), at=1.0)) == {"again": "n0"}


def test_two_gangs_of_which_only_one_fits_one_starts_and_the_other_holds_nothing():
    effects = planned(*nodes(6), *members(4, created=1.0), *members(4, gang="later", created=2.0))
    assert set(placed(effects)) == {f"train-{i}" for i in range(4)}


def test_a_gang_of_several_roles_needs_some_of_each():
    roles = (Role("leader", 1, 1), Role("worker", 2, 2))
    group = Group(Key("team-a", "JobSet/train"), 1, roles)
    more = {"size": None, "group": "JobSet/train"}
    leader = member("leader", "0.5", role="leader", **more)
    workers = [member(f"worker-{i}", role="worker", **more) for i in range(2)]
    assert len(placed(planned(*nodes(3), group, leader, *workers))) == 3
    extra = member("worker-2", role="worker", **more)
    effects = planned(*nodes(3), group, *workers, extra, at=10.0)
    assert placed(effects) == {}
    assert "0 of 1 leader, 3 of 2 worker" in str(why(effects)["worker-0"])


def test_where_roles_are_made_in_turn_each_is_a_gang_of_its_own():
    group = Group(Key("team-a", "JobSet/train"), 1, (Role("leader", 1, 1), Role("worker", 2, 2)), in_turn=True)
    leader = member("leader", "0.5", role="leader", size=None, group="JobSet/train")
    assert set(placed(planned(*nodes(3), group, leader))) == {"leader"}


def test_pods_that_want_no_devices_count_as_there():
    pod, _ = member("driver")
    driver = replace(pod, claims=(), gated=False)
    assert len(placed(planned(*nodes(3), driver, *members(3)))) == 3


def test_while_it_is_not_known_how_large_a_gang_is_it_waits_and_says_what_to_do():
    effects = planned(*nodes(3), *members(2, size=None, group="JobSet/train"), at=10.0)
    assert placed(effects) == {}
    assert "has not been seen" in str(why(effects)["train-0"])


@pytest.mark.parametrize("level", ["node", "nvlink"])
def test_a_gang_that_must_be_on_one_node_takes_the_one_with_least_to_spare(level):
    things = [node("a"), slice_of("a", 8), node("b"), slice_of("b", 4), node("c"), slice_of("c", 3)]
    effects = planned(*things, *members(4, topology=Topology(required=level)))
    assert set(placed(effects).values()) == {"b"}


def test_a_gang_that_must_be_in_one_rack_waits_for_room_in_one():
    things = [
        thing
        for i in range(6)
        for thing in (node(f"n{i}", labels={"farthing.dev/rack": f"r{i // 3}"}), slice_of(f"n{i}"))
    ]
    near = Topology(required="rack")
    assert placed(planned(*things, *members(4, topology=near))) == {}
    assert set(placed(planned(*things, *members(3, size=(3, 3), topology=near))).values()) == {"n0", "n1", "n2"}
    assert len(placed(planned(*things, *members(4, topology=Topology(preferred="rack"))))) == 4


def test_where_no_node_says_its_rack_that_is_the_reason():
    effects = planned(*nodes(4), *members(4, topology=Topology(required="rack")))
    assert why(effects)["train-0"].why is Why.NODE_MISMATCH


def test_an_nvlink_domain_reaches_over_nodes_of_one_clique():
    things = [
        thing
        for i in range(6)
        for thing in (node(f"n{i}", labels={"nvidia.com/gpu.clique": f"c.{i % 2}"}), slice_of(f"n{i}"))
    ]
    effects = planned(*things, *members(3, size=(3, 3), topology=Topology(required="nvlink")))
    assert set(placed(effects).values()) == {"n0", "n2", "n4"}


def test_a_replacement_goes_where_its_gang_must_be():
    labels = [{"farthing.dev/rack": f"r{i // 2}"} for i in range(4)]
    things = [thing for i in range(4) for thing in (node(f"n{i}", labels=labels[i]), slice_of(f"n{i}"))]
    near = Topology(required="rack")
    pod, claim = member("train-0", size=(2, 2), node="n2", gated=False, topology=near)
    held = allocated(claim, pod, "gpu-0", "n2", compute=1000, memory=80 << 30)
    effects = planned(*things, pod, held, member("train-1", size=(2, 2), topology=near))
    assert placed(effects) == {"train-1": "n3"}


def test_what_no_waiting_can_mend_is_said_as_it_is():
    effects = planned(*nodes(3), *members(4, models="B200"))
    assert why(effects)["train-0"].why is Why.UNKNOWN_MODEL


def test_pods_of_a_gang_that_share_one_claim_are_told_to_have_their_own():
    (one, claim), (other, _) = members(2, size=(2, 2))
    sharing = replace(other, claims=one.claims)
    effects = planned(*nodes(3), (one, claim), sharing)
    assert why(effects)["train-1"].why is Why.UNSUPPORTED


def test_a_plan_that_fails_half_way_is_finished_before_anything_else():
    found = world(*nodes(4), *members(4))
    effects = [e for e in plan(found.snapshot(0.0)) if isinstance(e, Place)]
    town = Town(found)
    town.fork.carry_out(tuple(effects[:2]), 0.0)
    town.submit(*asking("urgent", "1", priority=1000))
    assert sorted(key.name for key in town.running()) == [f"train-{i}" for i in range(4)]


def test_trying_leaves_the_snapshot_as_it_was():
    before = snapshot(*nodes(3), *members(4))
    columns = before.free.copy()
    plan(before)
    for name in ("compute", "memory", "users", "mode", "team", "cpu", "pods"):
        assert (getattr(before.free, name) == getattr(columns, name)).all()
    assert (before.free.ports, before.free.others, before.free.extras) == (
        columns.ports,
        columns.others,
        columns.extras,
    )


def test_who_comes_in_the_place_of_a_lost_pod_and_finds_none_says_how_the_gang_stands():
    town = Town(world(*nodes(2), *members(2, size=(2, 2))))
    town.settle()
    town.gone(Key("team-a", "train-0"))
    town.submit(*asking("other", "1", created=1.0))
    again = member("train-0b", size=(2, 2), created=2.0)
    town.fork.lose(Node, Key("", "n0"), 3.0)
    town.submit(*again)
    assert town.pod(Key("team-a", "train-1")).node
    held = why(plan(town.fork.snapshot(10.0)))["train-0b"]
    assert held.sentence.startswith(
        "1 pods come in the place of those that Job/train has lost, of which 1 have their devices"
    )


def test_a_large_gang_is_not_tried_pod_by_pod_where_there_is_too_little_for_it():
    effects = planned(*nodes(10, 4), *members(100, size=(100, 100)))
    assert placed(effects) == {}
    held = why(effects)["train-0"]
    assert held == Reason(
        Why.GANG_WAITING, "100 pods of its gang start together; 1 (shared): 100 are wanted, and 40 could be had"
    )
    assert len(placed(planned(*nodes(25, 4), *members(100, size=(100, 100))))) == 100
