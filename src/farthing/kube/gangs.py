"""Which gang a pod belongs to, and how large the gangs are that workloads make.

A pod says it by our annotations; otherwise by the owner and the labels that its maker's controller gives it, and the
maker itself says how many there are. Of each maker only counts are read. Where the names are from:

    JobSet           jobset.sigs.k8s.io, api/jobset/v1alpha2/jobset_types.go: jobset-name, jobset-uid,
                     replicatedjob-name; spec.replicatedJobs, startupPolicy, dependsOn. TrainJobs make JobSets.
    LeaderWorkerSet  lws.sigs.k8s.io, reference of labels: name, group-key, worker-index; startupPolicy,
                     spec.leaderWorkerTemplate.size. Each of its groups is a gang.
    RayCluster       docs.ray.io: ray.io/group (headgroup for the head); headGroupSpec, workerGroupSpecs. RayJobs and
                     RayServices make RayClusters.
    PyTorchJob, ...  Kubeflow training-operator v1 and mpi-operator v2beta1: training.kubeflow.org/replica-type;
                     *ReplicaSpecs, runPolicy.schedulingPolicy.minAvailable, elasticPolicy.minReplicas

A plain Job is a gang only where its pods say so: most Jobs with parallelism are bags of tasks, each of which is glad of
any device, and to let them wait for all of them would leave devices idle.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from farthing.kube import wire
from farthing.kube.owners import controlling
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

_JOBSET: Final = "jobset.sigs.k8s.io"
_LWS: Final = "leaderworkerset.sigs.k8s.io"
_HEAD: Final = "headgroup"
_TRAINING: Final = "training.kubeflow.org/replica-type"


def gang_of(meta: wire.Meta) -> tuple[Member | None, Topology | None, str]:
    """The gang of a pod, how close it wants to be, and a sentence where what it says of that cannot be read."""
    said = meta.annotations or {}
    try:
        topology = parse_topology(said[TOPOLOGY]) if TOPOLOGY in said else None
        return _member(meta, said), topology, ""
    except InvalidError as error:
        return None, None, str(error)


def _member(meta: wire.Meta, said: Mapping[str, str]) -> Member | None:
    owner = controlling(meta)
    named = parse_name(said[GANG_NAME]) if GANG_NAME in said else ""
    if GANG not in said:
        return _by_maker(owner, meta.labels or {}) if owner is not None and not named else None
    size = parse_size(said[GANG])
    if size == (1, 1):
        return None
    if named:
        return Member(f"named/{named}", named, size=size)
    if owner is None:
        raise InvalidError(GANG, f"nothing has made this pod that makes others; say with {GANG_NAME} whom it is with")
    return Member(owner.uid, f"{owner.kind}/{owner.name}", size=size)


def _by_maker(owner: wire.OwnerReference, labels: Mapping[str, str]) -> Member | None:
    """The gang of a pod by its owner and the labels of what made that."""
    if owner.kind == "Job" and (name := labels.get(f"{_JOBSET}/jobset-name")):
        group, id_ = f"JobSet/{name}", labels.get(f"{_JOBSET}/jobset-uid", "")
        return Member(f"{group}/{id_}", group, labels.get(f"{_JOBSET}/replicatedjob-name", ""), group=group)
    if owner.kind == "StatefulSet" and (name := labels.get(f"{_LWS}/name")):
        role = "leader" if labels.get(f"{_LWS}/worker-index") == "0" else "worker"
        called = f"LeaderWorkerSet/{name} group {labels.get(f'{_LWS}/group-index', '')}"
        return Member(labels.get(f"{_LWS}/group-key", called), called, role, group=f"LeaderWorkerSet/{name}")
    if owner.kind not in MAKERS:
        return None
    group = f"{owner.kind}/{owner.name}"
    role = labels.get("ray.io/group", "") if owner.kind == "RayCluster" else labels.get(_TRAINING, "").lower()
    return Member(owner.uid, group, role, group=group)


# What makes them --------------------------------------------------------------------------------------------------


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """Field names are the makers' own in lower_case; null and absent both mean the default."""


class _Order(_Wire):
    startup_policy_order: str = ""


class _JobSpec(_Wire):
    parallelism: int | None = None
    completions: int | None = None


class _JobTemplate(_Wire):
    spec: _JobSpec = msgspec.field(default_factory=_JobSpec)


class _ReplicatedJob(_Wire):
    name: str = ""
    replicas: int = 1
    template: _JobTemplate = msgspec.field(default_factory=_JobTemplate)
    depends_on: list[Any] | None = None


class _JobSetSpec(_Wire):
    replicated_jobs: list[_ReplicatedJob] | None = None
    startup_policy: _Order | None = None


class _JobSet(_Wire):
    metadata: wire.Meta
    spec: _JobSetSpec = msgspec.field(default_factory=_JobSetSpec)


class _LeaderWorkerTemplate(_Wire):
    size: int | None = 1


class _LeaderWorkerSpec(_Wire):
    leader_worker_template: _LeaderWorkerTemplate = msgspec.field(default_factory=_LeaderWorkerTemplate)
    startup_policy: str = ""


class _LeaderWorkerSet(_Wire):
    metadata: wire.Meta
    spec: _LeaderWorkerSpec = msgspec.field(default_factory=_LeaderWorkerSpec)


class _WorkerGroup(_Wire):
    group_name: str = ""
    replicas: int | None = None
    min_replicas: int | None = None
    num_of_hosts: int = 1
    suspend: bool | None = None


