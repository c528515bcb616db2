"""Which gang a pod is of, by what the controllers that make gangs write on their pods; and how large those gangs are."""

import msgspec
import pytest

from farthing.kube.resources import GROUPS, PODS
from farthing.kube.watch import Inbox
from farthing.model.cluster import Key
from farthing.model.errors import InvalidError
from farthing.model.gang import (
    GANG,
    GANG_NAME,
    TOPOLOGY,
    Member,
    Role,
    Topology,
    parse_name,
    parse_size,
    parse_topology,
)
from farthing.model.group import Group
from farthing.model.plan import Gone, Listed, Seen
from farthing.state.world import World
from tests.builders import OWN_CLASS


def pod(owner=None, annotations=None, **labels):
    references = [{"kind": owner[0], "name": owner[1], "uid": "u-1", "controller": True}] if owner else []
    meta = {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": "5", "ownerReferences": references}
    meta |= {
        "labels": {key.replace("__", "/"): value for key, value in labels.items()},
        "annotations": annotations or {},
    }
    return PODS.thing(msgspec.json.encode({"metadata": meta, "spec": {"containers": []}, "status": {}}))


def group(kind, spec):
    meta = {"name": "it", "namespace": "ns", "resourceVersion": "7"}
    resource = next(r for r in GROUPS if r.prefix == f"{kind}/")
    return resource.thing(msgspec.json.encode({"metadata": meta, "spec": spec}))


def test_a_pod_of_a_jobset():
    labels = {
        "jobset.sigs.k8s.io/jobset-name": "train",
        "jobset.sigs.k8s.io/jobset-uid": "js-1",
        "jobset.sigs.k8s.io/replicatedjob-name": "workers",
        "jobset.sigs.k8s.io/global-replicas": "3",
    }
    found = pod(("Job", "train-workers-0"), **labels).gang
    assert found == Member("JobSet/train/js-1", "JobSet/train", "workers", group="JobSet/train")


def test_a_jobset_has_as_many_pods_as_its_jobs_run_at_once():
    jobs = [
        {"name": "leader", "template": {"spec": {}}},
        {"name": "workers", "replicas": 2, "template": {"spec": {"parallelism": 4, "completions": 3}}},
    ]
    assert group("JobSet", {"replicatedJobs": jobs}).roles == (Role("leader", 1, 1), Role("workers", 6, 6))
    ordered = {"replicatedJobs": jobs, "startupPolicy": {"startupPolicyOrder": "InOrder"}}
    assert group("JobSet", ordered).in_turn
    waits = [jobs[0], {**jobs[1], "dependsOn": [{"name": "leader", "status": "Ready"}]}]
    assert group("JobSet", {"replicatedJobs": waits}).in_turn


def test_each_group_of_a_leader_worker_set_is_a_gang():
    labels = {
        "leaderworkerset.sigs.k8s.io/name": "llm",
        "leaderworkerset.sigs.k8s.io/group-index": "1",
        "leaderworkerset.sigs.k8s.io/group-key": "abc",
    }
    leader = pod(("StatefulSet", "llm"), **labels, **{"leaderworkerset.sigs.k8s.io/worker-index": "0"}).gang
    worker = pod(("StatefulSet", "llm-1"), **labels, **{"leaderworkerset.sigs.k8s.io/worker-index": "2"}).gang
    assert (leader.id, leader.role, leader.name) == ("abc", "leader", "LeaderWorkerSet/llm group 1")
    assert (worker.id, worker.role, worker.group) == ("abc", "worker", "LeaderWorkerSet/llm")
    found = group("LeaderWorkerSet", {"replicas": 3, "leaderWorkerTemplate": {"size": 4}})
    assert (found.roles, found.in_turn) == ((Role("leader", 1, 1), Role("worker", 3, 3)), False)
    later = {"leaderWorkerTemplate": {"size": 4}, "startupPolicy": "LeaderReady"}
    assert group("LeaderWorkerSet", later).in_turn


def test_a_ray_cluster_is_its_head_and_its_workers():
    head = pod(("RayCluster", "ray"), **{"ray.io/group": "headgroup"}).gang
    assert (head.id, head.role, head.group) == ("u-1", "headgroup", "RayCluster/ray")
    workers = [
        {"groupName": "gpu", "replicas": 4, "minReplicas": 2, "numOfHosts": 2},
        {"groupName": "off", "suspend": True},
    ]
    assert group("RayCluster", {"workerGroupSpecs": workers}).roles == (Role("headgroup", 1, 1), Role("gpu", 8, 8))
    scaled = {"workerGroupSpecs": workers, "enableInTreeAutoscaling": True}
    assert group("RayCluster", scaled).roles[1] == Role("gpu", 4, 8)


def test_kubeflows_training_jobs_by_their_replicas():
    found = pod(("PyTorchJob", "train"), **{"training.kubeflow.org/replica-type": "Worker"}).gang
    assert (found.id, found.role, found.group) == ("u-1", "worker", "PyTorchJob/train")
    replicas = {"Master": {"replicas": 1}, "Worker": {"replicas": 4}}
    spec = {"pytorchReplicaSpecs": replicas}
    assert group("PyTorchJob", spec).roles == (Role("master", 1, 1), Role("worker", 4, 4))
    assert group("PyTorchJob", spec | {"elasticPolicy": {"minReplicas": 2}}).roles[1] == Role("worker", 2, 4)
    least = {"runPolicy": {"schedulingPolicy": {"minAvailable": 4}}}
    assert group("PyTorchJob", spec | least).roles == (Role("master", 1, 1), Role("worker", 3, 4))
    mpi = {"mpiReplicaSpecs": {"Launcher": {"replicas": 1}, "Worker": {"replicas": 2}}}
    assert group("MPIJob", mpi).roles == (Role("worker", 2, 2),)


def test_a_plain_job_is_a_gang_only_where_it_says_so():
    assert pod(("Job", "bag")).gang is None
    assert pod(("Job", "train"), {GANG: "8"}).gang == Member("u-1", "Job/train", size=(8, 8))
    assert pod(("Job", "train"), {GANG: "4-8"}).gang.size == (4, 8)


def test_what_a_pod_says_counts_for_more_than_what_made_it():
    labels = {"ray.io/group": "gpu"}
    assert pod(("RayCluster", "ray"), {GANG: "1"}, **labels).gang is None
    assert pod(("RayCluster", "ray"), {GANG: "2"}, **labels).gang == Member("u-1", "RayCluster/ray", size=(2, 2))


def test_pods_of_several_makers_are_a_gang_by_name():
    said = {GANG: "3", GANG_NAME: "both"}
    assert pod(("Job", "a"), said).gang == pod(None, said).gang == Member("named/both", "both", size=(3, 3))


def test_a_lone_pod_must_say_whom_it_is_with():
    assert GANG_NAME in pod(None, {GANG: "3"}).fault


def test_how_close_it_wants_to_be():
    assert pod(None, {TOPOLOGY: "required:rack preferred:nvlink"}).topology == Topology("rack", "nvlink")
    assert pod(None, {TOPOLOGY: "preferred:node"}).topology == Topology(None, "node")
    assert TOPOLOGY in pod(None, {TOPOLOGY: "near"}).fault


@pytest.mark.parametrize("text", ["0", "8-4", "-1", "a", "1.5", "00", "99999", "4-", " 4", ""])
def test_wrong_sizes_are_refused_by_name(text):
    with pytest.raises(InvalidError, match=GANG):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "a/b", "A", "x" * 64])
