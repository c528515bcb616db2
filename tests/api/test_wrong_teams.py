"""Wrong Teams are refused at the door, with a sentence."""

import pytest

from farthing.cli.install import consequences
from farthing.cli.uninstalling import survey
from farthing.kube.resources import TEAMS, team_path
from farthing.model.errors import InvalidError, PermanentError
from tests.api.objects import DRY
from tests.api.teams import add, clear, team, tend

pytestmark = pytest.mark.cluster


@pytest.fixture
async def company(admin, spoke):
    """A company of 16 > research 8 > vision 4, audio 2; and the spoke has seen them."""
    await add(admin, "company", None, 16)
    await add(admin, "research", "company", 8)
    await add(admin, "vision", "research", 4, namespaces=["pictures"])
    await add(admin, "audio", "research", "2.5")
    await tend(spoke, admin)
    yield
    await clear(admin, spoke)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (team("t", None, -1), "spec.compute[0].amount in body should be greater than or equal to 0"),
        (team("t", None, "-1"), "spec.compute[0].amount in body should match"),
        (team("t", None, "1.2345"), "spec.compute[0].amount in body should match"),
        (team("t", weight=-1), "spec.weight in body should be greater than or equal to 0"),
        (team("t", maximum="-0.5"), "spec.maximum in body should match"),
        (team("t", memory=[{"deviceClass": "H100", "amount": "-1Gi"}]), "spec.memory[0].amount in body should match"),
        (team("t", "t"), "a team cannot be its own parent"),
        (team("t", ["a", "b"]), "spec.parent in body must be of type string"),
        (team("T"), "lowercase"),
        (team("a.b"), "so that it fits a label"),
        (team("t", namespaces=["a", "a"]), "Duplicate value"),
        (team("t", isolation=["harder"]), "Unsupported value"),
        (team("t", queueing="Lottery"), "Unsupported value"),
        (
            team("t", compute=[{"deviceClass": "H100", "amount": 1}, {"deviceClass": "H100", "amount": 2}]),
            "spec.compute[1]: Duplicate value",
        ),
        (
            team("t", compute=[{"deviceClass": "H100", "amount": "0.5", "lending": 1}]),
            "lending is a part of amount, so it cannot be more",
        ),
        (team("t", compute=[{"deviceClass": "H100"}]), "spec.compute[0].amount: Required value"),
        (team("t", None, 1, colour="red"), "unknown field"),
    ],
)
async def test_what_one_team_cannot_be(admin, wrong, sentence):
    with pytest.raises((InvalidError, PermanentError)) as refused:
        await admin.create(TEAMS.path, wrong, DRY | {"fieldValidation": "Strict"})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (team("t", namespaces=["pictures"]), "the namespace 'pictures' belongs to the team 'vision' already"),
        (
            team("t", "research", 9),
            "'research' has less than 't', which is a part of it, would have: 9 devices of H100",
        ),
        (
            team("t", "research", 2),
            "'research' has 8 devices of h100, of which its other teams have 6.5; too little is left for the 2 of 't'",
        ),
        (
            team("t", "research", compute=[{"deviceClass": "A100", "amount": "0.5"}]),
            "'research' has less than 't', which is a part of it, would have: 0.5 devices of A100",
        ),
        (
            team("t", "research", memory=[{"deviceClass": "h100", "amount": "80Gi"}]),
            "'research' has less than 't', which is a part of it, would have: 80Gi of h100",
        ),
    ],
)
@pytest.mark.usefixtures("company")
async def test_what_a_team_cannot_be_beside_others(admin, wrong, sentence):
    with pytest.raises(InvalidError) as refused:
        await admin.create(TEAMS.path, wrong, DRY)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "company",
            {"parent": "research"},
            "'research' is itself a part of 'company', and teams cannot be in a circle",
        ),
        (
            "research",
            {"compute": [{"deviceClass": "H100", "amount": 3}]},
            "'research' would have less than 'vision', which is a part of it, has: 4 devices of H100",
        ),
        (
            "research",
            {"compute": [{"deviceClass": "H100", "amount": 6}]},
            "the teams that are a part of 'research' have 6.5 devices of h100 together, so it cannot go down to 6",
        ),
        (
            "vision",
            {"compute": [{"deviceClass": "h100", "amount": "5.6"}], "memory": []},
            "'research' has 8 devices of h100, of which its other teams have 2.5; too little is left for the 5.6 of 'vision'",
        ),
        ("audio", {"namespaces": ["pictures"]}, "the namespace 'pictures' belongs to the team 'vision' already"),
    ],
)
@pytest.mark.usefixtures("company")
async def test_what_a_team_cannot_become(admin, name, change, sentence):
    with pytest.raises(InvalidError) as refused:
        await admin.patch(team_path(name), {"spec": change})
    assert sentence in str(refused.value)


@pytest.mark.usefixtures("company")
async def test_circles_of_any_length_are_seen(admin, spoke):
    for name, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "c")):
        await add(admin, name, parent)
    await tend(spoke, admin)
    with pytest.raises(InvalidError, match="'d' is itself a part of 'a', and teams cannot be in a circle"):
        await admin.patch(team_path("a"), {"spec": {"parent": "d"}})


@pytest.mark.usefixtures("company")
async def test_what_fits_is_let_in(admin):
    await admin.create(TEAMS.path, team("t", "research", "1.5"), DRY)
    await admin.patch(team_path("vision"), {"spec": {"compute": [{"deviceClass": "H100", "amount": "5.5"}]}})
    await admin.patch(team_path("audio"), {"spec": {"parent": "company"}})


@pytest.mark.usefixtures("company")
async def test_a_team_that_others_are_a_part_of_is_not_deleted(admin):
    with pytest.raises(InvalidError, match="'research' cannot be deleted while other teams are a part of it, such as"):
        await admin.delete(team_path("research"))
    await admin.delete(team_path("audio"))


@pytest.mark.usefixtures("company")
async def test_only_farthing_says_what_is_made_of_teams(admin):
    condition = {"type": "Valid", "status": "True", "reason": "Sure", "message": "", "lastTransitionTime": "now"}
    with pytest.raises(PermanentError, match="only Farthing says what it makes of a team, and admin is not Farthing"):
        await admin.patch(team_path("vision", "/status"), {"status": {"conditions": [condition]}})
    with pytest.raises(PermanentError, match="only Farthing writes the tree of teams, and admin is not Farthing"):
        await admin.patch("/apis/farthing.dev/v1/teamtrees/farthing", {"teams": {"mine": {"path": ["mine"]}}})


@pytest.mark.usefixtures("company")
async def test_uninstalling_says_that_teams_go_too(admin):
    seen = await survey(admin)
    assert seen.teams == ["audio", "company", "research", "vision"]
    assert seen.concerned
    assert "4 Teams. They are deleted with their type" in consequences(seen)
