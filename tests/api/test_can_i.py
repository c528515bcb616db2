"""`farthing can-i` answers as admission decides, and names the rule."""

import pytest

from farthing.cli.can_i import Verb, answer_to
from farthing.kube.reviews import somebody
from farthing.model.errors import NotFoundError
from farthing.model.team import Team
from tests.api.company import a_company, refusal
from tests.api.objects import DRY, pod, pods
from tests.api.teams import add, world_of

pytestmark = pytest.mark.cluster


@pytest.fixture
async def company(admin, spoke, login):
    async with a_company(admin, spoke, login) as found:
        yield found


async def teams_of(connection):
    return {team.name: team for team in (await world_of(connection)).all(Team)}


CASES = [
    ("alice", Verb.use, "vision", "is a member of vision"),
    ("alice", Verb.use, "detect", "is a member of vision"),
    ("alice", Verb.use, "research", ""),
    ("alice", Verb.use, "sales", ""),
    ("alice", Verb.divide, "vision", ""),
    ("bob", Verb.use, "audio", "the verb use on teams/research"),
    ("bob", Verb.divide, "research", "the verb divide on teams/research"),
    ("bob", Verb.divide, "detect", "the verb divide on teams/research"),
    ("bob", Verb.divide, "company", ""),
    ("controller", Verb.use, "sales", "the verb use on all teams"),
]


async def test_who_may_what_and_why(company):
    teams = await teams_of(company.admin)
    for name, verb, team, rule in CASES:
        person = somebody(f"system:serviceaccount:{company.people}:{name}")
        answer = await answer_to(company.admin, teams, person, verb, team)
        assert (answer.allowed, rule in answer.rule) == (bool(rule), True), (name, verb, team, answer)
        assert bool(answer.lacking) is not answer.allowed


async def test_one_may_ask_for_oneself(company):
    teams = await teams_of(company.admin)
    mine = await answer_to(company.alice, teams, None, Verb.use, "vision")
    assert mine.rule == f"system:serviceaccount:{company.people}:alice is a member of vision"
    assert mine.namespaces == tuple(sorted((company.vision, company.research)))
    assert not (await answer_to(company.alice, teams, None, Verb.use, "sales")).allowed
    assert (await answer_to(company.admin, teams, None, Verb.divide, "company")).rule == "the verb divide on all teams"


async def test_groups_are_members_too(company):
    await add(company.admin, "guests", "company", members=["group:visitors"])
    teams = await teams_of(company.admin)
    visitor = await answer_to(company.admin, teams, somebody("eve", ("visitors",)), Verb.use, "guests")
    assert visitor.rule == "group visitors is a member of guests"
    assert not (await answer_to(company.admin, teams, somebody("eve"), Verb.use, "guests")).allowed


async def test_who_may_divide_but_not_write_is_told_so(company):
    person = somebody(f"system:serviceaccount:{company.people}:bob")
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    bindings, _ = await company.admin.list_all(path)
    for binding in bindings:
        subjects = [(s.get("namespace"), s["name"]) for s in binding.get("subjects", [])]
        if binding["roleRef"]["name"] == "farthing-team-divider" and subjects == [(company.people, "bob")]:
            await company.admin.delete(f"{path}/{binding['metadata']['name']}")
    answer = await answer_to(company.admin, await teams_of(company.admin), person, Verb.divide, "research")
    assert not answer.allowed
    assert "farthing-team-divider" in answer.lacking[0]


async def test_a_team_that_is_left_out_can_be_used_by_nobody(company):
    await add(company.admin, "lost", "nowhere")
    answer = await answer_to(company.admin, await teams_of(company.admin), None, Verb.use, "lost")
    assert (answer.allowed, answer.rule) == (
        False,
        "the team is left out: it is under team nowhere, which is not there",
    )
    with pytest.raises(NotFoundError, match="there is no team nobody; there is audio, company, detect and"):
        await answer_to(company.admin, await teams_of(company.admin), None, Verb.use, "nobody")


async def test_the_answer_is_what_happens(company):
    teams = await teams_of(company.admin)
    for namespace, team in ((company.vision, "vision"), (company.sales, "sales"), (company.research, "research")):
        answer = await answer_to(company.alice, teams, None, Verb.use, team)
        said = await refusal(company.alice.create(pods(namespace), pod("0.25"), DRY))
        assert answer.allowed is (said == "")
