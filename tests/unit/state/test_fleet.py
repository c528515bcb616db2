"""Pools are read as Kubernetes specifies, and what is unusable is left out with a sentence."""

from dataclasses import replace

from farthing.model.cluster import Capacity, DeviceId
from farthing.state.fleet import model_name
from tests.builders import GIB, NVIDIA_PROFILE, device, node, slice_of, snapshot


def names(found):
    return [str(d) for d in found.fleet.devices]


def test_devices_come_in_natural_order_of_node_and_name():
    found = snapshot(node("b"), node("a"), slice_of("b", [device("gpu-10"), device("gpu-2")]), slice_of("a"))
    assert names(found) == ["a/gpu-0", "b/gpu-2", "b/gpu-10"]


def test_only_the_newest_generation_of_a_pool_counts():
    old = slice_of("n0", [device("gpu-0"), device("gpu-1")], name="old", generation=1)
    new = slice_of("n0", [device("gpu-1")], name="new", generation=2)
    assert names(snapshot(node(), old, new)) == ["n0/gpu-1"]


def test_a_pool_with_a_slice_missing_is_left_out():
    found = snapshot(node(), slice_of("n0", 2, count=2))
    assert names(found) == []
    assert found.fleet.faults == (
        "pool n0 of gpu.farthing.dev is left out: 1 of its 2 slices of generation 1 are there",
    )


def test_a_pool_of_several_slices_is_one():
    first = slice_of("n0", [device("gpu-0")], name="first", count=2)
    second = slice_of("n0", [device("gpu-1")], name="second", count=2)
    assert names(snapshot(node(), first, second)) == ["n0/gpu-0", "n0/gpu-1"]


def test_a_pool_that_names_a_device_twice_is_left_out():
    found = snapshot(node(), slice_of("n0", [device("gpu-0"), device("gpu-0")]))
    assert names(found) == []
    assert "used twice: gpu-0" in found.fleet.faults[0]


def test_devices_of_a_node_that_is_not_there_are_left_out_and_the_slice_is_stale():
    found = snapshot(slice_of("gone"))
    assert names(found) == []
    assert [s.name for s in found.stale] == ["gone-gpu"]


def test_devices_of_drivers_without_a_profile_are_not_ours():
    assert names(snapshot(node(), slice_of("n0", 1, driver="nic.example.com"))) == []


def test_a_device_that_draws_on_an_unknown_counter_is_left_out():
    part = device("mig-0", consumes=(("set", "slices", 1),))
    found = snapshot(node(), slice_of("n0", [part]))
    assert names(found) == []
    assert "consumes counter slices of set set" in found.fleet.faults[0]


def test_nvidias_devices_are_read_by_their_profile():
    gpu = replace(
        device("gpu-0", attributes={"productName": "NVIDIA H100 80GB HBM3", "type": "gpu"}),
        multi=False,
        capacity=(("memory", Capacity(80 * GIB)),),
    )
    found = snapshot(NVIDIA_PROFILE, node(), slice_of("n0", [gpu], driver="gpu.nvidia.com"))
    fleet = found.fleet
    assert fleet.devices == (DeviceId("gpu.nvidia.com", "n0", "gpu-0"),)
    assert (fleet.models[fleet.model_of[0]], int(fleet.memory[0])) == ("nvidia-h100-80gb-hbm3", 80 * GIB)
    assert not fleet.divisible[0]


def test_model_names_are_words_joined_by_dashes():
    assert model_name("NVIDIA  A100-SXM4-40GB") == "nvidia-a100-sxm4-40gb"
