"""What nobody may change after a pod has been created, and names that nobody else may use."""

import pytest

from farthing.api.names import SPOKE_USER
from farthing.kube.connection import Connection
from farthing.model.ask import DURATION, DURATION_REFUSED, GPU, GPU_MODEL, ISOLATION, TEAM
from farthing.model.cluster import GATE
from farthing.model.errors import InvalidError, PermanentError
from tests.api.objects import gates, pod, pods, templates

pytestmark = pytest.mark.cluster

OPEN = [
    {"op": "test", "path": "/spec/schedulingGates/0/name", "value": GATE},
    {"op": "remove", "path": "/spec/schedulingGates/0"},
]


@pytest.fixture
async def waiting(admin: Connection, namespace: str) -> str:
    """The path of a pod that waits."""
    await admin.create(pods(namespace), pod("0.25", annotations={GPU_MODEL: "H100"}))
    return f"{pods(namespace)}/p"


@pytest.mark.parametrize(
    ("name", "text"),
    [(GPU, "1"), (GPU, None), (GPU_MODEL, "A100"), (GPU_MODEL, None), (ISOLATION, "hard")],
)
async def test_the_ask_stays_as_it_was(admin: Connection, waiting: str, name, text):
    with pytest.raises(InvalidError, match=f"{name}: a pod keeps the ask that it was created with; delete the pod"):
        await admin.patch(waiting, {"metadata": {"annotations": {name: text}}})


@pytest.mark.parametrize("team", ["vision", None])
async def test_the_team_stays_as_it_was(admin: Connection, namespace: str, team):
    await admin.create(pods(namespace), pod("0.25", labels={TEAM: "sales"}))
    with pytest.raises(InvalidError, match="a pod that asks keeps the team that it was created with; delete the pod"):
        await admin.patch(f"{pods(namespace)}/p", {"metadata": {"labels": {TEAM: team}}})


async def test_a_pod_that_did_not_ask_cannot_begin_to(admin: Connection, namespace: str):
    await admin.create(pods(namespace), pod())
    with pytest.raises(InvalidError, match="a pod keeps the ask that it was created with"):
        await admin.patch(f"{pods(namespace)}/p", {"metadata": {"annotations": {GPU: "1"}}})


async def test_hints_may_change_to_what_makes_sense(admin: Connection, waiting: str):
    await admin.patch(waiting, {"metadata": {"annotations": {DURATION: "2h"}}})
    with pytest.raises(InvalidError) as refused:
        await admin.patch(waiting, {"metadata": {"annotations": {DURATION: "soon"}}})
    assert f"{DURATION}: 'soon' {DURATION_REFUSED}" in str(refused.value)


async def test_everything_else_may_change(admin: Connection, waiting: str):
    await admin.patch(waiting, {"metadata": {"labels": {"app": "x"}, "annotations": {"example.com/a": "b"}}})


async def test_only_the_spoke_opens_the_gate(admin: Connection, spoke: Connection, waiting: str):
    with pytest.raises(PermanentError) as refused:
        await admin.patch(waiting, OPEN, "json-patch")
    assert (
        "the gate farthing.dev/queued is opened by Farthing when the pod has its devices, and admin is not Farthing; "
        "`farthing explain pod/p` says what the pod waits for"
    ) in str(refused.value)
    opened = await spoke.patch(waiting, OPEN, "json-patch")
    assert gates(opened["spec"]) == []


async def test_other_gates_are_their_owners_business(admin: Connection, namespace: str):
    own = {"schedulingGates": [{"name": "example.com/first"}]}
    await admin.create(pods(namespace), pod("0.25", spec=own))
    without = [{"op": "remove", "path": "/spec/schedulingGates/0"}]
    left = await admin.patch(f"{pods(namespace)}/p", without, "json-patch")
    assert gates(left["spec"]) == [GATE]


def template(**metadata):
    request = {"name": "gpu", "exactly": {"deviceClassName": "gpu.farthing.dev"}}
    return {"metadata": metadata, "spec": {"spec": {"devices": {"requests": [request]}}}}


@pytest.mark.parametrize(
    "metadata", [{"name": "farthing-0.25-shared"}, {"name": "farthing-"[:-1] + "-x"}, {"generateName": "farthing-"}]
)
async def test_names_that_spell_asks_are_kept_for_the_spoke(admin: Connection, namespace: str, metadata):
    with pytest.raises(PermanentError) as refused:
        await admin.create(templates(namespace), template(**metadata))
    assert "names that begin with farthing- are kept for the templates that Farthing makes from asks" in str(
        refused.value
    )
    assert "admin is not Farthing; choose another name" in str(refused.value)


async def test_the_spoke_makes_templates_and_others_choose_other_names(
    admin: Connection, spoke: Connection, namespace: str
):
    await spoke.create(templates(namespace), template(name="farthing-0.25-shared"))
    await admin.create(templates(namespace), template(name="mine"))
    await admin.create(templates(namespace), template(generateName="my-farthing-"))
    assert SPOKE_USER == "system:serviceaccount:farthing-system:farthing-spoke"
