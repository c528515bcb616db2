"""What a node publishes stays within Kubernetes' limits, and changes only when the devices do."""

from farthing.node.devices import Device, Inventory, Trouble
from farthing.node.slices import same, slice_name, slices_of
from tests.unit.node.conftest import DRIVER, EVERY_LEVEL, GIB


def _partitioned(gpus: int, each: int) -> Inventory:
    devices = [
        Device(
            f"gpu-{g}-mig-{i}",
            10 * GIB,
            frozenset({"partition"}),
            {"profile": "1g.10gb"},
            shared=False,
            parent=f"gpu-{g}",
            consumes={"slice-0": 1},
        )
        for g in range(gpus)
        for i in range(each)
    ]
    return Inventory(tuple(devices), {f"gpu-{g}": {"slice-0": 1} for g in range(gpus)})


def test_a_shared_device_is_divisible_and_says_what_it_can_deliver():
    (one,) = slices_of(Inventory((Device("gpu-0", 80 * GIB, EVERY_LEVEL),)), "n1", DRIVER, None)
    (device,) = one["spec"]["devices"]
    assert device["allowMultipleAllocations"] is True
    assert device["capacity"]["memory"] == {
        "value": "80Gi",
        "requestPolicy": {"default": "80Gi", "validRange": {"min": "1Mi", "step": "1Mi"}},
    }
    assert device["attributes"]["isolationHard"] == {"bool": True}
    assert device["attributes"]["isolationPartition"] == {"bool": False}


def test_sixteen_gpus_of_partitions_fit_the_limits():
    found = slices_of(_partitioned(16, 19), "n1", DRIVER, None)
    assert all(len(one["spec"].get("devices", [])) <= 64 for one in found)
    assert all(len(one["spec"].get("sharedCounters", [])) <= 8 for one in found)
    assert sum(len(one["spec"].get("devices", [])) for one in found) == 16 * 19
    assert {one["spec"]["pool"]["resourceSliceCount"] for one in found} == {len(found)}
    assert not any("devices" in one["spec"] and "sharedCounters" in one["spec"] for one in found)


def test_trouble_is_a_taint():
    trouble = Trouble("xid", "79", "NoExecute", "2026-01-01T00:00:00Z")
    (one,) = slices_of(Inventory((Device("gpu-0", GIB, EVERY_LEVEL, troubles=(trouble,)),)), "n1", DRIVER, None)
    assert one["spec"]["devices"][0]["taints"] == [
        {"key": "farthing.dev/xid", "value": "79", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
    ]


def test_a_node_without_devices_says_so_with_an_empty_slice():
    (one,) = slices_of(Inventory(), "n1", DRIVER, None)
    assert one["spec"]["devices"] == []


def test_only_the_generation_may_differ_between_what_is_the_same():
    wanted = slices_of(_partitioned(2, 4), "n1", DRIVER, None)
    there = [{**one, "spec": {**one["spec"], "pool": {**one["spec"]["pool"], "generation": 7}}} for one in wanted]
    assert same(there, wanted)
    assert not same(there[:-1], wanted)
    assert not same(slices_of(_partitioned(2, 5), "n1", DRIVER, None), wanted)


def test_names_are_short_and_apart():
    long = ["n" * 200 + str(i) for i in range(2)]
    names = {slice_name(node, DRIVER, i) for node in [*long, "n1"] for i in range(3)}
    assert len(names) == 9
    assert all(len(name) <= 63 for name in names)
