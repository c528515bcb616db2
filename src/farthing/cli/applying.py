"""Puts manifests into a cluster and takes them out again: paths, server-side apply, deletion, waiting.

Used by `install`, `uninstall` and `up`. Everything here may be run again: what is there already stays as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from farthing.api.names import DEVICE_CLASS, FIELD_MANAGER, GATE
from farthing.kube.connection import Connection, Json
from farthing.model.ask import GPU
from farthing.model.errors import ConflictError, FarthingError, NotFoundError, PermanentError, TransientError

Outcome = Literal["created", "changed", "unchanged", "kept", "deleted", "absent"]

PATIENCE: Final = 60.0
"""Seconds to wait until the API server follows its own policies and types; it takes one or two."""

_PAUSE: Final = 0.2

_PATHS: Final = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "DriverProfile": "/apis/farthing.dev/v1/driverprofiles",
    "TeamTree": "/apis/farthing.dev/v1/teamtrees",
    "DeviceClass": "/apis/resource.k8s.io/v1/deviceclasses",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
}


@dataclass(frozen=True)
class Step:
    """What became of one object."""

    kind: str
    name: str
    outcome: Outcome


def path_of(found: Json) -> str:
    """Where the API server keeps an object."""
    metadata = found["metadata"]
    return f"{_PATHS[found['kind']]}/{metadata['name']}".replace("{namespace}", metadata.get("namespace", ""))


async def apply_all(connection: Connection, wanted: list[Json]) -> list[Step]:
    """Apply objects in their order; an error says how far it came and that another run goes on from there."""
    steps: list[Step] = []
    for found in wanted:
        try:
            steps.append(await _apply(connection, found))
        except FarthingError as error:
            raise _interrupted(error, "applied", len(steps), len(wanted), found) from error
    return steps


async def delete_all(connection: Connection, unwanted: Iterable[Json]) -> list[Step]:
    """Delete objects in the order given; those that are not there are fine."""
    steps: list[Step] = []
    todo = list(unwanted)
    for found in todo:
        try:
            steps.append(await _delete(connection, found))
        except FarthingError as error:
            raise _interrupted(error, "deleted", len(steps), len(todo), found) from error
    return steps


def _interrupted(error: FarthingError, done: str, count: int, total: int, found: Json) -> FarthingError:
    message = (
        f"{count} of {total} objects are {done}; then {found['kind']} {found['metadata']['name']} failed: {error}. "
        "Running the same command again is safe and goes on from there"
    )
    return TransientError(message, error.retry_after) if isinstance(error, TransientError) else PermanentError(message)


async def _apply(connection: Connection, wanted: Json) -> Step:
    path = path_of(wanted)
    await _gone(connection, path, unless_alive=True)
    before = await _found(connection, path)
    # A person may have tuned a driver's profile; what is theirs stays theirs.
    params = {"fieldManager": FIELD_MANAGER, "force": "false" if wanted["kind"] == "DriverProfile" else "true"}
    try:
        after = await connection.patch(path, wanted, "apply-patch", params)
    except ConflictError:
        return Step(wanted["kind"], wanted["metadata"]["name"], "kept")
    if wanted["kind"] == "CustomResourceDefinition":
        await _established(connection, path)
    outcome: Outcome = "created" if before is None else "unchanged" if _said(before) == _said(after) else "changed"
    return Step(wanted["kind"], wanted["metadata"]["name"], outcome)


async def _found(connection: Connection, path: str) -> Json | None:
    try:
        return await connection.get(path)
    except NotFoundError:
        return None


def _said(found: Json) -> Json:
    """An object without what Kubernetes keeps book of by itself, and may change while we look."""
    book = ("managedFields", "resourceVersion", "generation")
    metadata = {name: value for name, value in found["metadata"].items() if name not in book}
    return {name: value for name, value in found.items() if name != "status"} | {"metadata": metadata}


async def _delete(connection: Connection, unwanted: Json) -> Step:
    path = path_of(unwanted)
    outcome = await delete(connection, path)
    if outcome == "deleted":
        await _gone(connection, path)
    return Step(unwanted["kind"], unwanted["metadata"]["name"], outcome)


async def delete(connection: Connection, path: str) -> Outcome:
    """Delete what is at a path, without waiting for its end; what went meanwhile, or never was, is absent."""
    try:
        await connection.delete(path)
    except NotFoundError:
        return "absent"
    return "deleted"


async def _gone(connection: Connection, path: str, *, unless_alive: bool = False) -> None:
    """Wait for the end of what is being deleted: a namespace, or a type, goes only after what is in it."""

    async def remains() -> str:
        try:
            metadata = (await connection.get(path))["metadata"]
        except NotFoundError:
            return ""
        return "" if unless_alive and "deletionTimestamp" not in metadata else "it is still there"

    await until(f"{path.rpartition('/')[2]} is deleted", remains)


async def _established(connection: Connection, path: str) -> None:
    async def served() -> str:
        conditions = (await connection.get(path)).get("status", {}).get("conditions") or []
        states = {condition["type"]: condition for condition in conditions}
        established = states.get("Established", {})
        return "" if established.get("status") == "True" else established.get("message", "it is not established yet")

    await until("the API server serves the new type", served)


# Waiting ----------------------------------------------------------------------------------------------------------


async def until(what: str, missing: Callable[[], Awaitable[str]]) -> None:
    """Ask `missing` again and again until it answers "" (nothing); TransientError when patience is over."""
    said = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while said := await missing():  # noqa: ASYNC110 - what is awaited happens in another program
                await asyncio.sleep(_PAUSE)
    except TimeoutError as error:
        raise TransientError(f"waited {PATIENCE:.0f} seconds until {what}, in vain: {said}; try again") from error


async def policies_in_force(connection: Connection) -> None:
    """Wait until the API server does what the new policies say; it learns of them a moment after they are stored."""
    await until("the policies take effect", lambda: _unheeded(connection))


async def policies_gone(connection: Connection) -> None:
    """Wait until the API server has forgotten the policies."""

    async def heeded() -> str:
        return "" if await _accepted(connection, _deployment("wrong")) is not None else "wrong asks are still refused"

    await until("the policies are forgotten", heeded)


async def _unheeded(connection: Connection) -> str:
    """The first policy that is not yet followed, as seen by creating things for show (dry run); "" if none."""
    if await _accepted(connection, _deployment("wrong")) is not None:
        return "wrong asks are not refused yet"
    claim = await _accepted(connection, _CLAIM)
    if claim is None or not claim["metadata"].get("finalizers"):
        return "claims are not protected yet"
    try:
        pod = await connection.create(_PODS, _POD, _FOR_SHOW)
    except FarthingError as error:
        return f"a pod that asks for a GPU is refused: {error}"
    gates = [gate["name"] for gate in pod["spec"].get("schedulingGates", [])]
    return "" if GATE in gates else "pods that ask are not gated yet"


async def _accepted(connection: Connection, wanted: Json) -> Json | None:
    """What the API server would make of an object; None where a policy refuses it."""
    paths = {"Deployment": "/apis/apps/v1/namespaces/default/deployments", "ResourceClaim": _CLAIMS}
    try:
        return await connection.create(paths[wanted["kind"]], wanted, _FOR_SHOW)
    except FarthingError as error:
        if "denied request" in str(error):
            return None
        raise


_FOR_SHOW: Final = {"dryRun": "All"}
_PODS: Final = "/api/v1/namespaces/default/pods"
_CLAIMS: Final = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
_CLAIM: Final[Json] = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "ResourceClaim",
    "metadata": {"generateName": "farthing-probe-"},
    "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": DEVICE_CLASS}}]}},
}


def _pod_template(amount: str) -> Json:
    """A pod that even a strict namespace lets in: nothing is created, but all of admission looks at it."""
    container: dict[str, Any] = {
        "name": "probe",
        "image": "none",
        "resources": {"limits": {"cpu": "1m", "memory": "4Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "metadata": {"labels": {"app": "farthing-probe"}, "annotations": {GPU: amount}},
        "spec": {"containers": [container], "securityContext": security},
    }


def _deployment(amount: str) -> Json:
    spec = {"selector": {"matchLabels": {"app": "farthing-probe"}}, "template": _pod_template(amount)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"generateName": "farthing-probe-"},
        "spec": spec,
    }


_POD: Final[Json] = _pod_template("1") | {"apiVersion": "v1", "kind": "Pod"}
_POD["metadata"] = {**_POD["metadata"], "generateName": "farthing-probe-"}
