"""Gangs on the real control plane: a Job's, a JobSet's and a LeaderWorkerSet's pods, as their controllers make them."""

import asyncio

import pytest

from tests.e2e.conftest import condition, eventually

CONTAINER = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "10m"}}}


def template(annotations=None, labels=None, **spec):
    meta = {"annotations": {"farthing.dev/gpu": "0.25", **(annotations or {})}, "labels": labels or {}}
    pod = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [CONTAINER]}
    return {"metadata": meta, "spec": {**pod, **spec}}


def job(name, parallelism, annotations=None, labels=None, owner=None):
    meta = {"name": name, "labels": labels or {}, "ownerReferences": [owner] if owner else []}
    spec = {
        "completionMode": "Indexed",
        "parallelism": parallelism,
        "completions": parallelism,
        "backoffLimit": 1000,
        "template": template(annotations, labels, restartPolicy="Never"),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


async def create(site, group, plural, body):
    return await site.connection.create(f"/apis/{group}/namespaces/{site.namespace}/{plural}", body)


async def crd(site, group, version, kind, plural):
    """The kind as far as the API server needs to know it; what makes pods of it is played by the test."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await site.connection.create(path, body)

    async def served():
        return await site.connection.list_all(f"/apis/{group}/{version}/{plural}")

    await eventually(served, f"{plural} are served")
    return f"{path}/{plural}.{group}"


async def run(site, count, seconds=60):
    """Wait until so many pods of the namespace run."""

    async def check():
        return sum(pod["status"].get("phase") == "Running" for pod in await site.pods()) == count

    await eventually(check, f"{count} pods run", seconds)


async def all_held(site, count, words, seconds=90):
    """Wait until so many pods are there, and all are told these words; none of them holds anything."""

    async def check():
        said = [condition(pod) for pod in await site.pods()]
        return len(said) == count and all(
            one.get("reason") == "GangWaiting" and words in one.get("message", "") for one in said
        )

    await eventually(check, f"{count} pods are told: {words}", seconds)
    assert not [claim for claim in await site.claims() if claim["status"].get("allocation")]


@pytest.mark.cluster
async def test_a_job_that_says_so_starts_together_or_not_at_all(site):
    """With 31 of 32 pods there nobody starts; with the last, everybody does."""
    said = {"farthing.dev/gang": "32"}
    await create(site, "batch/v1", "jobs", job("train", 31, said))
    await all_held(site, 31, "the pods of Job/train start together, and there are 31 of 32")
    change = {"spec": {"parallelism": 32, "completions": 32}}
    await site.connection.patch(f"/apis/batch/v1/namespaces/{site.namespace}/jobs/train", change)
    await run(site, 32)
    at = {condition(pod)["lastTransitionTime"] for pod in await site.pods()}
    assert len(at) <= 3, f"they were placed over {len(at)} seconds"


@pytest.mark.cluster
async def test_a_gang_for_which_there_is_no_room_holds_nothing_and_smaller_ones_pass(site):
    said = {"farthing.dev/gang": "60", "farthing.dev/gpu": "1"}
    await create(site, "batch/v1", "jobs", job("large", 60, said))
    await all_held(site, 60, "60 are wanted, and")
    await site.submit("small", "8")
    await site.running("small")


@pytest.mark.cluster
async def test_a_member_that_is_lost_is_replaced_in_its_gangs_place(site):
    await create(site, "batch/v1", "jobs", job("train", 4, {"farthing.dev/gang": "4"}))
    await run(site, 4)
    lost = (await site.pods())[0]["metadata"]["name"]
    await site.connection.delete(site.pods_path(lost))

    async def replaced():
        names = {pod["metadata"]["name"] for pod in await site.pods()}
        return lost not in names and len(names) == 4

    await eventually(replaced, "the Job has made another")
    await run(site, 4)


@pytest.mark.cluster
async def test_pods_of_a_jobset_start_together(site):
    path = await crd(site, "jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets")
    try:
        jobs = [
            {"name": name, "replicas": 1, "template": {"spec": {"parallelism": count, "completions": count}}}
            for name, count in (("leader", 1), ("workers", 3))
        ]
        body = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "set"}}
        made = await create(site, "jobset.x-k8s.io/v1alpha2", "jobsets", {**body, "spec": {"replicatedJobs": jobs}})
        uid = made["metadata"]["uid"]
        owner = {"apiVersion": body["apiVersion"], "kind": "JobSet", "name": "set", "uid": uid, "controller": True}

        def member(name, index, count):
            labels = {
                "jobset.sigs.k8s.io/jobset-name": "set",
                "jobset.sigs.k8s.io/jobset-uid": uid,
                "jobset.sigs.k8s.io/replicatedjob-name": name,
                "jobset.sigs.k8s.io/replicatedjob-replicas": "1",
                "jobset.sigs.k8s.io/job-index": "0",
                "jobset.sigs.k8s.io/job-global-index": str(index),
                "jobset.sigs.k8s.io/global-replicas": "2",
                "jobset.sigs.k8s.io/restart-attempt": "0",
            }
            return job(f"set-{name}-0", count, labels=labels, owner=owner)

        await create(site, "batch/v1", "jobs", member("leader", 0, 1))
        await all_held(site, 1, "1 of 1 leader, 0 of 3 workers")
        await create(site, "batch/v1", "jobs", member("workers", 1, 3))
        await run(site, 4)
    finally:
        await site.connection.delete(path)


@pytest.mark.cluster
async def test_each_group_of_a_leader_worker_set_starts_together(site):
    path = await crd(site, "leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets")
    try:
        body = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": "llm"}}
        spec = {"replicas": 1, "leaderWorkerTemplate": {"size": 3}}
        await create(site, "leaderworkerset.x-k8s.io/v1", "leaderworkersets", {**body, "spec": spec})

        def pods(name, count, start, **more):
            labels = {
                "leaderworkerset.sigs.k8s.io/name": "llm",
                "leaderworkerset.sigs.k8s.io/group-index": "0",
                "leaderworkerset.sigs.k8s.io/group-key": "689ce1b5",
                **more,
            }
            spec = {
                "replicas": count,
                "ordinals": {"start": start},
                "podManagementPolicy": "Parallel",
                "serviceName": "llm",
                "selector": {"matchLabels": labels},
                "template": template({"leaderworkerset.sigs.k8s.io/size": "3"}, labels),
            }
            return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}

        leader = pods("llm", 1, 0, **{"leaderworkerset.sigs.k8s.io/worker-index": "0"})
        await create(site, "apps/v1", "statefulsets", leader)
        await all_held(site, 1, "1 of 1 leader, 0 of 2 worker")
        await create(site, "apps/v1", "statefulsets", pods("llm-0", 2, 1, role="worker"))
        await run(site, 3)
    finally:
        await site.connection.delete(path)


@pytest.mark.cluster
async def test_two_gangs_that_come_together_start_one_after_the_other(site):
    """Each fits alone and both do not: never do both hold something and wait."""
    said = {"farthing.dev/gang": "30", "farthing.dev/gpu": "1"}
    await asyncio.gather(*(create(site, "batch/v1", "jobs", job(name, 30, said)) for name in ("one", "two")))

    async def decided():
        held = {}
        for pod in await site.pods():
            name = pod["metadata"]["labels"]["job-name"]
            held.setdefault(name, set()).add(condition(pod).get("reason", ""))
        return sorted(map(sorted, held.values())) == [["GangWaiting"], ["Placed"]]

    await eventually(decided, "one gang has all and the other nothing", 60)
    first = next(
        p["metadata"]["labels"]["job-name"] for p in await site.pods() if condition(p).get("reason") == "Placed"
    )
    delete = {"propagationPolicy": "Background"}
    await site.connection.delete(f"/apis/batch/v1/namespaces/{site.namespace}/jobs/{first}", delete)
    await run(site, 30)
