"""A node driver may write of its own node and of nothing else; its manifest is one that Kubernetes takes."""

import asyncio
import time

import pytest
import yaml

from farthing.api.manifests import mps_host, node_driver
from farthing.api.manifests import spoke as spoke_manifest
from farthing.api.names import NAMESPACE
from farthing.model.errors import FarthingError
from farthing.node.claims import ClaimWatch
from farthing.node.share import ClaimName
from tests.api.objects import claims, eventually
from tests.unit.node.test_partitions_in_the_cluster import published

pytestmark = pytest.mark.cluster
IMAGE = "example.org/farthing:1"
REQUEST = {"name": "gpu", "exactly": {"deviceClassName": "x"}}
SLICES = "/apis/resource.k8s.io/v1/resourceslices"


def slice_of(node, driver="gpu.farthing.dev"):
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    return {
        "metadata": {"name": f"{node}-x"},
        "spec": {"driver": driver, "nodeName": node, "pool": pool, "devices": []},
    }


async def test_it_publishes_its_own_node(driver):
    await driver.create(SLICES, slice_of("mine"))
    await driver.delete(f"{SLICES}/mine-x")


async def test_it_cannot_publish_another_node_or_another_driver(driver):
    with pytest.raises(FarthingError, match="the node driver of mine writes slices"):
        await driver.create(SLICES, slice_of("other"))
    with pytest.raises(FarthingError, match="the node driver of mine writes slices"):
        await driver.create(SLICES, slice_of("mine", "gpu.nvidia.com"))


async def test_it_cannot_delete_the_slices_of_another_node(admin, driver):
    await admin.create(SLICES, slice_of("other"))
    try:
        with pytest.raises(FarthingError, match="the node driver of mine writes slices"):
            await driver.delete(f"{SLICES}/other-x")
    finally:
        await admin.delete(f"{SLICES}/other-x")


async def test_it_sees_what_claims_of_its_node_were_given_without_asking(driver, spoke, admin, namespace):
    seen = ClaimWatch(driver, "mine", time.monotonic)
    watching = asyncio.create_task(seen.run())
    path = f"{claims(namespace)}/c"
    body = {"metadata": {"name": "c"}, "spec": {"devices": {"requests": [REQUEST]}}}
    claim = await admin.create(claims(namespace), body)
    result = {"request": "gpu", "driver": "gpu.farthing.dev", "pool": "mine", "device": "gpu-0"}
    claim["status"] = {"allocation": {"devices": {"results": [result]}}}
    await spoke.replace(f"{path}/status", claim)
    numbers = iter(range(1000))

    async def known():
        await admin.patch(path, {"metadata": {"labels": {"n": str(next(numbers))}}})  # a watch begins at now
        return seen.get(ClaimName(namespace, "c", claim["metadata"]["uid"]))

    found = await eventually(known)
    assert found["status"]["allocation"]["devices"]["results"] == [result]
    watching.cancel()


@pytest.mark.parametrize("path", ["/api/v1/secrets", "/api/v1/pods", "/api/v1/namespaces"])
async def test_it_reads_nothing_that_it_does_not_need(driver, path):
    with pytest.raises(FarthingError, match="forbidden"):
        await driver.get(path)


async def test_the_manifests_of_the_programs_are_ones_that_kubernetes_takes(admin):
    for kind, text in (
        ("daemonsets", node_driver(IMAGE)),
        ("daemonsets", mps_host(IMAGE)),
        ("deployments", spoke_manifest(IMAGE)),
    ):
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}"
        made = await admin.create(path, yaml.safe_load(text), {"dryRun": "All", "fieldValidation": "Strict"})
        assert made["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


async def test_the_slices_of_sixteen_gpus_with_partitions_are_ones_that_kubernetes_takes(driver):
    slices, _ = published(16)
    for one in slices:
        one["metadata"].pop("resourceVersion")
        one["spec"]["nodeName"] = one["spec"]["pool"]["name"] = "mine"
        await driver.create(SLICES, one, {"dryRun": "All", "fieldValidation": "Strict"})
