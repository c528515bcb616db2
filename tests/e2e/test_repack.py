"""Halves move together, so that whole devices start; and nobody is moved who must not be."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from farthing.model.keep import KEPT
from tests.e2e.conftest import condition, eventually

L4 = {"farthing.dev/gpu-model": "L4"}


def deployment(name, move):
    template = {
        "metadata": {
            "labels": {"app": name},
            "annotations": {"farthing.dev/gpu": "0.5", "farthing.dev/move": move, **L4},
        },
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "none", "resources": {"requests": {"cpu": "100m"}}}],
        },
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def scale(site, name, replicas):
    path = f"/apis/apps/v1/namespaces/{site.namespace}/deployments/{name}"
    await site.connection.patch(path, {"spec": {"replicas": replicas}})


async def halves(site):
    """The names of the running pods of the deployment."""
    pods = await site.pods()
    mine = [p for p in pods if p["metadata"].get("labels", {}).get("app") == "halves"]
    return sorted(
        p["metadata"]["name"]
        for p in mine
        if p["status"].get("phase") == "Running" and not p["metadata"].get("deletionTimestamp")
    )


async def two_halves_apart(site, move="allowed"):
    """All L4 are taken but for one node with a half on each of its two devices, and one device elsewhere."""
    for i in range(6):
        await site.submit(f"block{i}", "1", annotations=L4)
    for i in range(6):
        await site.running(f"block{i}")
    await site.connection.create(f"/apis/apps/v1/namespaces/{site.namespace}/deployments", deployment("halves", move))
    await eventually(lambda: halves(site), "the first half runs")
    await site.submit("filler", "0.5", annotations=L4)
    await site.running("filler")
    await scale(site, "halves", 2)

    async def both():
        return len(await halves(site)) == 2

    await eventually(both, "the second half runs")
    await site.connection.delete(site.pods_path("filler"))
    await site.connection.delete(site.pods_path("block5"))
    where = [await site.devices(name) for name in await halves(site)]
    assert len({device for devices in where for device in devices}) == 2, where
    await site.submit("big", "2", annotations=L4)
    await site.held("big", "NoCapacity")
    await eventually(lambda: _free_device(site), "the shares of those deleted are back")


async def _free_device(site):
    return len([c for c in await site.claims() if c["status"].get("allocation")]) == 7


async def repack(site, *options):
    """The command's exit status and its answer."""
    command = ["-m", "farthing", "repack", "--kubeconfig", str(site.cluster.kubeconfig), "-o", "json", *options]
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await asyncio.wait_for(running.communicate(), 240)
    assert out, said.decode()
    return running.returncode, json.loads(out)


async def test_two_halves_move_together_and_two_whole_devices_start(site):
    await two_halves_apart(site)
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "halves"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "halves"}}},
    }
    budgets = f"/apis/policy/v1/namespaces/{site.namespace}/poddisruptionbudgets"
    await site.connection.create(budgets, budget)

    async def counted():
        return (await site.connection.get(f"{budgets}/halves"))["status"].get("disruptionsAllowed") == 1

    await eventually(counted, "the budget is counted")
    before = await halves(site)
    status, shown = await repack(site)
    assert (status, shown["outcomes"]) == (0, None)
    (proposal,) = shown["proposals"]
    assert (proposal["gpu_milli"], len(proposal["moves"])) == (2000, 2)
    assert await halves(site) == before, "a dry run moves nobody"

    status, done = await repack(site, "--yes")
    assert status == 0, done
    (outcome,) = done["outcomes"]
    assert [bool(moved["node"]) for moved in outcome["moved"]] == [True, True]
    await site.running("big")
    assert not set(await halves(site)) & set(before)
    assert len(await halves(site)) == 2
    assert len({device for name in await halves(site) for device in await site.devices(name)}) == 1
    assert KEPT not in (await site.pod("big"))["metadata"]["annotations"]


async def test_replacements_of_pods_evicted_at_once_do_not_go_back(site):
    """Evictions by hand, milliseconds apart: what is kept on the waiting pod is enough."""
    await two_halves_apart(site)
    old = await halves(site)
    _, shown = await repack(site)
    (proposal,) = shown["proposals"]
    kept = " ".join(f"gpu.farthing.dev/{proposal['node']}/{device}" for device in proposal["devices"])
    until = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await site.connection.patch(site.pods_path("big"), {"metadata": {"annotations": {KEPT: f"{until} {kept}"}}})
    assert "being freed" in (await site.held("big", "MakingRoom"))["message"]
    for name in old:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        await site.connection.create(site.pods_path(name, "/eviction"), eviction)
    await site.running("big")
    assert await site.devices("big") == [f"{proposal['node']}/{device}" for device in proposal["devices"]]

    async def again():
        return len(await halves(site)) == 2

    await eventually(again, "both halves run again")


async def test_who_says_never_stays(site):
    await two_halves_apart(site, move="never")
    before = await halves(site)
    status, found = await repack(site, "--yes")
    assert (status, found["proposals"], found["stuck"], found["movable"]) == (0, [], 1, 0)
    assert await halves(site) == before
    assert condition(await site.pod("big"))["reason"] == "NoCapacity"
