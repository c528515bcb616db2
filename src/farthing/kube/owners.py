"""Who made a pod, as far as the pod itself says: its controller, and what the controllers' own labels name above it.

A pod of a Deployment carries the hash that its ReplicaSet's name ends in, and what makes Jobs or pods for something
larger says so in a label. A CronJob leaves no trace on pods: the meter watches Jobs for it.
"""

from functools import lru_cache
from typing import Final

from farthing.kube import wire

_HASHES: Final = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
"""Labels with the hash at the end of a ReplicaSet's name, and the kind of its owner, which has the name before it."""

_MAKERS: Final = {
    "leaderworkerset.sigs.k8s.io/name": "LeaderWorkerSet",
    "jobset.sigs.k8s.io/jobset-name": "JobSet",
    "ray.io/originated-from-cr-name": "",
    "serving.kserve.io/inferenceservice": "InferenceService",
    "workflows.argoproj.io/workflow": "Workflow",
    "tekton.dev/pipelineRun": "PipelineRun",
    "pipeline/runid": "PipelineRun",
}
"""Labels that name what a pod belongs to, the nearest first, and its kind."""

_RAY_KIND: Final = "ray.io/originated-from-crd"


def owners(meta: wire.Meta) -> tuple[str, ...]:
    """The pod's owners as Kind/name, from the nearest to the root."""
    labels = meta.labels or {}
    found = [first] if (first := controller(meta)) else []
    for label, kind in _HASHES.items():
        if found and (name := labels.get(label)) and found[0].endswith(f"-{name}"):
            found.append(f"{kind}/{found[0].partition('/')[2].removesuffix(f'-{name}')}")
    for label, kind in _MAKERS.items():
        named = f"{kind or labels.get(_RAY_KIND, 'RayCluster')}/{labels[label]}" if labels.get(label) else ""
        if named and named not in found:
            found.append(named)
    return _one(tuple(found))


@lru_cache(maxsize=10_000)
def _one(found: tuple[str, ...]) -> tuple[str, ...]:
    """The one tuple for all equal ones: pods of one Job have the same."""
    return found


def controller(meta: wire.Meta) -> str:
    """The controller of an object as Kind/name; empty where it has none."""
    owner = controlling(meta)
    return f"{owner.kind}/{owner.name}" if owner is not None else ""


def controlling(meta: wire.Meta) -> wire.OwnerReference | None:
    """The owner that controls an object; None where it has none."""
    return next((owner for owner in meta.owner_references or () if owner.controller), None)


_MADE: Final = ("job-name", "controller-uid", "controller-revision-hash", "pod-template-generation", *_HASHES)
"""Labels that controllers write without a domain; most others of theirs are of Kubernetes' domains."""


def labels(meta: wire.Meta) -> tuple[tuple[str, str], ...]:
    """What people wrote on it: its labels in order of their names, without those that controllers write."""
    return _ones(tuple(sorted((name, text) for name, text in (meta.labels or {}).items() if not _is_made(name))))


def _is_made(name: str) -> bool:
    domain = name.partition("/")[0] if "/" in name else ""
    ours = domain.endswith((".kubernetes.io", ".k8s.io")) and domain != "app.kubernetes.io"
    return ours or name in _MADE


@lru_cache(maxsize=10_000)
def _ones(found: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The one tuple for all equal ones."""
    return found