class _RaySpec(_Wire):
    worker_group_specs: list[_WorkerGroup] | None = None
    enable_in_tree_autoscaling: bool | None = None


class _RayCluster(_Wire):
    metadata: wire.Meta
    spec: _RaySpec = msgspec.field(default_factory=_RaySpec)


class _Scheduling(_Wire):
    min_available: int | None = None


class _RunPolicy(_Wire):
    scheduling_policy: _Scheduling | None = None


class _Elastic(_Wire):
    min_replicas: int | None = None
    max_replicas: int | None = None


class _Replicas(_Wire):
    replicas: int | None = 1


class _TrainingSpec(_Wire):
    run_policy: _RunPolicy = msgspec.field(default_factory=_RunPolicy)
    elastic_policy: _Elastic | None = None
    pytorch_replica_specs: dict[str, _Replicas] | None = None
    tf_replica_specs: dict[str, _Replicas] | None = None
    jax_replica_specs: dict[str, _Replicas] | None = None
    mpi_replica_specs: dict[str, _Replicas] | None = None


class _Training(_Wire):
    metadata: wire.Meta
    spec: _TrainingSpec = msgspec.field(default_factory=_TrainingSpec)


@dataclass(frozen=True)
class Maker:
    """A kind that makes gangs: where it is listed, its wire form, and what it means."""

    path: str
    shape: type[Any]
    group: Callable[[Any], Group]


def _group(kind: str, meta: wire.Meta, roles: Iterator[Role], *, in_turn: bool = False) -> Group:
    return Group(Key(meta.namespace, f"{kind}/{meta.name}"), int(meta.resource_version), tuple(roles), in_turn)


def _jobset(seen: _JobSet) -> Group:
    jobs, order = seen.spec.replicated_jobs or [], seen.spec.startup_policy
    in_turn = any(job.depends_on for job in jobs) or (order is not None and order.startup_policy_order == "InOrder")
    sizes = ((job.name, job.replicas * _at_once(job.template.spec)) for job in jobs)
    return _group("JobSet", seen.metadata, (Role(name, size, size) for name, size in sizes), in_turn=in_turn)


def _at_once(job: _JobSpec) -> int:
    """How many pods of a Job run at the same time."""
    parallelism = 1 if job.parallelism is None else job.parallelism
    return parallelism if job.completions is None else min(parallelism, job.completions)


def _leader_worker_set(seen: _LeaderWorkerSet) -> Group:
    workers = (seen.spec.leader_worker_template.size or 1) - 1
    roles = iter((Role("leader", 1, 1), Role("worker", workers, workers)))
    return _group("LeaderWorkerSet", seen.metadata, roles, in_turn=seen.spec.startup_policy == "LeaderReady")


def _ray_cluster(seen: _RayCluster) -> Group:
    """The head and its workers; where Ray's autoscaler decides how many, only as many as there are at the least."""
    elastic = bool(seen.spec.enable_in_tree_autoscaling)
    workers = (_workers(group, elastic) for group in seen.spec.worker_group_specs or () if not group.suspend)
    return _group("RayCluster", seen.metadata, iter((Role(_HEAD, 1, 1), *workers)))


def _workers(group: _WorkerGroup, elastic: bool) -> Role:
    least = group.min_replicas or 0
    most = least if group.replicas is None else max(group.replicas, least)
    return Role(group.group_name, (least if elastic else most) * group.num_of_hosts, most * group.num_of_hosts)


def _training(kind: str) -> Callable[[_Training], Group]:
    def group(seen: _Training) -> Group:
        spec = seen.spec
        named = spec.pytorch_replica_specs or spec.tf_replica_specs or spec.jax_replica_specs or spec.mpi_replica_specs
        # the launcher of an MPIJob is a Job's pod, which starts its workers when it runs
        sizes = {role.lower(): made.replicas for role, made in (named or {}).items() if role != "Launcher"}
        return _group(kind, seen.metadata, _roles({r: 1 if n is None else n for r, n in sizes.items()}, spec))

    return group


def _roles(sizes: dict[str, int], spec: _TrainingSpec) -> Iterator[Role]:
    """The roles of a training job. What it can do without is taken from its workers."""
    policy, elastic = spec.run_policy.scheduling_policy, spec.elastic_policy
    workers = sizes.get("worker", 0)
    least = workers
    if policy is not None and policy.min_available is not None:
        least = policy.min_available - (sum(sizes.values()) - workers)
    elif elastic is not None and elastic.min_replicas is not None:
        least = elastic.min_replicas
    for role, size in sizes.items():
        yield Role(role, min(max(0, least), size) if role == "worker" else size, size)


MAKERS: Final = {
    "JobSet": Maker("/apis/jobset.x-k8s.io/v1alpha2/jobsets", _JobSet, _jobset),
    "LeaderWorkerSet": Maker(
        "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets", _LeaderWorkerSet, _leader_worker_set
    ),
    "RayCluster": Maker("/apis/ray.io/v1/rayclusters", _RayCluster, _ray_cluster),
    "PyTorchJob": Maker("/apis/kubeflow.org/v1/pytorchjobs", _Training, _training("PyTorchJob")),
    "TFJob": Maker("/apis/kubeflow.org/v1/tfjobs", _Training, _training("TFJob")),
    "JAXJob": Maker("/apis/kubeflow.org/v1/jaxjobs", _Training, _training("JAXJob")),
    "MPIJob": Maker("/apis/kubeflow.org/v2beta1/mpijobs", _Training, _training("MPIJob")),
}
"""What makes gangs, by its kind."""
