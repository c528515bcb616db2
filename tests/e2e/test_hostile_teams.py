"""Teams on a cluster at work, treated badly: edits that race, deletions under running pods, gangs that lie."""

import asyncio
import contextlib
import random

import pytest

from farthing.cli.look import look
from farthing.cli.teams import team_rows
from farthing.kube.resources import TEAMS, team_path
from farthing.model.errors import FarthingError, InvalidError
from tests.e2e.conftest import Spoke, condition, eventually, pod_manifest
from tests.e2e.test_gangs import all_held, crd, create, job
from tests.e2e.test_governed import add, governed, known, right
from tests.e2e.test_preemption import DEVICES, H100, all_borrowed, ask, shared, started, told

__all__ = ["governed", "shared"]  # fixtures

pytestmark = pytest.mark.cluster

ONE_H100 = {"annotations": {"farthing.dev/gpu-model": "H100"}}


def limited(amount):
    return [{"deviceClass": "H100", "amount": amount, "borrowing": 0}]


async def has(site, name, amount):
    await site.connection.patch(team_path(name), {"spec": {"compute": limited(amount)}})


async def test_a_team_deleted_under_its_pods_lets_them_run_and_the_waiting_ones_start(governed):
    await add(governed, "other", None, 1)
    await add(governed, "vision", compute=limited(1), namespaces=[governed.namespace])
    await known(governed, "vision")
    await governed.submit("runs", "1", **ONE_H100)
    await governed.running("runs")
    await governed.submit("waits", "1", **ONE_H100)
    await governed.held("waits", "QuotaExceeded")
    await governed.connection.delete(team_path("vision"))
    await governed.running("waits")
    assert (await governed.pod("runs"))["status"]["phase"] == "Running"


async def test_a_quota_cut_below_what_is_used_stops_nobody_and_lets_nobody_start(governed):
    await add(governed, "vision", compute=limited(3), namespaces=[governed.namespace])
    await known(governed, "vision")
    for name in ("a", "b"):
        await governed.submit(name, "1", **ONE_H100)
        await governed.running(name)
    await has(governed, "vision", 1)

    async def cut():
        row = next(row for row in team_rows(await look(governed.connection)) if row.team == "vision")
        use = next(use for use in row.classes if use.device_class == "h100")
        return (use.guaranteed, use.used) == (1000, 2000)

    await eventually(cut, "the cut is known")
    await governed.submit("c", "0.25", **ONE_H100)
    held = await governed.held("c", "QuotaExceeded")
    assert "1 of h100" in held["message"]
    assert {(await governed.pod(name))["status"]["phase"] for name in ("a", "b")} == {"Running"}
    await governed.connection.delete(governed.pods_path("a"))
    await governed.connection.delete(governed.pods_path("b"))
    await governed.running("c")


async def test_a_namespace_deleted_under_its_pods_gives_its_team_everything_back(governed):
    body = {"metadata": {"generateName": "doomed-", "labels": {"farthing.dev/managed": "true"}}}
    doomed = (await governed.connection.create("/api/v1/namespaces", body))["metadata"]["name"]
    account = f"/api/v1/namespaces/{doomed}/serviceaccounts/default"
    await eventually(lambda: governed.connection.get(account), "the namespace has its service account")
    await add(governed, "vision", compute=limited(1), namespaces=[doomed, governed.namespace])
    await known(governed, "vision")
    pods = f"/api/v1/namespaces/{doomed}/pods"
    for name in ("runs", "waits"):
        await governed.connection.create(pods, pod_manifest(name, H100))

    async def runs():
        found, _ = await governed.connection.list_all(pods)
        return "Running" in {pod["status"].get("phase") for pod in found}

    await eventually(runs, "one of them runs")
    await governed.connection.delete(f"/api/v1/namespaces/{doomed}")
    await governed.submit("mine", "1", **ONE_H100)
    await governed.running("mine", 60)


async def test_admins_who_race_leave_no_child_with_more_than_its_parent(governed):
    """What admission lets in when several write at once, the planner puts right: it says so on the team it leaves out."""
    await add(governed, "company", None, 4)
    await add(governed, "one", "company", 2)
    await add(governed, "two", "company", 2)
    await known(governed, "company", "one", "two")
    for _ in range(5):
        changes = [("company", 2), ("one", 3), ("two", 3), ("one", 1), ("company", 4)]
        patches = (has_h100(governed, name, amount) for name, amount in changes)
        await asyncio.gather(*patches, return_exceptions=True)
    await eventually(lambda: judged(governed), "all teams are judged by what they are now")


async def has_h100(site, name, amount):
    await site.connection.patch(team_path(name), {"spec": {"compute": [{"deviceClass": "H100", "amount": amount}]}})


async def judged(site):
    """Whether those that count are no more than their parent has, and whoever does not is told."""
    items, _ = await site.connection.list_all(TEAMS.path)
    has = {item["metadata"]["name"]: int(item["spec"]["compute"][0]["amount"]) for item in items}
    counted = [name for name in ("one", "two") if await right(site, name)]
    fits = sum(has[name] for name in counted) <= has["company"]
    too_much = has["one"] + has["two"] > has["company"]
    return fits and (len(counted) == 2) is not too_much


