"""Teams become a tree, and wrong teams are told so and left out."""

import pytest

from farthing.model.cluster import Capacity, Device, Namespace, Pod, Taint
from farthing.model.team import Quota, Team
from farthing.state.teams import faults_of
from tests.builders import GIB, allocated, asking, device, node, slice_of, snapshot, world
from tests.teams import quota, team


def tree_of(*things):
    return snapshot(node(), slice_of("n0", 8), *things).tree


@pytest.mark.parametrize(
    ("teams", "wrong", "sentence"),
    [
        ([team("a", "b"), team("b", "a")], "a", "is above itself: a -> b -> a"),
        ([team("a", "a")], "a", "is above itself: a -> a"),
        ([team("a", "none")], "a", "is under team none, which is not there"),
        (
            [team("a", H100=4), team("b", "a", H100=5)],
            "b",
            "is given 5 of H100; its parent a has 4, of which 4 is left",
        ),
        (
            [team("a", H100=4), team("b", "a", H100=3), team("c", "a", H100=2)],
            "c",
            "is given 2 of H100; its parent a has 4, of which 1 is left",
        ),
        ([team("a"), team("b", "a", H100=1)], "b", "its parent a has 0, of which 0 is left"),
        ([team("a", H100=-1)], "a", "has -1 in its quota of compute for H100"),
        ([team("a", H100=quota(1, borrowing=-1))], "a", "has -1 in its quota"),
        ([team("a", weight=-1)], "a", "has a weight of -1000"),
        ([team("a", maximum=-1)], "a", "a maximum of -1000"),
        ([Team("a", 1, compute=(("H100", Quota(1)), ("H100", Quota(2))))], "a", "names H100 twice"),
        (
            [team("a", namespaces=("x",)), team("b", namespaces=("x",))],
            "b",
            "names namespace x, which belongs to team a",
        ),
        ([team("a", H100=-1), team("b", "a")], "b", "is under team a, which is wrong itself"),
    ],
)
def test_wrong_teams_are_told(teams, wrong, sentence):
    told = dict(faults_of(teams))
    assert sentence in told[wrong]


def test_a_wrong_team_is_left_out_and_the_others_stay():
    found = tree_of(team("good", H100=4), team("bad", "nowhere", H100=4))
    assert [one.name for one in found.teams] == ["", "good"]
    assert [fault.team for fault in found.faults] == ["bad"]


def test_without_teams_nothing_is_governed():
    assert tree_of(asking()) is None


def test_what_is_guaranteed_to_nobody_is_the_pools():
    found = tree_of(team("a", H100=3), team("b", H100=2), team("b1", "b", H100=1))
    assert found.subtree[0][0] == 8000
    assert found.subtree[found.at("a")][0] == 3000
    assert found.subtree[found.at("b")][0] == 2000


def test_what_a_team_does_not_lend_is_no_part_of_its_parents():
    found = tree_of(team("a", H100=4), team("a1", "a", H100=quota(3, lending=1)))
    assert found.local[found.at("a1")][0] == 2000
    assert found.subtree[found.at("a")][0] == 2000


def test_devices_that_are_broken_are_not_there_to_lend():
    devices = [device("gpu-0"), device("gpu-1", taints=(Taint("xid", "79", "NoSchedule"),))]
    found = snapshot(node(), slice_of("n0", devices), team("a", H100=0)).tree
    assert found.subtree[0][0] == 1000


def test_devices_of_models_that_no_quota_names_are_one_class():
    devices = [device("gpu-0", model="NVIDIA H100 80GB"), device("gpu-1", model="L4"), device("gpu-2", model="T4")]
    found = snapshot(node(), slice_of("n0", devices), team("a", H100=1)).tree
    assert found.classes.names == ("H100", "*")
    assert [int(c) for c in found.classes.of] == [0, 1, 1]


def test_of_several_names_that_fit_the_longest_is_the_class():
    devices = [device("gpu-0", model="H100 80GB"), device("gpu-1", model="H100 40GB")]
    teams = [Team("a", 1, compute=(("H100", Quota(1000)), ("H100-80GB", Quota(1000))))]
    found = snapshot(node(), slice_of("n0", devices), *teams).tree
    assert [found.classes.names[c] for c in found.classes.of] == ["H100-80GB", "H100"]


def test_shares_count_by_the_larger_part():
    pod, claim = asking("p", "0.25", "a", node="n0", gated=False)
    held = allocated(claim, pod, compute=250, memory=40 * GIB)
    found = snapshot(node(), slice_of(), team("a", H100=1), pod, held)
    assert found.used.usage[found.tree.at("a")][0] == 500
    assert found.used.held == (500, 500)


def test_memory_that_is_guaranteed_alone_brings_its_part_of_compute():
    found = tree_of(Team("a", 1, memory=(("H100", Quota(160 * GIB)),)))
    assert [str(c.what) for c in found.columns] == ["compute", "compute", "memory"]
    assert found.subtree[1] == (2000, 0, 160 * GIB)


def test_partitions_count_as_parts_of_the_device_they_are_cut_from():
    part = Device(
        "gpu-0-mig-0",
        multi=False,
        attributes=(("model", "H100"), ("profile", "1g.10gb")),
        capacity=(("memory", Capacity(10 * GIB)),),
    )
    found = snapshot(node(), slice_of("n0", [part]), team("a", H100=1)).tree
    assert [int(m) for m in found.classes.milli] == [142]


def test_partitions_cut_on_demand_count_by_the_counters_they_draw_on():
    def cut(name, amount):
        return Device(
            name,
            multi=False,
            attributes=(("model", "H100"),),
            capacity=(("memory", Capacity(amount * GIB)),),
            consumes=(("gpu-0", "slices", amount),),
        )

    pieces = slice_of("n0", [cut("whole", 8), cut("half", 4), cut("part", 1)], counters=(("gpu-0", "slices", 8),))
    found = snapshot(node(), pieces, team("a", H100=1)).tree
    assert sorted(int(m) for m in found.classes.milli) == [125, 500, 1000]
    assert found.subtree[0][0] == 1000


def test_a_pod_counts_for_its_own_team_then_its_namespaces_then_the_namespace():
    seen = world(
        node(), slice_of(), team("a", namespaces=("x",)), team("b", "a", namespaces=()), Namespace("y", 1, "b")
    )

    def of(namespace, label=""):
        pod, _ = asking("p", namespace=namespace, team=label)
        assert isinstance(pod, Pod)
        return seen.team_of(pod)

    assert [of("x"), of("x", "b"), of("x", "nobody"), of("y"), of("z")] == ["a", "b", "a", "b", "z"]


def test_a_namespace_without_team_has_no_quota_and_weight_one():
    found = snapshot(node(), slice_of(), team("a", H100=1), asking(namespace="z")).tree
    assert (found.implicit, found.teams[found.at("z")].weight) == (frozenset({"z"}), 1000)
    assert not any(found.subtree[found.at("z")])
