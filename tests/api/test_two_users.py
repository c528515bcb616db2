"""Two users with different rights try what they should not be able to do; none of it gets through."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from farthing.kube.connection import Connection
from farthing.kube.resources import TEAMS, team_path
from farthing.model.ask import TEAM
from farthing.model.cluster import Key
from farthing.model.errors import PermanentError
from tests.api.company import Company, a_company, of, refusal
from tests.api.conftest import make_namespace
from tests.api.objects import DRY, WORKLOADS, Json, eventually, pod, pods, workload
from tests.api.teams import RBAC, add, bind, on_teams, role, team

pytestmark = pytest.mark.cluster

TREE = "/apis/farthing.dev/v1/teamtrees/farthing"


@pytest.fixture
async def company(admin, spoke, login):
    async with a_company(admin, spoke, login) as found:
        yield found


def make(connection: Connection, kind: str, namespace: str, inner: Json) -> Awaitable[Json]:
    return connection.create(WORKLOADS[kind].format(namespace), workload(kind, inner), DRY)


def owned(wanted: Json) -> Json:
    """A pod that says a controller made it."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}
    return wanted | {"metadata": wanted["metadata"] | {"ownerReferences": [owner]}}


async def _gives_itself(connection: Connection, name: str, account: Key) -> None:
    """Write oneself a right to use a team, as roles go."""
    await connection.create(
        f"{RBAC}/clusterroles",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [on_teams("use", "sales")],
        },
    )
    await bind(connection, account, name)


async def _relabels(c: Company) -> None:
    await c.alice.create(pods(c.vision), pod("0.25", "mine", labels=of("vision")))
    await c.alice.patch(f"{pods(c.vision)}/mine", {"metadata": {"labels": of("detect")}})


async def _asks_later(c: Company) -> None:
    path = WORKLOADS["Deployment"].format(c.sales)
    await c.alice.create(path, workload("Deployment", pod()))
    asking = workload("Deployment", pod("1"))["spec"]["template"]
    await c.alice.patch(f"{path}/it", {"spec": {"template": asking}})


Attempt = Callable[[Company], Awaitable[Any]]


def makes(kind: str, labels: dict[str, str], where: str) -> Attempt:
    """Alice makes such a workload that asks, in the namespace of a team."""
    return lambda c: make(c.alice, kind, getattr(c, where), pod("0.25", labels=labels))


