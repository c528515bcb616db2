"""Writing down what is made of Teams: the TeamTree and the Tenancies that admission looks up, each Team's status."""

import contextlib
from typing import Final

from farthing.kube.connection import Connection, Json
from farthing.kube.convert import instant
from farthing.kube.resources import TEAMS, team_path
from farthing.model.errors import NotFoundError
from farthing.model.keep import stamp
from farthing.state.memory import Lately
from farthing.state.teams import Column, Tree

_API: Final = "/apis/farthing.dev/v1"
NAME: Final = "farthing"
"""What the TeamTree, and each namespace's Tenancy, is called."""

TREE_PATH: Final = f"{_API}/teamtrees/{NAME}"
_MANAGER: Final = "farthing-spoke"


def lookup(tree: Tree | None) -> Json:
    """Every valid team, and the team of each namespace, by name. Namespaces without a team are not among them."""
    if tree is None:
        return {"teams": {}, "namespaces": {}}
    real = [n for n in range(1, len(tree.teams)) if tree.teams[n].name not in tree.implicit]
    return {"teams": {tree.teams[n].name: _branch(tree, n) for n in real}, "namespaces": dict(tree.homes)}


def _branch(tree: Tree, n: int) -> Json:
    team = tree.teams[n]
    return {
        "path": [tree.teams[above].name for above in tree.path[n] if above],
        "children": [tree.teams[child].name for child in tree.children[n]],
        "members": list(team.members),
        "quota": [
            {"what": what, "deviceClass": name, "amount": quota.amount}
            for what, quotas in (("compute", team.compute), ("memory", team.memory))
            for name, quota in quotas
        ],
    }


def tenancy(tree: Tree, home: str) -> Json:
    """What may be used from a namespace of this team; empty: of none."""
    n = tree.index.get(home, 0) if home else 0
    below = [n] if n else []
    for team in below:
        below += tree.children[team]
    usable = {tree.teams[team].name: _usable(tree, team) for team in below}
    return {"team": home, "teams": usable}


def _usable(tree: Tree, n: int) -> Json:
    path = [tree.teams[above] for above in tree.path[n] if above]
    members = {member: None for team in path for member in team.members}
    return {"path": [team.name for team in path], "members": list(members)}


def verdict(sentence: str) -> Json:
    """The condition of a team about which this sentence is said; none means that all is well. Without its time."""
    return {
        "type": "Valid",
        "status": "False" if sentence else "True",
        "reason": "Wrong" if sentence else "Governed",
        "message": sentence[:1000],
    }


async def write_tree(connection: Connection, found: Json) -> None:
    """Make the TeamTree say this, whether it was there or not."""
    body = {
        "apiVersion": "farthing.dev/v1",
        "kind": "TeamTree",
        "metadata": {"name": NAME},
        **found,
    }
    await connection.patch(TREE_PATH, body, "apply-patch", {"fieldManager": _MANAGER, "force": "true"})


async def write_tenancy(connection: Connection, namespace: str, found: Json) -> None:
    """Make a namespace's Tenancy say this, whether it was there or not."""
    body = {"apiVersion": "farthing.dev/v1", "kind": "Tenancy", "metadata": {"name": NAME}, **found}
    path = f"{_tenancies(namespace)}/{NAME}"
    await connection.patch(path, body, "apply-patch", {"fieldManager": _MANAGER, "force": "true"})


async def drop_tenancy(connection: Connection, namespace: str) -> None:
    """Take a namespace's Tenancy away; one that is not there is fine."""
    with contextlib.suppress(NotFoundError):
        await connection.delete(f"{_tenancies(namespace)}/{NAME}")


async def read_tenancies(connection: Connection) -> dict[str, Json]:
    """What the Tenancies say now, by namespace."""
    items, _ = await connection.list_all(f"{_API}/tenancies")
    return {
        item["metadata"]["namespace"]: {"team": item.get("team", ""), "teams": item.get("teams", {})} for item in items
    }


def _tenancies(namespace: str) -> str:
    return f"{_API}/namespaces/{namespace}/tenancies"


async def write_verdict(connection: Connection, team: str, condition: Json, stamp: str) -> None:
    """Write a team's condition, true since `stamp`."""
    body = {"status": {"conditions": [condition | {"lastTransitionTime": stamp}]}}
    await connection.patch(team_path(team, "/status"), body)


async def read_verdicts(connection: Connection) -> dict[str, Json]:
    """The conditions that teams carry now, without their times, by team."""
    items, _ = await connection.list_all(TEAMS.path)
    return {
        item["metadata"]["name"]: {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for item in items
        for condition in item.get("status", {}).get("conditions", ())
    }


async def write_lately(connection: Connection, team: str, found: Lately) -> None:
    """Write what a team borrowed lately."""
    borrowed = [{"what": what, "deviceClass": name, "amount": amount} for (what, name), amount in found.borrowed]
    body = {"status": {"lately": {"asOf": stamp(found.at), "borrowed": borrowed}}}
    await connection.patch(team_path(team, "/status"), body)


async def read_lately(connection: Connection) -> dict[str, Lately]:
    """What teams borrowed lately, as it is written, by team; those of which nothing is are left out."""
    items, _ = await connection.list_all(TEAMS.path)
    said = {item["metadata"]["name"]: item.get("status", {}).get("lately") for item in items}
    return {name: _lately(found) for name, found in said.items() if found is not None}


def _lately(found: Json) -> Lately:
    borrowed = ((Column(one["what"], one["deviceClass"]), one["amount"]) for one in found.get("borrowed", ()))
    return Lately(instant(found["asOf"]), tuple(borrowed))
