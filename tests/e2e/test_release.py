"""A share comes back exactly once, however its pod ends."""

import asyncio

from farthing.cli.look import look
from farthing.model.errors import NotFoundError
from tests.e2e.conftest import eventually

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "short"},
    "spec": {
        "template": {
            "metadata": {"annotations": {"farthing.dev/gpu": "1", "sim.farthing.dev/run": "1s"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
        }
    },
}


async def test_when_a_job_ends_while_its_pod_still_exists(site):
    await site.connection.create(f"/apis/batch/v1/namespaces/{site.namespace}/jobs", JOB)

    async def over():
        pods = await site.pods()
        return pods and pods[0]["status"]["phase"] == "Succeeded"

    await eventually(over, "the job's pod succeeds")
    await site.empty()
    assert len(await site.pods()) == 1


async def test_when_a_pod_is_deleted_before_or_after_it_runs(site):
    await site.submit("early", "1")
    await site.connection.delete(site.pods_path("early"))
    await site.submit("late", "1")
    await site.running("late")
    await site.connection.delete(site.pods_path("late"))
    await site.empty()


async def test_when_a_pod_is_evicted(site):
    await site.submit("guest", "0.5")
    await site.running("guest")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "guest"}}
    await site.connection.create(site.pods_path("guest", "/eviction"), eviction)
    await site.empty()


async def test_when_a_device_is_tainted_its_pods_go_and_nobody_comes(site):
    await site.submit("unlucky", "0.5", annotations={"farthing.dev/gpu-model": "A100"})
    await site.running("unlucky")
    pool, device = (await site.devices("unlucky"))[0].split("/")
    taint = {"key": "xid", "value": "79", "effect": "NoExecute"}
    name = f"{pool}-{device}-broken"
    rule = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceTaintRule",
        "metadata": {"name": name},
        "spec": {"deviceSelector": {"driver": "gpu.farthing.dev", "pool": pool, "device": device}, "taint": taint},
    }
    rules = "/apis/resource.k8s.io/v1/devicetaintrules"
    await site.connection.create(rules, rule)
    try:

        async def gone():
            try:
                return (await site.pod("unlucky"))["status"]["phase"] == "Failed"
            except NotFoundError:
                return True

        await eventually(gone, "the pod on the broken device is evicted")
        await site.submit("next", "0.5", annotations={"farthing.dev/gpu-model": "A100"})
        await site.running("next")
        assert await site.devices("next") != [f"{pool}/{device}"]
    finally:
        await site.connection.delete(f"{rules}/{name}")


async def test_when_a_node_is_deleted_its_slice_goes_and_its_capacity_with_it(site):
    node = {
        "metadata": {"name": "short-lived", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "10"}},
    }
    await site.connection.create("/api/v1/nodes", node)
    template = (await site.connection.get("/apis/resource.k8s.io/v1/resourceslices/l4-0-gpu.farthing.dev"))["spec"]
    devices = [{**d, "attributes": {**d["attributes"], "model": {"string": "T1"}}} for d in template["devices"]]
    spec = {**template, "nodeName": "short-lived", "devices": devices}
    spec["pool"] = {"name": "short-lived", "generation": 1, "resourceSliceCount": 1}
    await site.connection.create(
        "/apis/resource.k8s.io/v1/resourceslices", {"metadata": {"name": "short-lived-gpu"}, "spec": spec}
    )
    await site.submit("doomed", "0.5", annotations={"farthing.dev/gpu-model": "T1"})
    await site.running("doomed")
    await site.connection.delete("/api/v1/nodes/short-lived")

    async def forgotten():
        slices, _ = await site.connection.list_all("/apis/resource.k8s.io/v1/resourceslices")
        return all(s["metadata"]["name"] != "short-lived-gpu" for s in slices)

    await eventually(forgotten, "the slice of the deleted node is removed")
    await eventually(lambda: _gone(site, "doomed"), "the pod of the deleted node is removed", 120)
    await site.empty()
    assert all(d.pool != "short-lived" for d in (await look(site.connection)).world.fleet.devices)


async def _gone(site, name):
    try:
        return (await site.pod(name))["status"]["phase"] == "Failed"
    except NotFoundError:
        return True


async def test_many_come_and_go_and_everything_is_back(site):
    names = [f"p{i}" for i in range(60)]
    await asyncio.gather(*(site.submit(name, "0.25") for name in names))
    for name in names:
        await site.running(name)
    await asyncio.gather(*(site.connection.delete(site.pods_path(name)) for name in names))
    await site.empty()