ALICE: dict[str, tuple[str, Attempt]] = {
    "a pod of another team": (
        "'sales' cannot be used here: it is neither 'vision', the team of namespace",
        lambda c: c.alice.create(pods(c.vision), pod("0.25", labels=of("sales")), DRY),
    ),
    "a pod of the team above": (
        "expected one of detect, vision",
        lambda c: c.alice.create(pods(c.vision), pod("0.25", labels=of("research")), DRY),
    ),
    "a pod of a team beside": (
        "'audio' cannot be used here",
        lambda c: c.alice.create(pods(c.vision), pod("0.25", labels=of("audio")), DRY),
    ),
    "a pod of a team that is not there": (
        "'visoin' cannot be used here",
        lambda c: c.alice.create(pods(c.vision), pod("0.25", labels=of("visoin")), DRY),
    ),
    "a pod in another team's namespace": (
        "may not use the team 'sales'; that takes being one of its spec.members, or the verb use on teams/sales",
        lambda c: c.alice.create(pods(c.sales), pod("0.25"), DRY),
    ),
    "a pod in the namespace of the team above": (
        "may not use the team 'research'",
        lambda c: c.alice.create(pods(c.research), pod("0.25"), DRY),
    ),
    "a team beside, from the namespace of the team above": (
        "may not use the team 'audio'",
        lambda c: c.alice.create(pods(c.research), pod("0.25", labels=of("audio")), DRY),
    ),
    "her team from a namespace that belongs to nobody": (
        "belongs to no team; whoever may divide teams gives it to one",
        lambda c: c.alice.create(pods(c.wild), pod("0.25", labels=of("vision")), DRY),
    ),
    "a pod that says a controller made it": (
        "may not use the team 'sales'",
        lambda c: c.alice.create(pods(c.sales), owned(pod("0.25")), DRY),
    ),
    "memory instead of a share": (
        "may not use the team 'sales'",
        lambda c: c.alice.create(pods(c.sales), pod("10Gi"), DRY),
    ),
    **{
        f"a {kind} in another team's namespace": (
            "may not use the team 'sales'",
            makes(kind, {}, "sales"),
        )
        for kind in WORKLOADS
    },
    **{
        f"a {kind} of another team": (
            "'sales' cannot be used here",
            makes(kind, of("sales"), "vision"),
        )
        for kind in WORKLOADS
    },
    "a Deployment that asks only later": ("may not use the team 'sales'", _asks_later),
    "another team for a pod that is there": ("keeps the team that it was created with", _relabels),
    "to write a Team": ("teams.farthing.dev is forbidden", lambda c: add(c.alice, "mine", "vision", 1)),
    "more for her team": (
        "cannot patch resource",
        lambda c: c.alice.patch(team_path("vision"), {"spec": {"maximum": 99}}),
    ),
    "herself into another team": (
        "cannot patch resource",
        lambda c: c.alice.patch(team_path("sales"), {"spec": {"members": ["group:system:authenticated"]}}),
    ),
    "to delete a team": ("cannot delete resource", lambda c: c.alice.delete(team_path("sales"))),
    "to write what is made of a team": (
        "cannot patch resource",
        lambda c: c.alice.patch(team_path("sales", "/status"), {"status": {"conditions": []}}),
    ),
    "to write the tree of teams": ("cannot patch resource", lambda c: c.alice.patch(TREE, {"teams": []})),
    "a namespace given to another team": (
        "may not give the namespace to 'sales'; that needs the verb divide on teams/sales",
        lambda c: c.alice.patch(f"/api/v1/namespaces/{c.wild}", {"metadata": {"labels": of("sales")}}),
    ),
    "a namespace given to her own team": (
        "may not give the namespace to 'vision'",
        lambda c: c.alice.patch(f"/api/v1/namespaces/{c.wild}", {"metadata": {"labels": of("vision")}}),
    ),
    "a namespace given to a team that may come": (
        "may not give the namespace to 'later'",
        lambda c: c.alice.patch(f"/api/v1/namespaces/{c.wild}", {"metadata": {"labels": of("later")}}),
    ),
    "a new namespace of another team": (
        "may not give the namespace to 'sales'",
        lambda c: make_namespace(c.alice, **of("sales")),
    ),
    "a right for herself": ("is forbidden", lambda c: _gives_itself(c.alice, "test-mine", Key(c.people, "alice"))),
    "the verb use by a role that she writes": (
        "is forbidden",
        lambda c: role(c.alice, "test-research", on_teams("use", "sales")),
    ),
}

BOB: dict[str, tuple[str, Attempt]] = {
    "more for his own team": (
        "may not write the team 'research'; that needs the verb divide on teams/company, which it is a part of",
        lambda c: c.bob.patch(team_path("research"), {"spec": {"compute": [{"deviceClass": "H100", "amount": 9}]}}),
    ),
    "less for another team": (
        "may not write the team 'sales'",
        lambda c: c.bob.patch(team_path("sales"), {"spec": {"compute": []}}),
    ),
    "a mark on another's team": (
        "may not write the team 'sales'",
        lambda c: c.bob.patch(team_path("sales"), {"metadata": {"finalizers": ["example.com/mine"]}}),
    ),
    "a team under another": ("may not write the team 'mine'", lambda c: add(c.bob, "mine", "sales", 1)),
    "a team under the pool": (
        "may not write the team 'mine'; that needs the verb divide on all teams, since it is right under the pool",
        lambda c: add(c.bob, "mine", None, 1),
    ),
    "a team under one that is not there": (
        "may not write the team 'mine'",
        lambda c: add(c.bob, "mine", "nowhere", 1),
    ),
    "more for one team than research has": (
        "'research' has less than 'audio', which is a part of it, would have: 9 devices of H100",
        lambda c: c.bob.patch(team_path("audio"), {"spec": {"compute": [{"deviceClass": "H100", "amount": 9}]}}),
    ),
    "more for all than research has": (
        "'research' has 8 devices of h100, of which its other teams have 2; too little is left for the 7 of 'vision'",
        lambda c: c.bob.patch(team_path("vision"), {"spec": {"compute": [{"deviceClass": "H100", "amount": 7}]}}),
    ),
    "a class that research has not": (
        "'research' has less than 'audio'",
        lambda c: c.bob.patch(team_path("audio"), {"spec": {"compute": [{"deviceClass": "B200", "amount": 1}]}}),
    ),
    "to move a team out": (
        "may not move the team 'audio'; that needs the verb divide on all teams",
        lambda c: c.bob.patch(team_path("audio"), {"spec": {"parent": "sales", "compute": []}}),
    ),
    "to make a team free": (
        "may not move the team 'audio'",
        lambda c: c.bob.patch(team_path("audio"), {"spec": {"parent": None}}),
    ),
    "a stranger's namespace for a team": (
        "may not say whose a namespace is; that needs the verb divide on all teams",
        lambda c: c.bob.patch(team_path("audio"), {"spec": {"namespaces": [c.wild]}}),
    ),
    "a team's namespace taken away": (
        "may not say whose a namespace is",
        lambda c: c.bob.patch(team_path("vision"), {"spec": {"namespaces": []}}),
    ),
    "to delete a team with teams": (
        "'vision' cannot be deleted while other teams are a part of it, such as 'detect'",
        lambda c: c.bob.delete(team_path("vision")),
    ),
    "to delete another's team": ("may not write the team 'sales'", lambda c: c.bob.delete(team_path("sales"))),
    "to delete his own team": ("may not write the team 'research'", lambda c: c.bob.delete(team_path("research"))),
    "another team's quota": (
        "may not use the team 'sales'",
        lambda c: c.bob.create(pods(c.sales), pod("0.25"), DRY),
    ),
    "his team from a namespace beside": (
        "'research' cannot be used here",
        lambda c: c.bob.create(pods(c.sales), pod("0.25", labels=of("research")), DRY),
    ),
    "a namespace of research away, to sales": (
        "may not give the namespace to 'sales'",
        lambda c: c.bob.patch(f"/api/v1/namespaces/{c.research}", {"metadata": {"labels": of("sales")}}),
    ),
    "to write the tree of teams": ("cannot patch resource", lambda c: c.bob.patch(TREE, {"teams": []})),
    "to give the verb divide on": (
        "is forbidden",
        lambda c: role(c.bob, "test-research", on_teams("divide")),
    ),
}


