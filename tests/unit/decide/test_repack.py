"""What a repack proposes, and what it leaves alone."""

from dataclasses import replace

import pytest

from farthing.decide.moves import Budget
from farthing.decide.repack import USUAL, repack
from farthing.model.cluster import Key, Owner, PodClaim
from farthing.state.residents import residents
from tests.builders import GIB, allocated, asking, node, slice_of, world
from tests.lives import SET, Town, movable
from tests.teams import quota, team


def spread(*pods, nodes=1, devices=2, at=0.0):
    """A town where the pods lie about: one to a device, each with a share of it."""
    town = Town(world(*(thing for i in range(nodes) for thing in (node(f"n{i}"), slice_of(f"n{i}", devices)))), at)
    for i, (pod, claim) in enumerate(pods):
        where, device = f"n{i // devices}", f"gpu-{i % devices}"
        town.fork.see(allocated(claim, pod, device, where, **taken(claim)), at)
        town.fork.see(replace(pod, node=where, gated=False, started=at), at)
    return town


def taken(claim):
    return {"compute": claim.ask.milli, "memory": 80 * GIB * claim.ask.milli // 1000}


def proposed(town, waiting=None, budget=USUAL):
    town.submit(*(waiting or asking("big", "1")))
    return repack(town.fork.snapshot(town.at), residents(town.world), budget)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"movable": False}, "it says no, or nothing"),
        ({"owner": None}, "nobody makes another"),
        ({"owner": Owner("DaemonSet", "d", "u")}, "its controller would put it back"),
        ({"owner": Owner("RayCluster", "d", "u")}, "nobody knows what its controller does"),
        ({"grace": 3600}, "it takes an hour to end"),
        ({"deleting": True}, "it is going anyway"),
        ({"priority": 5}, "it is more important"),
    ],
)
def test_a_pod_stays_where_it_is_when(change, why):
    town = spread(movable("a", "0.5"), movable("b", "0.5"))
    for name in ("a", "b"):
        town.fork.see(replace(town.pod(Key("team-a", name)), **change), town.at)
    found = proposed(town)
    assert found.proposals == (), why
    assert [pod.key.name for pod in found.hopeless] == ["big"]


def test_a_pod_stays_whose_claim_others_use_or_its_replacement_would_find_again():
    for change in (
        lambda pod, claim: (pod, replace(claim, users=(*claim.users, ("other", "uid-other")))),
        lambda pod, claim: (replace(pod, claims=(pod.claims[0]._replace(template=""),)), claim),
        lambda pod, claim: (replace(pod, claims=(*pod.claims, PodClaim("nic", "nic-claim", "nic"))), claim),
    ):
        town = spread(movable("a", "0.5"), movable("b", "0.5"))
        for name in ("a", "b"):
            pod = town.pod(Key("team-a", name))
            for thing in change(pod, town.claim_of(pod)):
                town.fork.see(thing, town.at)
        assert proposed(town).proposals == ()


def test_nobody_is_moved_who_would_find_no_other_place():
    assert proposed(spread(movable("a", "0.75"), movable("b", "0.75"))).proposals == ()


def test_the_pod_that_loses_least_is_moved():
    """A service loses a restart; work that ends has to be done again."""
    work = movable("a", "0.5", duration=7200)
    town = spread(work, movable("b", "0.5"), at=1000.0)
    town.at = 4600.0
    (one,) = proposed(town).proposals
    assert [move.pod.key.name for move in one.moves] == ["b"]
    assert one.lost_gpu_seconds == 0


def test_lost_work_counts_against_the_budget():
    work = [movable(name, "0.5", duration=7200) for name in ("a", "b")]
    town = spread(*work, at=1000.0)
    town.at = 4600.0
    assert proposed(town, budget=Budget(lost_gpu_seconds=1799)).proposals == ()
    (one,) = repack(town.fork.snapshot(town.at), residents(town.world), Budget(lost_gpu_seconds=1800)).proposals
    assert one.lost_gpu_seconds == 1800


def test_moves_count_against_the_budget():
    assert proposed(spread(movable("a", "0.5"), movable("b", "0.5")), budget=Budget(moves=0)).proposals == ()


def test_a_whole_node_is_freed():
    pods = [movable(f"p{i}", "0.5") for i in range(4)]
    town = spread(*pods, nodes=2)
    (one,) = proposed(town, asking("big", "2")).proposals
    assert len(one.moves) == 2
    assert {device.pool for device in one.devices} == {one.node}
    assert all(move.to_node != one.node for move in one.moves)


def test_of_pods_with_one_owner_only_as_many_move_as_must():
    town = spread(movable("a", "0.25"), movable("b", "0.5"), movable("c", "0.25"), devices=3)
    (one,) = proposed(town).proposals
    assert len(one.moves) == 1
    assert one.moves[0].pod.owner == SET


def test_what_one_proposal_frees_is_not_promised_to_another():
    pods = [movable(f"p{i}", "0.5") for i in range(4)]
    town = spread(*pods, devices=4)
    town.submit(*asking("big2", "1"))
    found = proposed(town)
    assert len(found.proposals) == 2
    first, second = found.proposals
    assert not set(first.devices) & set(second.devices)
    moved = [move.pod.uid for one in found.proposals for move in one.moves]
    assert len(moved) == len(set(moved)) == 2


def test_nobody_is_moved_for_who_may_not_have_more():
    town = spread(movable("a", "0.5"), movable("b", "0.5"))
    town.fork.see(team("team-a", H100=quota(1.5, borrowing=0)), 0.0)
    found = proposed(town)
    assert (found.proposals, found.stuck) == ((), 0)
    town.fork.see(team("team-a", H100=quota(2, borrowing=0)), 0.0)
    assert len(repack(town.fork.snapshot(0.0), residents(town.world)).proposals) == 1
