"""Writing down what is made of Teams: the one TeamTree that admission looks up, and each Team's condition."""

from typing import Final

from farthing.kube.connection import Connection, Json
from farthing.kube.resources import TEAMS, team_path
from farthing.state.teams import Tree

TREE_PATH: Final = "/apis/farthing.dev/v1/teamtrees/farthing"
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
        "metadata": {"name": "farthing"},
        **found,
    }
    await connection.patch(TREE_PATH, body, "apply-patch", {"fieldManager": _MANAGER, "force": "true"})


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
