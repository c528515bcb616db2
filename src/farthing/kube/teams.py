"""Writing down what is made of Teams: the one TeamTree that admission looks up, and each Team's condition."""

from typing import Final

from farthing.kube.connection import Connection, Json
from farthing.kube.resources import TEAMS, team_path
from farthing.state.teams import Tree

TREE_PATH: Final = "/apis/farthing.dev/v1/teamtrees/farthing"
_MANAGER: Final = "farthing-spoke"


def branches(tree: Tree | None) -> list[Json]:
    """Every valid team as the TeamTree has it, by name. What is no Team, the pool and namespaces, is not among them."""
    if tree is None:
        return []
    found = []
    for i, team in enumerate(tree.teams):
        if i == 0 or team.name in tree.implicit:
            continue
        found.append(
            {
                "name": team.name,
                "path": [tree.teams[n].name for n in tree.path[i] if n],
                "namespaces": list(team.namespaces),
                "members": list(team.members),
                "quota": [
                    {"what": what, "deviceClass": name, "amount": quota.amount}
                    for what, quotas in (("compute", team.compute), ("memory", team.memory))
                    for name, quota in quotas
                ],
            }
        )
    return sorted(found, key=lambda branch: str(branch["name"]))


def verdict(sentence: str) -> Json:
    """The condition of a team about which this sentence is said; none means that all is well. Without its time."""
    return {
        "type": "Valid",
        "status": "False" if sentence else "True",
        "reason": "Wrong" if sentence else "Governed",
        "message": sentence[:1000],
    }


async def write_tree(connection: Connection, found: list[Json]) -> None:
    """Make the TeamTree say this, whether it was there or not."""
    body = {
        "apiVersion": "farthing.dev/v1",
        "kind": "TeamTree",
        "metadata": {"name": "farthing"},
        "teams": found,
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