async def test_edits_of_a_team_that_race_with_its_pods_never_break_the_books(governed):
    """Forty edits while pods come and go; afterwards what the team has is what it may have, and the loop still turns."""
    chance = random.Random(5)
    await add(governed, "vision", compute=limited(4), namespaces=[governed.namespace])
    await known(governed, "vision")

    async def edit():
        for _ in range(40):
            await has(governed, "vision", chance.randint(0, 4))
            await asyncio.sleep(0.05)

    async def come_and_go():
        for i in range(40):
            await governed.submit(f"p{i}", "0.5", **ONE_H100)
            if i >= 8:
                await governed.connection.delete(governed.pods_path(f"p{i - 8}"))
            await asyncio.sleep(0.05)

    await asyncio.gather(edit(), come_and_go())
    await has(governed, "vision", 2)
    for pod in await governed.pods():
        await governed.connection.delete(governed.pods_path(pod["metadata"]["name"]))
    for i in range(6):
        await governed.submit(f"last{i}", "0.5", **ONE_H100)

    async def settled():
        said = [condition(pod).get("reason", "") for pod in await governed.pods()]
        return sorted(said) == ["Placed"] * 4 + ["QuotaExceeded"] * 2

    await eventually(settled, "four of six halves run on two devices, and two wait")


@pytest.mark.parametrize("size", ["1000000000", "0", "-1", "8-4", "1e9", "٨", "8 ", "4-8-12", "99999"])
async def test_no_gang_of_an_impossible_size_gets_in(site, size):
    body = pod_manifest("wrong", {**H100, "farthing.dev/gang": size, "farthing.dev/gang-name": "g"})
    with pytest.raises(InvalidError, match="is not the size of a gang"):
        await site.connection.create(site.pods_path(), body)


@pytest.mark.parametrize(("replicas", "words"), [(10**9, "0 of 1000000000 worker"), ("many", "has not been seen")])
async def test_what_makes_a_gang_may_say_any_size_and_only_its_own_pods_wait(site, replicas, words):
    path = await crd(site, "kubeflow.org", "v1", "PyTorchJob", "pytorchjobs")
    try:
        specs = {"Master": {"replicas": 1}, "Worker": {"replicas": replicas}}
        body = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": "huge"}}
        made = await create(site, "kubeflow.org/v1", "pytorchjobs", {**body, "spec": {"pytorchReplicaSpecs": specs}})
        owner = {**{key: body[key] for key in ("apiVersion", "kind")}, "name": "huge", "controller": True}
        pod = pod_manifest("huge-master-0", H100, labels={"training.kubeflow.org/replica-type": "master"})
        pod["metadata"]["ownerReferences"] = [{**owner, "uid": made["metadata"]["uid"]}]
        await site.connection.create(site.pods_path(), pod)
        await all_held(site, 1, words)
        await site.submit("other", "1", **ONE_H100)
        await site.running("other")
    finally:
        await site.connection.delete(path)


async def test_pods_of_one_gang_that_name_two_teams_are_held_and_told(governed):
    await add(governed, "both", None, 4, namespaces=[governed.namespace])
    await add(governed, "one", "both", 2)
    await add(governed, "two", "both", 2)
    await known(governed, "both", "one", "two")
    gang = {"farthing.dev/gang": "2", "farthing.dev/gang-name": "pair", **ONE_H100["annotations"]}
    for name in ("one", "two"):
        await governed.submit(name, "1", annotations=gang, labels={"farthing.dev/team": name})
    held = await governed.held("one", "Unsupported")
    assert "pods that start together are of one team; those of pair are of one and two" in held["message"]
    assert (await governed.held("two", "Unsupported"))["message"] == held["message"]


async def test_spot_pods_go_before_anybody_else_when_what_was_lent_is_taken_back(shared):
    site, lender = shared
    await create(site, "batch/v1", "jobs", job("steady", DEVICES - 4, H100))
    await create(site, "batch/v1", "jobs", job("spot", 4, {**H100, "farthing.dev/qos": "spot"}))

    async def full():
        return sum(pod["status"].get("phase") == "Running" for pod in await site.pods()) == DEVICES

    await eventually(full, "all devices are in use", 90)
    await ask(site, lender, 6)
    await started(site, lender, 6, 90)
    gone = await told(site)
    assert len(gone) == 6
    assert sum(name.startswith("spot-") for name in gone) == 4


async def running(site):
    pods = await site.pods()
    return sum(pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"] for pod in pods)


async def fewer(site, count):
    return await running(site) < count


async def test_a_spoke_killed_in_the_middle_of_a_reclaim_is_followed_by_one_that_ends_it(shared):
    """And no more have to go than without that."""
    site, lender = shared
    await all_borrowed(site)
    site.cluster.spoke.stop()
    first, second = Spoke(site.cluster, "first"), Spoke(site.cluster, "second")
    try:
        first.start()
        await first.leading(site.connection)
        await ask(site, lender, 8)
        await eventually(lambda: fewer(site, DEVICES), "somebody had to go")
        first.process.kill()
        second.start()
        await started(site, lender, 8, 90)
        assert await running(site) == DEVICES - 8
    finally:
        for spoke in (first, second):
            with contextlib.suppress(FarthingError):
                spoke.process.stop()
        await site.cluster.start_spoke(site.connection)