def test_wrong_names_are_refused_by_name(text):
    with pytest.raises(InvalidError, match=GANG_NAME):
        parse_name(text)


@pytest.mark.parametrize(
    "text", ["", "rack", "required", "required:zone", "preferred:rack required:node", "required:rack  "]
)
def test_wrong_closeness_is_refused_by_name(text):
    with pytest.raises(InvalidError, match=TOPOLOGY):
        parse_topology(text)


def test_kinds_that_become_one_noun_do_not_lose_each_others_objects():
    world, found = World(), group("JobSet", {})
    other = group("RayCluster", {})
    for thing in (OWN_CLASS, found, other):
        world.fold(Seen(thing), 0.0)
    world.fold(Listed(Group, (), 9, "JobSet/"), 1.0)
    assert [thing.key for thing in world.all(Group)] == [Key("ns", "RayCluster/it")]


def test_an_object_that_is_gone_is_told_by_its_kind():
    inbox = Inbox(pytest.fail)
    resource = next(r for r in GROUPS if r.prefix == "JobSet/")
    meta = {"name": "it", "namespace": "ns", "resourceVersion": "9"}
    inbox.put(resource, msgspec.json.encode({"type": "DELETED", "object": {"metadata": meta}}))
    assert list(inbox.drain()) == [Gone(Group, Key("ns", "JobSet/it"), 9)]