async def _none_gets_through(company: Company, attempts: dict[str, tuple[str, Attempt]]) -> None:
    """Try all, and say of which one the answer was not the right refusal."""
    for what, (sentence, attempt) in attempts.items():
        said = await refusal(attempt(company))
        assert sentence in said, f"{what}: {said or 'nobody refused it'}"


async def test_alice_gets_nothing_that_is_not_hers(company):
    assert len(ALICE) >= 20
    await _none_gets_through(company, ALICE)


async def test_bob_divides_nothing_that_is_not_his(company):
    assert len(BOB) >= 20
    await _none_gets_through(company, BOB)


async def test_what_they_may_they_can(company):
    c = company
    await c.alice.create(pods(c.vision), pod("0.25"), DRY)
    await c.alice.create(pods(c.vision), pod("0.25", labels=of("detect")), DRY)
    await c.alice.create(pods(c.research), pod("0.25", labels=of("detect")), DRY)
    for kind in WORKLOADS:
        await make(c.alice, kind, c.vision, pod("0.25"))
        await make(c.alice, kind, c.sales, pod())
    await c.alice.create(pods(c.wild), pod("0.25"), DRY)
    await c.bob.create(pods(c.vision), pod("0.25", labels=of("detect")), DRY)
    await c.bob.create(TEAMS.path, team("more", "research", 2), DRY)
    await c.bob.create(TEAMS.path, team("deeper", "detect", "0.5"), DRY)
    await c.bob.patch(team_path("audio"), {"spec": {"weight": 3, "members": ["dora"]}}, params=DRY)
    await c.bob.patch(f"/api/v1/namespaces/{c.wild}", {"metadata": {"labels": of("audio")}}, params=DRY)
    await c.bob.delete(team_path("detect"))


async def test_controllers_make_pods_of_what_was_looked_at(company):
    c = company
    await c.controller.create(pods(c.sales), owned(pod("0.25")), DRY)
    await c.controller.create(pods(c.vision), owned(pod("0.25", labels=of("detect"))), DRY)
    with pytest.raises(PermanentError, match="'sales' cannot be used here"):
        await c.controller.create(pods(c.vision), owned(pod("0.25", labels=of("sales"))), DRY)
    path = WORKLOADS["Job"].format(c.vision)
    await c.alice.create(path, workload("Job", pod("0.25", labels=of("detect"))))

    async def made() -> bool:
        items, _ = await c.admin.list_all(pods(c.vision))
        return any(item["metadata"]["labels"].get(TEAM) == "detect" for item in items)

    await eventually(made)
