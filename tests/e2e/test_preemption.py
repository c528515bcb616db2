"""Pods that have to go for others, on the real control plane: evicted, told why, within their budgets."""

import contextlib
from datetime import datetime

import pytest

from farthing.kube.resources import TEAMS, team_path
from farthing.model.errors import FarthingError
from tests.api.teams import team
from tests.e2e.conftest import condition, eventually
from tests.e2e.test_gangs import create, job

TREES = "/apis/farthing.dev/v1/teamtrees/farthing"
H100 = {"farthing.dev/gpu": "1", "farthing.dev/gpu-model": "H100"}
DEVICES = 32


@pytest.fixture
async def shared(site):
    """Two teams on the demo's 32 H100: the test's own namespace is the borrower's, another the lender's."""
    lender = (await site.connection.create("/api/v1/namespaces", {"metadata": {"generateName": "lender-"}}))["metadata"]
    await site.connection.create(TEAMS.path, team("lender", None, 8, namespaces=[lender["name"]]))
    await site.connection.create(TEAMS.path, team("borrower", None, 24, namespaces=[site.namespace]))

    async def known():
        return {"lender", "borrower"} <= (await site.connection.get(TREES))["teams"].keys()

    await eventually(known, "the teams are known")
    account = f"/api/v1/namespaces/{lender['name']}/serviceaccounts/default"
    await eventually(lambda: site.connection.get(account), "the namespace has its service account")
    yield site, lender["name"]
    await site.connection.delete(f"/api/v1/namespaces/{lender['name']}")

    async def cleared():
        for name in ("lender", "borrower"):
            with contextlib.suppress(FarthingError):
                await site.connection.delete(team_path(name))
        return not (await site.connection.get(TREES))["teams"]

    await eventually(cleared, "nothing is governed any more")


async def all_borrowed(site, **annotations):
    """The borrower's Job has all of the devices."""
    await create(site, "batch/v1", "jobs", job("borrowed", DEVICES, {**H100, **annotations}))

    async def full():
        return sum(pod["status"].get("phase") == "Running" for pod in await site.pods()) == DEVICES

    await eventually(full, "all devices are borrowed", 90)


async def ask(site, namespace, count):
    body = job("mine", count, {**H100, "farthing.dev/gang": str(count)})
    await site.connection.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", body)


async def started(site, namespace, count, seconds=60):
    async def check():
        pods, _ = await site.connection.list_all(f"/api/v1/namespaces/{namespace}/pods")
        return sum(pod["status"].get("phase") == "Running" for pod in pods) == count

    await eventually(check, f"{count} pods of {namespace} run", seconds)


async def told(site):
    """What events say of pods that had to go, by the pods' names."""
    events, _ = await site.connection.list_all(f"/apis/events.k8s.io/v1/namespaces/{site.namespace}/events")
    return {event["regarding"]["name"]: event["note"] for event in events if event["reason"] == "Preempted"}


@pytest.mark.cluster
async def test_a_gang_takes_back_what_its_team_is_guaranteed_and_no_more(shared):
    site, lender = shared
    await all_borrowed(site)
    await ask(site, lender, 8)
    await started(site, lender, 8)

    async def both():
        phases = [
            pod["status"].get("phase") for pod in await site.pods() if not pod["metadata"].get("deletionTimestamp")
        ]
        return phases.count("Running") == DEVICES - 8

    await eventually(both, "the others run on")
    notes = await told(site)
    assert len(notes) == 8
    for note in notes.values():
        assert note.startswith(f"for {lender}/mine-")
        assert note.endswith("team lender takes back what it is guaranteed, and team borrower borrows")


@pytest.mark.cluster
async def test_who_wants_notice_is_told_and_runs_on_until_then(shared):
    site, lender = shared
    await all_borrowed(site, **{"farthing.dev/checkpoint-signal": "8s"})
    await ask(site, lender, 1)

    async def signalled():
        return [pod for pod in await site.pods() if "farthing.dev/leave-by" in pod["metadata"]["annotations"]]

    await eventually(signalled, "a pod is told")
    (pod,) = await signalled()
    assert pod["status"]["phase"] == "Running"
    said = condition(pod)
    assert (said["status"], said["reason"]) == ("False", "Preempted")
    until = datetime.fromisoformat(pod["metadata"]["annotations"]["farthing.dev/leave-by"]).timestamp()
    since = datetime.fromisoformat(said["lastTransitionTime"]).timestamp()
    assert 6 <= until - since <= 9
    await started(site, lender, 1)


@pytest.mark.cluster
async def test_a_budget_keeps_a_pod_and_another_goes(shared):
    site, lender = shared
    await create(site, "batch/v1", "jobs", job("others", 8, H100))
    await create(site, "batch/v1", "jobs", job("kept", 24, H100, {"keep": "yes"}))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "kept"},
        "spec": {"minAvailable": 24, "selector": {"matchLabels": {"keep": "yes"}}},
    }
    await create(site, "policy/v1", "poddisruptionbudgets", budget)

    async def full():
        return sum(pod["status"].get("phase") == "Running" for pod in await site.pods()) == DEVICES

    await eventually(full, "all devices are borrowed", 90)
    await ask(site, lender, 2)
    await started(site, lender, 2, 90)
    assert all(name.startswith("others-") for name in await told(site))
