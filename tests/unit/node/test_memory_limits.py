"""A hard share's containers are limited by their cgroups, too, as soon as they are there, where NVIDIA's driver can."""

import asyncio

import pytest

from farthing.model.errors import TransientError, UnsupportedError
from farthing.node.cgroups import containers
from farthing.node.checkpoint import Record
from farthing.node.devices import Device, Inventory
from farthing.node.memory_limits import MemoryLimits
from farthing.node.report import WALL, device_status
from farthing.node.run import Driver as FarthingDriver
from farthing.node.run import Settings
from farthing.node.share import shares_of
from tests.unit.node.conftest import DRIVER, EVERY_LEVEL, GIB, NODE, Bench, claim, name, uid

HERE = Inventory(tuple(Device(f"gpu-{i}", 80 * GIB, EVERY_LEVEL, {"uuid": f"GPU-{i}"}) for i in range(2)))
POD, OTHER = uid(900), uid(901)


def record(number, *pods, device="gpu-0", level="hard", compute=250, **result):
    found = claim(number, device, level=level, compute=compute)
    found["status"]["reservedFor"] = [{"resource": "pods", "name": "p", "uid": pod} for pod in pods]
    found["status"]["allocation"]["devices"]["results"][0].update(result)
    return Record(name(number), shares_of(found, DRIVER, NODE), "prepared")


