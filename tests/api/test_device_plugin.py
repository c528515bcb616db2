"""A device plugin on the driver's node: the cluster sees which devices it has, and the driver goes on when it is gone."""

import asyncio

import pytest

from farthing.model.errors import FarthingError
from farthing.node.run import Driver, Settings
from farthing.node.share import ClaimName
from farthing.node.simulated import Simulated
from tests.api.objects import claims, eventually

pytestmark = pytest.mark.cluster
REQUEST = {"name": "gpu", "exactly": {"deviceClassName": "x"}}
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
NODE_STATUS = "/api/v1/nodes/mine/status"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
SHARE = {"apiVersion": "farthing.dev/v1", "kind": "Share", "isolation": "shared", "team": "a"}


@pytest.fixture
async def running(driver, tmp_path):
    """The driver at work on node `mine`, with the rights that the installed role gives it."""
    devices = tmp_path / "devices.yaml"
    devices.write_text("devices:\n- {count: 2, model: H100, memory: 80Gi}\n")
    settings = Settings("mine", tmp_path / "kubelet", tmp_path / "cdi")
    found = Driver(settings, Simulated(devices, "mine", lambda: "2026-01-01T00:00:00Z"), driver)
    await found.meet()
    await found.look()
    tasks = [asyncio.create_task(work) for work in (found.plugins.run(), found.publisher.run())]
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def offer(admin, amount):
    """What kubelet does when a device plugin comes or goes."""
    amounts = {"nvidia.com/gpu": amount}
    await admin.patch(NODE_STATUS, {"status": {"capacity": amounts, "allocatable": amounts}})


def tainted(admin):
    async def found():
        slices, _ = await admin.list_all(SLICES, {"fieldSelector": "spec.nodeName=mine"})
        devices = [device for one in slices for device in one["spec"].get("devices") or []]
        taints = [t for device in devices for t in device.get("taints", [])]
        assert all((t["key"], t["effect"]) == ("farthing.dev/device-plugin", "NoSchedule") for t in taints)
        return [len(devices), len(taints)]

    return found


async def given(admin, spoke, namespace, name):
    """A claim that was given a quarter of a device."""
    body = {"metadata": {"name": name}, "spec": {"devices": {"requests": [REQUEST]}}}
    claim = await admin.create(claims(namespace), body)
    result = {"request": "gpu", "driver": "gpu.farthing.dev", "pool": "mine", "device": "gpu-0"}
    config = {"source": "FromClaim", "opaque": {"driver": "gpu.farthing.dev", "parameters": SHARE}}
    claim["status"] = {"allocation": {"devices": {"results": [result], "config": [config]}}}
    await spoke.replace(f"{claims(namespace)}/{name}/status", claim)
    return ClaimName(namespace, name, claim["metadata"]["uid"])


async def test_nothing_new_starts_beside_a_device_plugin_and_all_goes_on_when_it_is_gone(
    admin, spoke, namespace, running
):
    await eventually(same_as(tainted(admin), [2, 0]))
    first = await given(admin, spoke, namespace, "first")
    assert (await running.preparer.prepare(first)).state == "prepared"
    await running.preparer.unprepare(first)

    await offer(admin, "2")
    await eventually(same_as(tainted(admin), [2, 2]))
    with pytest.raises(FarthingError, match="DevicePlugin: gpu-0: a device plugin gives it away, too"):
        await running.preparer.prepare(first)
    assert running.metrics.devices.labels("taken")._value.get() == 2
    events, _ = await admin.list_all(EVENTS)
    (told,) = [event for event in events if event["reason"] == "DevicePlugin"]
    assert (told["type"], told["regarding"]["kind"], told["regarding"]["name"]) == ("Warning", "Node", "mine")
    assert "nvidia.com/gpu" in told["note"]

    await offer(admin, "0")
    await eventually(same_as(tainted(admin), [2, 0]))
    assert (await running.preparer.prepare(first)).state == "prepared"


def same_as(question, wanted):
    """Whether the answer is the wanted one by now."""

    async def asked():
        return await question() == wanted

    return asked
