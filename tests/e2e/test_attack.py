"""People and machines at their worst: floods, planted objects, hands in the works, a leader that sleeps."""

import asyncio
import signal
from typing import Any

import pytest

from farthing.kube.connection import Connection
from farthing.model.errors import FarthingError, NotFoundError
from tests.e2e.conftest import LEASE_SECONDS, Spoke, condition, eventually, everybody_has_an_answer, results

CLAIMS = "/apis/resource.k8s.io/v1"
_REQUEST = '{"name": "gpu", "exactly": {"deviceClassName": "gpu.farthing.dev"}}'


async def test_a_flood_gets_answers_and_its_namespace_can_be_deleted_in_the_middle(site):
    async with asyncio.TaskGroup() as group:
        for i in range(300):
            group.create_task(site.submit(f"flood-{i}", "1"))
    await everybody_has_an_answer(site, 120)
    await site.sound()
    path = f"/api/v1/namespaces/{site.namespace}"
    await site.connection.delete(path)

    async def gone():
        try:
            await site.connection.get(path)
        except NotFoundError:
            return True
        return False

    await eventually(gone, "the namespace is gone", 120)


async def test_a_leader_that_slept_does_not_write_over_its_successor(site):
    site.cluster.spoke.stop()
    first, second = Spoke(site.cluster, "sleeper"), Spoke(site.cluster, "successor")
    try:
        first.start()
        await first.leading(site.connection)
        for i in range(20):
            await site.submit(f"before-{i}", "0.25")
        first.process.process().send_signal(signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE_SECONDS)
        second.start()
        await second.leading(site.connection)
        for i in range(20):
            await site.submit(f"after-{i}", "0.25")
        first.process.process().send_signal(signal.SIGCONT)
        await everybody_has_an_answer(site)
        await second.leading(site.connection)
        await site.sound()
    finally:
        first.process.kill()
        second.process.stop()
        await site.cluster.start_spoke(site.connection)


async def test_nobody_plants_a_template_under_a_name_that_spells_an_ask(site):
    templates = f"{CLAIMS}/namespaces/{site.namespace}/resourceclaimtemplates"
    exactly = {"deviceClassName": "gpu.farthing.dev", "allocationMode": "All"}
    spec = {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}
    with pytest.raises(FarthingError, match="kept for the templates that Farthing makes"):
        await site.connection.create(templates, {"metadata": {"name": "farthing-0.25-shared"}, "spec": {"spec": spec}})


async def test_a_claim_of_thousands_of_lists_holds_up_nobody(site):
    """Kubernetes lets it through for other drivers, and decoders of Python go as deep as its stack."""
    opaque = f'{{"driver": "gpu.example.com", "parameters": {{"x": {"[" * 4900 + "]" * 4900}}}}}'
    spec = f'{{"devices": {{"requests": [{_REQUEST}], "config": [{{"opaque": {opaque}}}]}}}}'
    body = f'{{"metadata": {{"name": "deep"}}, "spec": {spec}}}'
    path = f"{CLAIMS}/namespaces/{site.namespace}/resourceclaims"
    await site.connection.create(path, body.encode())
    await site.submit("after", "0.25")
    await site.running("after")
    await site.connection.delete(f"{path}/deep")


async def test_hands_in_the_works_are_undone(site):
    for i in range(8):
        await site.submit(f"p-{i}", "0.5")
    for i in range(8):
        await site.running(f"p-{i}")
    for claim in (await site.claims())[:4]:
        name = claim["metadata"]["name"]
        await _meddle(site.connection, f"{CLAIMS}/namespaces/{site.namespace}/resourceclaims/{name}", claim)
    await everybody_has_an_answer(site)
    await site.sound()


async def _meddle(connection: Connection, path, claim):
    """Delete it while it is in use; take its allocation away; both as an administrator."""
    await connection.delete(path)
    bodies: list[dict[str, Any]] = [
        {"status": {"allocation": None, "reservedFor": None}},
        {"status": {"devices": []}},
    ]
    for body in bodies:
        try:
            await connection.patch(f"{path}/status", body)
        except FarthingError:
            continue
    assert results(await connection.get(path)) == results(claim)


async def test_two_race_for_the_last_share(site):
    await site.submit("filler", "1")
    node = (await site.running("filler"))["spec"]["nodeName"]
    async with asyncio.TaskGroup() as group:
        for i in range(40):
            group.create_task(site.submit(f"race-{i}", "0.5", nodeSelector={"kubernetes.io/hostname": node}))
    await everybody_has_an_answer(site)
    await site.sound()
    held = [p for p in await site.pods() if not p["spec"].get("nodeName")]
    assert all(condition(p).get("message") for p in held)
