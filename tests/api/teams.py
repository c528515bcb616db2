"""Teams for the tests of this folder, and a stand-in for the spoke that writes the tree of them."""

import itertools
from contextlib import suppress
from typing import Any

from farthing.kube.connection import Connection
from farthing.kube.resources import NAMESPACES, TEAMS, team_path
from farthing.kube.teams import drop_tenancy, lookup, read_tenancies, tenancy, write_tenancy, write_tree
from farthing.kube.watch import read_list
from farthing.model.ask import TEAM
from farthing.model.cluster import Key, Namespace
from farthing.model.errors import InvalidError, NotFoundError, PermanentError
from farthing.model.plan import Seen
from farthing.model.team import Team
from farthing.spoke.governing import LEFT_ALONE
from farthing.state.world import World
from tests.api.objects import DRY, Json, eventually, pod, pods

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def team(name: str, parent: Any = None, h100: Any = None, **spec: Any) -> Json:
    """A Team; `h100` is what it has of that class."""
    if h100 is not None:
        spec["compute"] = [{"deviceClass": "H100", "amount": h100}]
    if parent is not None:
        spec["parent"] = parent
    return {"apiVersion": "farthing.dev/v1", "kind": "Team", "metadata": {"name": name}, "spec": spec}


async def add(connection: Connection, name: str, parent: str | None = None, h100: Any = None, **spec: Any) -> Json:
    return await connection.create(TEAMS.path, team(name, parent, h100, **spec))


async def world_of(connection: Connection) -> World:
    """What the spoke believes of the teams and namespaces that are there."""
    world = World()
    for kind in (TEAMS, NAMESPACES):
        for item in read_list(await connection.request("GET", kind.path)).items:
            world.fold(Seen(kind.thing(item)), 0.0)
    return world


_NUMBERS = itertools.count()


async def tend(spoke: Connection, admin: Connection) -> None:
    """What the spoke does soon after a Team changed; back when admission goes by it."""
    world = await world_of(spoke)
    await _write(spoke, admin, lookup(world.tree))
    if world.tree is None:
        return
    names = sorted({namespace.name for namespace in world.all(Namespace)} - {*LEFT_ALONE, "default"})
    for name in (*names, "default"):  # `default` last: where admission knows that one, it knows all
        with suppress(PermanentError, NotFoundError):  # a namespace that is going takes nothing any more
            await write_tenancy(spoke, name, tenancy(world.tree, world.home_of(name)))
    await eventually(lambda: _minded(admin))


async def _minded(admin: Connection) -> bool:
    """Whether admission goes by the last tenancies: that of `default`, to which nobody gives teams."""
    try:
        await admin.create(pods("default"), pod("0.25", labels={TEAM: "nobody-s"}), DRY)
    except PermanentError:
        return True
    return False


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
    for namespace in await read_tenancies(spoke):
        await drop_tenancy(spoke, namespace)

    async def free() -> bool:
        items, _ = await admin.list_all("/apis/farthing.dev/v1/teamtrees")
        return not any(item["teams"] for item in items) and not await _minded(admin)

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