class Driver:
    """Limits as they were set."""

    def __init__(self):
        self.set = []
        self.error = None

    def __call__(self, device, folder, memory):
        if self.error:
            raise self.error
        self.set.append((device.name, folder.name, memory // GIB))


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def limits(tmp_path, driver):
    return MemoryLimits(tmp_path, driver)


@pytest.fixture
def starts(tmp_path):
    """Let a container of a pod start."""

    def begin(pod, container):
        (tmp_path / "kubepods" / "burstable" / f"pod{pod}" / container).mkdir(parents=True)

    return begin


SYSTEMD = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice"


@pytest.mark.parametrize(
    "layout",
    [
        f"kubepods/pod{POD}",
        f"kubepods/besteffort/pod{POD}",
        f"kubelet/kubepods/burstable/pod{POD}",
        SYSTEMD.format(POD.replace("-", "_")),
        f"kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice",
        "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{}.slice".format(POD.replace("-", "_")),
    ],
)
def test_the_containers_of_a_pod_are_found_by_either_cgroup_driver(tmp_path, layout):
    for folder in (f"{layout}/c1/inner", f"{layout}/c2", f"kubepods/pod{OTHER}/c3", f"system.slice/pod{POD}/c4"):
        (tmp_path / folder).mkdir(parents=True)
    assert containers(tmp_path, {POD}) == {POD: (tmp_path / layout / "c1", tmp_path / layout / "c2")}


def test_a_pods_uid_never_becomes_a_path(tmp_path):
    (tmp_path / "kubepods/burstable/c1").mkdir(parents=True)
    assert containers(tmp_path, {"../burstable", ".", ""}) == {}


def test_containers_are_limited_when_they_start_and_once(limits, driver, starts):
    records = [record(1, POD)]
    assert limits.enforce(records, HERE) == frozenset()
    starts(POD, "c1")
    assert limits.enforce(records, HERE) == {uid(1)}
    assert limits.inside == {uid(1)}
    assert limits.enforce(records, HERE) == frozenset()
    starts(POD, "c2")
    assert limits.enforce(records, HERE) == frozenset()
    assert driver.set == [("gpu-0", "c1", 20), ("gpu-0", "c2", 20)]


def test_each_device_of_a_pod_has_its_limit_and_two_claims_on_one_have_the_sum(limits, driver, starts):
    starts(POD, "c1")
    limits.enforce([record(1, POD), record(2, POD, compute=500), record(3, POD, device="gpu-1")], HERE)
    assert sorted(driver.set) == [("gpu-0", "c1", 60), ("gpu-1", "c1", 20)]


@pytest.mark.parametrize(
    "unlimited", [{"level": "soft"}, {"level": "shared"}, {"compute": 1000}, {"adminAccess": True}, {"device": "gpu-9"}]
)
def test_only_parts_at_hard_have_such_a_limit(limits, driver, starts, unlimited):
    starts(POD, "c1")
    assert limits.enforce([record(1, POD, **unlimited)], HERE) == frozenset()
    assert driver.set == []


def test_a_partition_has_none(limits, driver, starts):
    starts(POD, "c1")
    mig = Inventory((Device("gpu-0", 80 * GIB, EVERY_LEVEL, {"uuid": "MIG-0"}, shared=False),))
    limits.enforce([record(1, POD)], mig)
    assert driver.set == []


def test_a_limit_that_did_not_work_is_tried_again_and_the_claim_is_not_inside_meanwhile(limits, driver, starts):
    starts(POD, "c1")
    driver.error = TransientError("busy")
    assert limits.enforce([record(1, POD)], HERE) == frozenset()
    driver.error = None
    assert limits.enforce([record(1, POD)], HERE) == {uid(1)}
    driver.error = TransientError("busy")
    starts(POD, "c2")
    assert limits.enforce([record(1, POD)], HERE) == {uid(1)}
    assert limits.inside == frozenset()


def test_a_driver_that_cannot_is_asked_once_for_each_device(limits, starts):
    calls = []

    def refuse(*asked):
        calls.append(asked)
        raise UnsupportedError("no such call")

    limits._set_limit = refuse
    starts(POD, "c1")
    for _ in range(2):
        assert limits.enforce([record(1, POD)], HERE) == frozenset()
    starts(POD, "c2")
    limits.enforce([record(1, POD)], HERE)
    assert len(calls) == 1


def test_the_containers_of_others_are_left_alone(limits, driver, starts):
    starts(OTHER, "c1")
    limits.enforce([record(1, POD)], HERE)
    assert driver.set == []


def wall(walled, **more):
    (entry,) = device_status(record(1, POD, **more), DRIVER, NODE, HERE, "T", walled=walled)
    return [(c["status"], c["reason"]) for c in entry["conditions"] if c["type"] == WALL]


def test_the_claim_says_whether_the_limit_is_in_force():
    assert wall(True) == [("True", "Limited")]
    assert wall(False) == [("False", "MpsOnly")]
    assert wall(None) == wall(True, level="soft") == wall(True, compute=1000) == []


class Api:
    """An API server that knows one claim, and keeps how it was patched."""

    def __init__(self, found):
        found["metadata"]["resourceVersion"] = "1"
        self.claim = found
        self.said = []
        self.news = asyncio.Event()

    async def get(self, _path):
        return self.claim

    async def patch(self, _path, patch, _kind):
        (entry,) = patch[-1]["value"]
        self.said += [c["status"] for c in entry["conditions"] if c["type"] == WALL]
        self.news.set()


async def test_a_driver_limits_what_starts_and_tells_the_claim(tmp_path, limits, starts, driver):
    api = Api(claim(1))
    found = FarthingDriver(Settings(NODE, tmp_path / "kubelet", tmp_path / "cdi"), Bench(), api, limits)
    found.hands.inventory = HERE
    found.hands.checkpoint._file.parent.mkdir(parents=True)
    found.hands.checkpoint.put(record(1, POD))
    tasks = [asyncio.create_task(work) for work in (found.keep_limiting(), found.keep_reporting())]
    starts(POD, "c1")
    await asyncio.wait_for(api.news.wait(), 20)
    for task in tasks:
        task.cancel()
    assert api.said == ["True"]
    assert driver.set == [("gpu-0", "c1", 20)]


# NVIDIA's binding -------------------------------------------------------------------------------------------------


def test_nvml_is_told_the_cgroup_and_the_bytes_and_nothing_is_reserved(start, tmp_path):
    machine = start()
    machine.change("gpu0", limits=0)
    machine.ask("look")
    assert machine.ask("limit", "gpu-0", tmp_path, 20 * GIB) == {}
    assert (tmp_path / "machine.limits").read_text() == f"GPU-0 {tmp_path} 0 {20 * GIB}\n"
    assert "did not limit /nonexistent" in machine.ask("limit", "gpu-0", "/nonexistent", 1)["error"]
    machine.change("gpu0", forgets=1)
    assert "does not keep it" in machine.ask("limit", "gpu-0", tmp_path, 1)["error"]
    for code in (3, 4, 13):
        machine.change("gpu0", limits=code)
        assert "does not limit memory by cgroup" in machine.ask("limit", "gpu-0", tmp_path, 1)["error"]
