"""Teams for the tests of this folder, and a stand-in for the spoke that writes the tree of them."""

import itertools
from typing import Any

from farthing.kube.connection import Connection
from farthing.kube.resources import TEAMS, team_path
from farthing.kube.teams import lookup, write_tree
from farthing.kube.watch import read_list
from farthing.model.cluster import Key
from farthing.model.errors import InvalidError
from farthing.model.plan import Seen
from farthing.model.team import Team
from farthing.state.world import World
from tests.api.objects import DRY, Json, eventually

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def team(name: str, parent: str | None = None, h100: Any = None, **spec: Any) -> Json:
    """A Team; `h100` is what it has of that class."""
    if h100 is not None:
        spec["compute"] = [{"deviceClass": "H100", "amount": h100}]
    if parent is not None:
        spec["parent"] = parent
    return {"apiVersion": "farthing.dev/v1", "kind": "Team", "metadata": {"name": name}, "spec": spec}


async def add(connection: Connection, name: str, parent: str | None = None, h100: Any = None, **spec: Any) -> Json:
    return await connection.create(TEAMS.path, team(name, parent, h100, **spec))


async def world_of(connection: Connection) -> World:
    """What the spoke believes of the teams that are there."""
    world = World()
    for item in read_list(await connection.request("GET", TEAMS.path)).items:
        world.fold(Seen(TEAMS.thing(item)), 0.0)
    return world


_NUMBERS = itertools.count()


async def tend(spoke: Connection, admin: Connection) -> None:
    """What the spoke does soon after a Team changed; back when admission goes by it."""
    await _write(spoke, admin, lookup((await world_of(spoke)).tree))


async def _write(spoke: Connection, admin: Connection, found: Json) -> None:
    """Write a tree and see that it has come through, by a team in it that has nothing left for another."""
    mark = f"mark-{next(_NUMBERS)}"
    one = [{"what": "compute", "deviceClass": "mark", "amount": 1000}]
    marks = {mark: {"path": [mark], "children": ["all"], "quota": one}, "all": {"path": ["all", mark], "quota": one}}
    await write_tree(spoke, found | {"teams": found["teams"] | marks})
    probe = team("probe", mark, compute=[{"deviceClass": "mark", "amount": 1}])

    async def refused() -> bool:
        try:
            await admin.create(TEAMS.path, probe, DRY)
        except InvalidError:
            return True
        return False

    await eventually(refused)


async def clear(admin: Connection, spoke: Connection) -> None:
    """No teams, and nothing governed."""
    await _write(spoke, admin, lookup(None))
    for found in (await world_of(admin)).all(Team):
        await admin.delete(team_path(found.name))
    await write_tree(spoke, lookup(None))

    async def free() -> bool:
        items, _ = await admin.list_all("/apis/farthing.dev/v1/teamtrees")
        return not any(item["teams"] for item in items)

    await eventually(free)


async def bind(admin: Connection, account: Key, role: str, namespace: str = "") -> None:
    """Give a service account a cluster role, in one namespace or everywhere."""
    kind, path = (
        ("RoleBinding", f"{RBAC}/namespaces/{namespace}/rolebindings")
        if namespace
        else ("ClusterRoleBinding", f"{RBAC}/clusterrolebindings")
    )
    await admin.create(
        path,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": {"generateName": "test-"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}],
        },
    )


async def role(admin: Connection, name: str, *rules: Json) -> str:
    """A cluster role with these rules."""
    manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": list(rules),
    }
    await admin.patch(f"{RBAC}/clusterroles/{name}", manifest, "apply-patch", {"fieldManager": "test", "force": "true"})
    return name


def on_teams(verb: str, *names: str) -> Json:
    """A rule: this verb on these teams."""
    rule: Json = {"apiGroups": ["farthing.dev"], "resources": ["teams"], "verbs": [verb]}
    return rule | ({"resourceNames": list(names)} if names else {})
