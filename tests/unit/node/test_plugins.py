"""What a device plugin gives away on a node, the driver does not: its devices are tainted, and nothing new starts there."""

import json

import pytest

from farthing.model.errors import TransientError, UnsupportedError
from farthing.node.devices import Device, Inventory
from farthing.node.plugins import TAKEN, Offer, PluginWatch, marked
from tests.unit.node.conftest import EVERY_LEVEL, GIB

BOTH = Inventory(tuple(Device(f"{v}-0", 80 * GIB, EVERY_LEVEL, {"vendor": v}) for v in ("nvidia", "amd")))
NVIDIA = {"nvidia": Offer(("nvidia.com/gpu",), "T1")}


class Api:
    """An API server that knows one node."""

    def __init__(self, **status):
        self.status = status

    async def request(self, method, path):
        assert (method, path) == ("GET", "/api/v1/nodes/n1")
        return json.dumps({"metadata": {"name": "n1", "resourceVersion": "7"}, "status": self.status}).encode()


@pytest.fixture
def watch():
    times = iter(["T1", "T2", "T3"])

    async def changed():
        told.append(found.offers)

    told = []
    found = PluginWatch(Api(), "n1", lambda: next(times), changed)
    found.told = told
    return found


async def offers(watch, **status):
    watch.connection = Api(**status)
    assert await watch.read() == "7"
    return {vendor: offer.resources for vendor, offer in watch.offers.items()}


@pytest.mark.parametrize(
    ("resource", "vendor"),
    [
        ("nvidia.com/gpu", "nvidia"),
        ("nvidia.com/gpu.shared", "nvidia"),
        ("nvidia.com/mig-1g.5gb", "nvidia"),
        ("amd.com/gpu", "amd"),
        ("amd.com/cpx_nps4", "amd"),
        ("nvidia.com/hostdev", None),
        ("amd.com/nic", None),
        ("example.com/gpu", None),
        ("cpu", None),
    ],
)
async def test_which_resources_are_gpus_of_whom(watch, resource, vendor):
    assert await offers(watch, allocatable={resource: "8"}) == ({vendor: (resource,)} if vendor else {})


async def test_a_plugin_that_is_only_started_anew_has_not_gone(watch):
    assert await offers(watch, capacity={"nvidia.com/gpu": "8"}, allocatable={"nvidia.com/gpu": "0"})
    assert not await offers(watch, capacity={"nvidia.com/gpu": "0"}, allocatable={"nvidia.com/gpu": "0"})


async def test_a_change_is_told_once_with_the_time_it_was_first_seen(watch):
    for _ in range(2):
        await offers(watch, allocatable={"nvidia.com/gpu": "8"})
    await offers(watch)
    assert watch.told == [NVIDIA, {}]


def taken(inventory):
    return {device.name for device in inventory.devices if any(t.name == TAKEN for t in device.troubles)}


def test_only_the_devices_of_the_plugins_vendor_are_tainted():
    found = marked(BOTH, NVIDIA, "T0")
    assert taken(found) == {"nvidia-0"}
    (mark,) = found.device("nvidia-0").troubles
    assert (mark.effect, mark.since) == ("NoSchedule", "T1")
    assert "nvidia.com/gpu" in mark.sentence
    assert marked(BOTH, {}, "T0") == BOTH


def test_nothing_is_given_away_before_the_node_was_read():
    assert taken(marked(BOTH, None, "T0")) == {"nvidia-0", "amd-0"}


# Preparing --------------------------------------------------------------------------------------------------------


def occupy(preparer):
    """Let there be a plugin that gives the node's devices away."""
    preparer.hands.inventory = marked(preparer.hands.inventory, None, "T")


async def test_nothing_new_is_prepared_beside_a_plugin(rig):
    preparer = rig.restart()
    before = preparer.hands.inventory
    occupy(preparer)
    wanted = rig.give(1)
    with pytest.raises(UnsupportedError, match="DevicePlugin: gpu-0"):
        await preparer.prepare(wanted)
    assert rig.left() == []
    assert rig.bench.opened == set()
    preparer.hands.inventory = before
    assert (await preparer.prepare(wanted)).state == "prepared"


async def test_what_was_prepared_before_stays_starts_again_and_ends(rig):
    wanted = rig.give(1)
    await rig.restart().prepare(wanted)
    later = rig.restart()
    occupy(later)
    assert (await later.prepare(wanted)).state == "prepared"
    assert await later.sweep() == ()
    assert rig.bench.opened == {"s1"}
    await later.unprepare(wanted)
    assert rig.left() == []


async def test_a_lost_record_of_what_runs_is_made_anew_beside_a_plugin(rig):
    wanted = rig.give(1)
    await rig.restart().prepare(wanted)
    before = rig.left()
    rig.journal.unlink()
    later = rig.restart()
    occupy(later)
    await later.sweep()
    assert rig.left() == before


async def test_an_administrators_access_is_prepared_all_the_same(rig):
    wanted = rig.give(1)
    rig.claims["c1"]["status"]["allocation"]["devices"]["results"][0]["adminAccess"] = True
    preparer = rig.restart()
    occupy(preparer)
    assert (await preparer.prepare(wanted)).state == "prepared"


async def test_a_node_that_cannot_be_read_leaves_what_was_known(watch):
    await offers(watch, allocatable={"nvidia.com/gpu": "8"})

    class Away:
        async def request(self, *_):
            raise TransientError("away")

    watch.connection = Away()
    with pytest.raises(TransientError):
        await watch.read()
    assert watch.offers == NVIDIA
