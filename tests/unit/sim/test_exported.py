"""An exported cluster, played again: its fleet without those who ask for GPUs, and its pods as they came."""

from dataclasses import replace
from math import inf

import pytest

from farthing.model.cluster import DEVICE_CLASS, Claim, Constraints, Key, Namespace, Pod, PodClaim, Request, Taint
from farthing.sim.engine import Setting, _Player
from farthing.sim.export import read, write
from farthing.sim.exported import fleet_of, pods_of
from farthing.sim.policies import POLICIES
from farthing.sim.results import Mode
from tests.builders import GIB, allocated, asking, device, node, slice_of, world


def town(*things):
    return world(node("n0"), slice_of("n0", 2), node("n1"), slice_of("n1", 2), *things)


def came(*things):
    found = town(*things)
    return pods_of(found, found.fleet)


def bare(name, **more):
    return Pod(Key("kube-system", name), f"uid-{name}", 1, 0.0, Constraints(), **more)


def native(name, capacity=(), count=1):
    """A pod with a claim of its own."""
    claim = Claim(
        Key("ns", f"{name}-claim"), f"c-{name}", 1, 0.0, requests=(Request("r", DEVICE_CLASS, count, capacity),)
    )
    pod = Pod(Key("ns", name), f"uid-{name}", 1, 0.0, Constraints(), claims=(PodClaim("gpu", claim.key.name, ""),))
    return pod, claim


def test_pods_come_when_they_came_and_stay_as_long_as_is_known():
    over, _ = asking("over", "1", created=100.0, started=150.0, ended=450.0, over=True)
    found = came(over, asking("hint", "2x0.5", created=130.0, duration=60), asking("runs", "0.25", created=90.0))
    assert [(one.name, one.at, one.stays, one.kind.milli) for one in found.pods] == [
        ("team-a/runs", 0.0, inf, 250),
        ("team-a/over", 10.0, 300.0, 1000),
        ("team-a/hint", 40.0, 60.0, 1000),
    ]
    assert (found.left_out, found.ignored) == ({}, {})


def test_memory_counts_as_the_part_that_it_is_of_the_devices_that_would_do():
    fleet = [node("n0"), slice_of("n0", [device("gpu-0"), device("gpu-1", 40 * GIB, "A100")])]
    found = world(*fleet, asking("some", "20Gi"), asking("much", "60Gi"), asking("none", "90Gi"))
    assert {one.name: one.kind.milli for one in pods_of(found, found.fleet).pods} == {
        "team-a/some": 375,
        "team-a/much": 750,
        "team-a/none": 1000,
    }


def test_claims_of_the_users_own_are_played_too():
    found = came(native("part", (("memory", 20 * GIB), ("compute", 250))), native("two", count=2))
    assert [(one.name, one.kind.milli, one.kind.asks) for one in found.pods] == [
        ("ns/part", 250, None),
        ("ns/two", 2000, None),
    ]


def test_what_cannot_be_played_is_counted():
    pod, claim = asking("two-claims", "1")
    two = (replace(pod, claims=(*pod.claims, PodClaim("more", "", pod.claims[0].template))), claim)
    picky = asking("picky", "1", constraints=Constraints(selector=(("zone", "a"),)))
    found = came(two, asking("mig", "1g.10gb"), picky, bare("coredns"))
    assert [one.name for one in found.pods] == ["team-a/picky"]
    assert found.left_out == {"ask with several claims or requests": 1, "ask for partitions (MIG)": 1}
    assert found.ignored == {"say on which nodes they may run": 1}


def test_whoever_asks_for_no_gpus_keeps_its_room():
    pod, claim = asking("runs", "1", cpu=5000)
    there = (replace(pod, node="n0", gated=False), allocated(claim, pod))
    fleet = fleet_of(
        town(there, bare("dns", node="n0", cpu=1500, memory=GIB), bare("done", node="n0", cpu=9, over=True))
    )
    assert (fleet.names, fleet.fleet.cpu.tolist()) == (("n0", "n1"), [62_500, 64_000])
    assert fleet.fleet.memory_of_node.tolist() == [255 * GIB, 256 * GIB]
    assert fleet.fleet.pods.tolist() == [109, 110]


def test_nodes_that_take_no_pods_and_partitions_are_not_there():
    cordoned = node("n2", taints=(Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),))
    tainted = node("n3", taints=(Taint("nvidia.com/gpu", "", "NoSchedule"),))
    mixed = slice_of("n3", [device("gpu-0"), device("mig-0", 10 * GIB, attributes={"profile": "1g.10gb"}, multi=False)])
    fleet = fleet_of(town(cordoned, slice_of("n2", 2), tainted, mixed))
    assert fleet.names == ("n0", "n1", "n3")
    assert fleet.gpus == 5


def test_a_seed_puts_nodes_in_another_order_and_leaves_their_devices_on_them():
    found = world(*(thing for i in range(20) for thing in (node(f"n{i}"), slice_of(f"n{i}", i % 3))))
    shuffled = fleet_of(found, 7)
    assert sorted(shuffled.names) == sorted(fleet_of(found).names)
    assert shuffled.names != fleet_of(found).names
    devices = [shuffled.names[n] for n in shuffled.fleet.node_of]
    assert all(devices.count(f"n{i}") == i % 3 for i in range(20))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", Mode)
def test_an_export_is_played_by_every_policy_in_every_mode(policy, mode):
    """With teams that may not meet, and levels that may not either: nothing is ever given twice."""
    asks = [("0.5", None), ("0.25", "hard"), ("20Gi", "soft"), ("1", None), ("2x0.5", None)]
    pods = [
        asking(f"p{i}", amount, f"team-{i % 2}", isolation=level, created=float(i), duration=5, cpu=1000)
        for i in range(30)
        for amount, level in [asks[i % 5]]
    ]
    exported, _ = read(write(town(*pods, Namespace("team-1", 1, "vision")), 0.0), "file")
    stage = fleet_of(exported, 42)
    came_to = pods_of(exported, stage.fleet).pods
    player = _Player(stage, came_to, POLICIES[policy](stage, came_to, 42), Setting(mode, ratio=3.0))
    given = getattr(player, mode.value)()
    assert 0 < given <= 4000
    board = player._policy.table.board
    assert (board.left >= 0).all()
    assert (board.room >= 0).all()
    assert (board.on[1] & (board.on[1] - 1) == 0).all(), "two levels of isolation on one device"
