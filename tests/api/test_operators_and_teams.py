"""What operators make pods of is looked at when a person writes it, as Kubernetes' own workloads are."""

from collections.abc import Callable

import pytest

from farthing.cli.applying import apply_all, delete_all
from farthing.model.ask import GPU
from farthing.model.cluster import Key
from tests.api.company import a_company, of, refusal
from tests.api.objects import DRY, Json
from tests.api.teams import bind, role

pytestmark = pytest.mark.cluster

OPERATORS: dict[tuple[str, str, str, str], Callable[[Json], Json]] = {
    ("jobset.x-k8s.io", "v1", "JobSet", "jobsets"): lambda t: {
        "replicatedJobs": [{"template": {"spec": {"template": t}}}]
    },
    ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets"): lambda t: {
        "leaderWorkerTemplate": {"workerTemplate": t}
    },
    ("ray.io", "v1", "RayCluster", "rayclusters"): lambda t: {
        "headGroupSpec": {"template": {"spec": {}}},
        "workerGroupSpecs": [{"template": t}],
    },
    ("ray.io", "v1", "RayJob", "rayjobs"): lambda t: {"rayClusterSpec": {"headGroupSpec": {"template": t}}},
    ("ray.io", "v1", "RayService", "rayservices"): lambda t: {
        "rayClusterConfig": {"workerGroupSpecs": [{"template": t}]}
    },
    ("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs"): lambda t: {
        "pytorchReplicaSpecs": {"Master": {"template": {"spec": {}}}, "Worker": {"template": t}}
    },
    ("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs"): lambda t: t["metadata"],
    ("argoproj.io", "v1alpha1", "Workflow", "workflows"): lambda t: {"templates": [{"name": "a"}, t]},
    ("argoproj.io", "v1alpha1", "CronWorkflow", "cronworkflows"): lambda t: {"workflowSpec": {"templates": [t]}},
    ("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"): lambda t: {"predictor": t["metadata"]},
}
"""Kinds of others, as they hold the template of their pods."""


def _type(group: str, version: str, kind: str, plural: str) -> Json:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    metadata = {
        "name": f"{plural}.{group}",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
    }
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [served]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


@pytest.fixture
async def company(admin, spoke, login):
    async with a_company(admin, spoke, login) as found:
        rule = {"apiGroups": sorted({kind[0] for kind in OPERATORS}), "resources": ["*"], "verbs": ["create"]}
        await bind(admin, Key(found.people, "alice"), await role(admin, "test-operators", rule))
        await apply_all(admin, [_type(*kind) for kind in OPERATORS])
        yield found
        await delete_all(admin, [_type(*kind) for kind in OPERATORS])


def written(of_kind: tuple[str, str, str, str], asks: bool, **labels: str) -> Json:
    """An object of the kind, with a template of pods that asks or does not."""
    group, version, kind, _ = of_kind
    template = {"metadata": {"labels": labels, "annotations": {GPU: "1"} if asks else {}}, "spec": {}}
    spec = OPERATORS[of_kind](template)
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "it"}, "spec": spec}


async def test_what_operators_make_pods_of_is_looked_at_too(company):
    async def write(namespace: str, manifest: Json, plural: str) -> str:
        path = f"/apis/{manifest['apiVersion']}/namespaces/{namespace}/{plural}"
        return await refusal(company.alice.create(path, manifest, DRY))

    for kind in OPERATORS:
        plural = kind[3]
        assert "may not use the team 'sales'" in await write(company.sales, written(kind, True), plural), kind
        strange = written(kind, True, **of("sales"))
        assert "'sales' cannot be used here" in await write(company.vision, strange, plural), kind
        assert await write(company.vision, written(kind, True, **of("detect")), plural) == "", kind
        assert await write(company.sales, written(kind, False), plural) == "", kind
