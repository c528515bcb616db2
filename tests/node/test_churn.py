"""Pods come and go, programs die in the middle: every share is given back, and nothing is left on the node.

`FARTHING_CHURN=10` does the first ten times over, with other moments of death each time.
"""

import asyncio
import contextlib
import os
import random

import pytest

from tests.e2e.conftest import eventually

pytestmark = pytest.mark.cluster


@contextlib.asynccontextmanager
async def a_driver_that_dies_at_any_moment(node, chance):
    """Killed now and then, and started again; at the end one is there."""
    enough = asyncio.Event()

    async def die_and_live():
        while not enough.is_set():
            node.process("driver").kill()
            await asyncio.to_thread(node.start_driver)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), chance.uniform(2, 8))

    dying = asyncio.create_task(die_and_live())
    try:
        yield
    finally:
        enough.set()
        await dying


@pytest.mark.parametrize("seed", range(int(os.environ.get("FARTHING_CHURN") or 1)))
async def test_fifty_pods_come_and_go_while_everything_is_killed(site, seed):
    """Kubelet and containerd are each killed once while pods start and end, and the driver at any moment."""
    node, chance = site.node, random.Random(seed)
    names = [f"c{i}" for i in range(50)]
    deaths = {
        chance.randrange(10, 25): ("kubelet", node.start_kubelet),
        chance.randrange(25, 40): ("containerd", node.start_containerd),
    }
    async with a_driver_that_dies_at_any_moment(node, chance):
        for number, name in enumerate(names):
            if number in deaths:
                victim, start = deaths[number]
                node.process(victim).kill()
                await asyncio.to_thread(start)
            await site.start(name, "0.2")
            if number >= 8:
                await site.running(names[number - 8], 120)
                await site.connection.delete(site.pods_path(names[number - 8]))
        for name in names[-8:]:
            await site.running(name, 120)
    await asyncio.gather(*(site.connection.delete(site.pods_path(name)) for name in names[-8:]))
    await site.empty(120)
    await site.clean(120)


async def test_a_driver_that_dies_lets_containers_run_and_goes_on_where_it_was(site):
    await site.start("lives", "0.5")
    await site.running("lives", 60)
    before = site.node.leftovers()
    site.node.process("driver").kill()
    await asyncio.to_thread(site.node.start_driver)
    assert site.node.leftovers() == before
    assert (await site.pod("lives"))["status"]["phase"] == "Running"
    await site.connection.delete(site.pods_path("lives"))
    await site.clean()


async def test_a_driver_whose_sockets_are_removed_ends_so_that_the_next_one_is_found(site):
    """Kubelet forgets a driver whose socket goes, and looks for new sockets only."""
    node = site.node
    process = node.process("driver").process()
    for socket in (node.kubelet_dir / "plugins_registry").iterdir():
        socket.unlink()
    await asyncio.to_thread(process.wait, 20)
    await asyncio.to_thread(node.start_driver)
    await site.start("found", "0.25")
    await site.running("found", 60)
    await site.connection.delete(site.pods_path("found"))


async def test_an_update_runs_two_drivers_side_by_side(site):
    """The new one comes before the old one goes; pods start all the while, and either undoes what the other did."""
    node = site.node
    await site.start("of-the-old", "0.25")
    await site.running("of-the-old", 60)
    new = await asyncio.to_thread(node.start_driver, "new")
    await site.start("of-both", "0.25")
    await site.running("of-both", 60)
    node.process("driver").stop()
    await site.start("of-the-new", "0.25")
    await site.running("of-the-new", 60)
    for name in ("of-the-old", "of-both", "of-the-new"):
        await site.connection.delete(site.pods_path(name))
    await site.clean()
    await asyncio.to_thread(node.start_driver)
    new.stop()


async def test_a_broken_device_is_tainted_its_pod_is_evicted_and_the_next_goes_elsewhere(site):
    node = site.node
    await site.start("victim", "0.5", annotations={"farthing.dev/gpu-model": "H100"})
    device = (await site.printed("victim"))["FARTHING_DEVICES"]
    well = node.devices.read_text()
    fault = f'faults:\n- {{device: {device}, taint: NoExecute, kind: xid, value: "79"}}\n'
    node.devices.write_text(well + fault)
    try:

        async def evicted():
            pods = await site.pods()
            return not pods or pods[0]["metadata"].get("deletionTimestamp") or pods[0]["status"]["phase"] == "Failed"

        await eventually(evicted, "the pod is evicted")
        await site.start("next", "0.5", annotations={"farthing.dev/gpu-model": "H100"})
        assert (await site.printed("next"))["FARTHING_DEVICES"] != device
    finally:
        node.devices.write_text(well)


async def test_kubelet_shows_what_the_driver_refuses_and_goes_on_when_it_no_longer_does(site):
    node = site.node
    well = node.devices.read_text()
    faults = "".join(f"- {{device: gpu-{i}, open: the device does not answer}}\n" for i in range(3))
    node.devices.write_text(f"{well}faults:\n{faults}")
    try:
        await site.start("unlucky", "0.25")

        async def told():
            path = f"/api/v1/namespaces/{site.namespace}/events"
            return any("does not answer" in e.get("message", "") for e in (await site.connection.list_all(path))[0])

        await eventually(told, "the event says why")
    finally:
        node.devices.write_text(well)
    await site.running("unlucky", 90)
