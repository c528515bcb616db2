"""Taking Farthing out: first the policies, so that nothing new waits; then whoever waits is let go; the rest last."""

from typing import Any, Final, NamedTuple

from farthing.api.manifests import manifests
from farthing.api.names import GATE
from farthing.cli.applying import Step, delete, delete_all, policies_gone
from farthing.kube.connection import Connection, Json
from farthing.kube.resources import TEAMS
from farthing.model.ask import TEMPLATE_PREFIX, ask_of_template
from farthing.model.cluster import is_our_class
from farthing.model.errors import ConflictError, NotFoundError

_PODS: Final = "/api/v1/pods"
_CLAIMS: Final = "/apis/resource.k8s.io/v1/resourceclaims"
_TEMPLATES: Final = "/apis/resource.k8s.io/v1/resourceclaimtemplates"
_POLICIES: Final = ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy")


class Survey(NamedTuple):
    """Whom uninstalling concerns: pods at our gate, claims on our device classes that hold devices, and teams."""

    waiting: list[str]
    holding: list[str]
    teams: list[str]

    @property
    def concerned(self) -> bool:
        """True where somebody is."""
        return bool(self.waiting or self.holding or self.teams)


async def survey(connection: Connection) -> Survey:
    """Look, and change nothing."""
    claims, _ = await connection.list_all(_CLAIMS)
    return Survey(
        waiting=sorted(_name(pod) for pod in await _gated(connection)),
        holding=sorted(_name(c) for c in claims if c.get("status", {}).get("allocation") and _ours(c)),
        teams=sorted(await _teams(connection)),
    )


async def _teams(connection: Connection) -> list[str]:
    """The names of all teams; none where there is no such type."""
    try:
        found, _ = await connection.list_all(TEAMS.path)
    except NotFoundError:
        return []
    return [team["metadata"]["name"] for team in found]


async def remove(connection: Connection) -> list[Step]:
    """Take everything out, in an order in which nothing is stuck at any moment; safe to run again."""
    objects = list(reversed(manifests()))
    policies = [found for found in objects if found["kind"].startswith(_POLICIES)]
    rest = [found for found in objects if not found["kind"].startswith(_POLICIES)]
    steps = await delete_all(connection, policies)
    await policies_gone(connection)
    steps += [await _open(connection, pod) for pod in await _gated(connection)]
    steps += await _delete_templates(connection)
    return steps + await delete_all(connection, rest)


async def _gated(connection: Connection) -> list[Json]:
    pods, _ = await connection.list_all(_PODS)
    return [pod for pod in pods if GATE in _gates(pod) and not pod["metadata"].get("deletionTimestamp")]


async def _open(connection: Connection, pod: Json) -> Step:
    """Take the gate away; where somebody else changed the pod's gates since we looked, look again."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    try:
        while GATE in _gates(pod):
            gate = f"/spec/schedulingGates/{_gates(pod).index(GATE)}"
            change = [{"op": "test", "path": f"{gate}/name", "value": GATE}, {"op": "remove", "path": gate}]
            try:
                pod = await connection.patch(path, change, "json-patch")
            except ConflictError:
                pod = await connection.get(path)
    except NotFoundError:
        return Step("Pod", _name(pod), "absent")
    return Step("Pod", _name(pod), "changed")


async def _delete_templates(connection: Connection) -> list[Step]:
    """Delete the templates that were made from asks, known by their names; their namespace may be going meanwhile."""
    steps: list[Step] = []
    found, _ = await connection.list_all(_TEMPLATES)
    for template in found:
        name, namespace = template["metadata"]["name"], template["metadata"]["namespace"]
        if name.startswith(TEMPLATE_PREFIX) and ask_of_template(name) is not None:
            path = f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates/{name}"
            steps.append(Step("ResourceClaimTemplate", f"{namespace}/{name}", await delete(connection, path)))
    return steps


def _gates(pod: Json) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates") or []]


def _name(found: Json) -> str:
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def _ours(claim: Json) -> bool:
    requests: list[dict[str, Any]] = claim["spec"].get("devices", {}).get("requests") or []
    named = [part for request in requests for part in (request.get("exactly"), *(request.get("firstAvailable") or []))]
    return any(is_our_class(part["deviceClassName"]) for part in named if part)
