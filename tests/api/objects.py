"""Small objects for the tests of this folder, and the paths where they are created."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from farthing.kube.connection import Connection
from farthing.model.ask import GPU
from farthing.model.errors import NotFoundError

Json = dict[str, Any]

DRY = {"dryRun": "All"}


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def claims(namespace: str) -> str:
    return f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims"


def templates(namespace: str) -> str:
    return f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates"


def pod(amount: str | None = None, name: str = "p", **more: Any) -> Json:
    """A pod of two containers. `more`: annotations, labels, limits (of the first container), init (limits), spec."""
    annotations = dict(more.get("annotations", {}))
    if amount is not None:
        annotations[GPU] = amount
    first: Json = {"name": "main", "image": "none"}
    if "limits" in more:
        first["resources"] = {"limits": more["limits"]}
    spec: Json = {"containers": [first, {"name": "side", "image": "none"}], "terminationGracePeriodSeconds": 0}
    if "init" in more:
        spec["initContainers"] = [{"name": "prepare", "image": "none", "resources": {"limits": more["init"]}}]
    metadata = {"name": name, "annotations": annotations, "labels": more.get("labels", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec | more.get("spec", {})}


async def admitted(connection: Connection, namespace: str, wanted: Json) -> Json:
    """The spec that a pod would be stored with."""
    answer = await connection.create(pods(namespace), wanted, DRY)
    spec: Json = answer["spec"]
    return spec


def template_of(spec: Json, name: str = "farthing") -> str | None:
    """The claim template behind the pod's claim of that name."""
    for entry in spec.get("resourceClaims", []):
        if entry["name"] == name:
            return str(entry.get("resourceClaimTemplateName"))
    return None


def gates(spec: Json) -> list[str]:
    return [gate["name"] for gate in spec.get("schedulingGates", [])]


WORKLOADS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
}


def workload(kind: str, inner: Json) -> Json:
    """The pod as the template of a workload."""
    labels = {"app": "it"} | inner["metadata"]["labels"]
    template = {"metadata": {"annotations": inner["metadata"]["annotations"], "labels": labels}, "spec": inner["spec"]}
    selector = {"matchLabels": {"app": "it"}}
    once = template | {"spec": template["spec"] | {"restartPolicy": "Never"}}
    specs: dict[str, Json] = {
        "Job": {"template": once},
        "CronJob": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}},
        "ReplicationController": {"selector": {"app": "it"}, "template": template},
        "StatefulSet": {"selector": selector, "serviceName": "it", "template": template},
    }
    spec = specs.get(kind, {"selector": selector, "template": template})
    group = WORKLOADS[kind].split("/namespaces")[0].removeprefix("/apis/").removeprefix("/api/")
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "it"}, "spec": spec}


async def found(connection: Connection, path: str) -> Json | None:
    try:
        return await connection.get(path)
    except NotFoundError:
        return None


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` answers when it first answers something; AssertionError when it never does."""
    for _ in range(300):
        if answer := await look():
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError("it never came")
