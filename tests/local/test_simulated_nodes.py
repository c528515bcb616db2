"""Simulated nodes are ready, their pods run and end as they say, and a node can go down."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from farthing.kube.connection import Connection
from farthing.local.fleet import fleet_of_text
from farthing.local.publish import publish
from farthing.model.errors import NotFoundError

pytestmark = pytest.mark.cluster

Json = dict[str, Any]
FLEET = "groups: [{prefix: sim, nodes: 3, gpus: 2, model: H100, gpuMemory: 80Gi, cpu: 8, memory: 64Gi}]"
NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/default/pods"


def unheard(done: int, total: int) -> None:
    """Progress that nobody reads."""


async def until(connection: Connection, path: str, true: Callable[[Json], object]) -> Json:
    async with asyncio.timeout(60):
        while True:
            found = await connection.get(path)
            if true(found):
                return found
            await asyncio.sleep(0.05)


def condition(found: Json, kind: str) -> str:
    return next((one["status"] for one in found["status"].get("conditions", ()) if one["type"] == kind), "")


def settled(node: Json) -> bool:
    return condition(node, "Ready") == "True" and not node["spec"].get("taints")


@pytest.fixture
async def fleet(admin: Connection) -> list[Json]:
    manifests = list(fleet_of_text(FLEET, "test"))
    await publish(admin, manifests, unheard)
    for i in range(3):
        await until(admin, f"{NODES}/sim-{i}", settled)
    return manifests


def pod(name: str, **annotations: str) -> Json:
    return {
        "metadata": {"name": name, "annotations": {f"sim.farthing.dev/{key}": one for key, one in annotations.items()}},
        "spec": {"containers": [{"name": "main", "image": "none"}], "restartPolicy": "Never"},
    }


@pytest.mark.usefixtures("fleet")
async def test_nodes_are_ready_have_room_and_a_lease(admin: Connection):
    node = await admin.get(f"{NODES}/sim-0")
    assert settled(node)
    assert node["status"]["allocatable"] == {"cpu": "8", "memory": "64Gi", "pods": "110"}
    lease = await admin.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/sim-0")
    assert lease["spec"]["holderIdentity"]


async def test_publishing_again_changes_nothing(admin: Connection, fleet: list[Json]):
    assert await publish(admin, fleet, unheard) == 0


async def test_what_is_missing_is_published_again(admin: Connection, fleet: list[Json]):
    gone = "/apis/resource.k8s.io/v1/resourceslices/sim-1-gpu.farthing.dev"
    await admin.delete(gone)
    steps: list[tuple[int, int]] = []
    assert await publish(admin, fleet, lambda *step: steps.append(step)) == 1
    assert steps[-1] == (6, 6)
    assert (await admin.get(gone))["spec"]["nodeName"] == "sim-1"


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("code", "phase"), [("0", "Succeeded"), ("3", "Failed")])
async def test_a_pod_ends_after_the_time_and_with_the_code_that_it_carries(admin: Connection, code, phase):
    await admin.create(PODS, pod(f"ends-{code}", run="100ms", exit=code))
    found = await until(admin, f"{PODS}/ends-{code}", lambda one: one["status"].get("phase") == phase)
    ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == int(code)
    assert ended["finishedAt"]


@pytest.mark.usefixtures("fleet")
async def test_a_pod_without_a_time_runs_until_it_is_deleted(admin: Connection):
    await admin.create(PODS, pod("stays"))
    await until(admin, f"{PODS}/stays", lambda one: condition(one, "Ready") == "True")
    await admin.delete(f"{PODS}/stays")
    with pytest.raises(NotFoundError):
        await until(admin, f"{PODS}/stays", lambda _: False)


@pytest.mark.usefixtures("fleet")
async def test_a_job_is_complete_when_its_pods_are(admin: Connection):
    template = {"metadata": pod("job", run="100ms")["metadata"], "spec": pod("job")["spec"]}
    del template["metadata"]["name"]
    body = {"metadata": {"name": "job"}, "spec": {"completions": 2, "parallelism": 2, "template": template}}
    await admin.create("/apis/batch/v1/namespaces/default/jobs", body)
    found = await until(
        admin, "/apis/batch/v1/namespaces/default/jobs/job", lambda one: condition(one, "Complete") == "True"
    )
    assert found["status"]["succeeded"] == 2


@pytest.mark.usefixtures("fleet")
async def test_a_node_goes_down_and_comes_back_as_its_annotation_says(admin: Connection):
    path = f"{NODES}/sim-2"
    await admin.patch(path, {"metadata": {"annotations": {"sim.farthing.dev/down": "yes"}}})
    await until(admin, path, lambda node: condition(node, "Ready") == "False" and node["spec"].get("taints"))
    await admin.patch(path, {"metadata": {"annotations": {"sim.farthing.dev/down": None}}})
    await until(admin, path, settled)
