"""Every sentence that a wrong ask is refused with, on pods and on the templates of workloads."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.kube.connection import Connection
from farthing.model.ask import (
    AMOUNT_REFUSED,
    CHECKPOINT,
    CHECKPOINT_REFUSED,
    DURATION,
    DURATION_REFUSED,
    GPU,
    GPU_MODEL,
    ISOLATION,
    ISOLATION_REFUSED,
    MODELS_REFUSED,
    PRIORITY,
    PRIORITY_REFUSED,
    PROFILE_ISOLATION_REFUSED,
    QOS,
    QOS_REFUSED,
    TEAM,
    TEAM_REFUSED,
    parse_ask,
)
from farthing.model.errors import FarthingError, InvalidError
from farthing.model.gang import (
    GANG,
    GANG_NAME,
    GANG_NAME_REFUSED,
    GANG_REFUSED,
    TOPOLOGY,
    TOPOLOGY_REFUSED,
)
from tests.api.objects import DRY, WORKLOADS, admitted, pod, pods, workload

pytestmark = pytest.mark.cluster

TOGETHER = {
    GANG: "4-8",
    GANG_NAME: "train-1",
    TOPOLOGY: "required:rack preferred:nvlink",
    QOS: "guaranteed",
    CHECKPOINT: "2m",
}

HOSTILE = ["abc", "0", "-1", "1.5", "0.0001", "1e9", "10Xi", "", " 1", "1 ", "33", "0.0", "33x0.5", "4x", "x0.5",
           "4x1", "1g.10GB", "٣", "\uff10.\uff15", "9999999Ti", "0.25\n", "\n", "'", "' || true || '", "${GPU}",
           "1\x00", "0.25|0.5"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_wrong_amount_is_refused_as_python_refuses_it(admin: Connection, namespace: str, text):
    with pytest.raises(InvalidError) as refused:
        await admitted(admin, namespace, pod(text))
    assert AMOUNT_REFUSED in str(refused.value)
    assert f"denied request: {GPU}: '" in str(refused.value)
    with pytest.raises(InvalidError):
        parse_ask(text)


async def test_ten_kilobytes_are_refused_with_their_beginning(admin: Connection, namespace: str):
    with pytest.raises(InvalidError) as refused:
        await admitted(admin, namespace, pod("x" * 10240))
    assert f"{GPU}: '{'x' * 50}'... (10240 characters) {AMOUNT_REFUSED}" in str(refused.value)
    with pytest.raises(InvalidError) as by_python:
        parse_ask("x" * 10240)
    assert str(by_python.value) in str(refused.value)


@pytest.mark.parametrize("name", [GPU, GPU_MODEL, ISOLATION, DURATION, PRIORITY])
async def test_as_much_as_an_object_holds_is_refused_too(admin: Connection, namespace: str, name):
    """A quarter of a megabyte of text neither gets through nor exhausts what an expression may cost."""
    with pytest.raises(InvalidError) as refused:
        await admitted(admin, namespace, pod(annotations={GPU: "0.25"} | {name: "h" * 260_000}))
    assert f"{name}: 'hhhhh" in str(refused.value)
    assert "(260000 characters)" in str(refused.value)


async def test_thousands_of_annotations_do_not_exhaust_the_policies(admin: Connection, namespace: str):
    many = {f"example.com/{i}": "x" for i in range(8000)}
    with pytest.raises(InvalidError, match="is not an amount of GPU"):
        await admitted(admin, namespace, pod("abc", annotations=many))
    await admitted(admin, namespace, pod("0.25", annotations=many))


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ({GPU_MODEL: "H 100"}, f"{GPU_MODEL}: 'H 100' {MODELS_REFUSED}"),
        ({GPU_MODEL: "H100--A100"}, f"{GPU_MODEL}: 'H100--A100' {MODELS_REFUSED}"),
        ({GPU_MODEL: ""}, f"{GPU_MODEL}: '' {MODELS_REFUSED}"),
        ({GPU_MODEL: "a|" * 8 + "a"}, f"{GPU_MODEL}: '{'a|' * 8}a' {MODELS_REFUSED}"),
        ({ISOLATION: "hardest"}, f"{ISOLATION}: 'hardest' {ISOLATION_REFUSED}"),
        ({ISOLATION: ""}, f"{ISOLATION}: '' {ISOLATION_REFUSED}"),
        ({ISOLATION: "Hard"}, f"{ISOLATION}: 'Hard' {ISOLATION_REFUSED}"),
        ({GPU: "1g.10gb", ISOLATION: "hard"}, f"{ISOLATION}: hard {PROFILE_ISOLATION_REFUSED}"),
        ({DURATION: "1y"}, f"{DURATION}: '1y' {DURATION_REFUSED}"),
        ({DURATION: "-1h"}, f"{DURATION}: '-1h' {DURATION_REFUSED}"),
        ({PRIORITY: "high"}, f"{PRIORITY}: 'high' {PRIORITY_REFUSED}"),
        ({PRIORITY: "1.5"}, f"{PRIORITY}: '1.5' {PRIORITY_REFUSED}"),
        ({GANG: "0"}, f"{GANG}: '0' {GANG_REFUSED}"),
        ({GANG: "8-4"}, f"{GANG}: '8-4' {GANG_REFUSED}"),
        ({GANG: "4", GANG_NAME: "A"}, f"{GANG_NAME}: 'A' {GANG_NAME_REFUSED}"),
        ({GANG_NAME: "train"}, f"{GANG_NAME}: nothing says how many pods start together"),
        ({TOPOLOGY: "rack"}, f"{TOPOLOGY}: 'rack' {TOPOLOGY_REFUSED}"),
        ({QOS: "best"}, f"{QOS}: 'best' {QOS_REFUSED}"),
        ({CHECKPOINT: "soon"}, f"{CHECKPOINT}: 'soon' {CHECKPOINT_REFUSED}"),
        ({"farthing.dev/gpus": "0.5"}, "farthing.dev/gpus: Farthing has no such annotation; expected one of"),
        ({TEAM: "vision"}, f"{TEAM}: Farthing has no such annotation"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Pod", *WORKLOADS])
async def test_each_annotation_is_refused_by_name(admin: Connection, namespace: str, kind, annotations, sentence):
    wrong = pod("0.25", annotations={GPU: "0.25"} | annotations)
    wrong["metadata"]["annotations"].update(annotations)
    path, body = (
        (pods(namespace), wrong) if kind == "Pod" else (WORKLOADS[kind].format(namespace), workload(kind, wrong))
    )
    with pytest.raises(InvalidError) as refused:
        await admin.create(path, body, DRY)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("kind", WORKLOADS)
async def test_a_workload_with_a_right_ask_is_let_in(admin: Connection, namespace: str, kind):
    right = pod(
        "4x0.5", annotations={GPU_MODEL: "H100", DURATION: "1d12h", PRIORITY: "-5", **TOGETHER}, labels={TEAM: "vision"}
    )
    await admin.create(WORKLOADS[kind].format(namespace), workload(kind, right), DRY)


@pytest.mark.parametrize("team", ["Vision", "a.b", "a_b", ""])
async def test_a_team_must_be_a_dns_label(admin: Connection, namespace: str, team):
    sentence = f"{TEAM}: '{team}' {TEAM_REFUSED}"
    for path, body in (
        (pods(namespace), pod(labels={TEAM: team})),
        (WORKLOADS["Job"].format(namespace), workload("Job", pod("0.5", labels={TEAM: team}))),
        ("/api/v1/namespaces", {"metadata": {"name": "team-x", "labels": {TEAM: team}}}),
    ):
        with pytest.raises(InvalidError) as refused:
            await admin.create(path, body, DRY)
        assert sentence in str(refused.value)


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "amd.com/gpu"])
async def test_two_ways_to_ask_at_once_are_one_too_many(admin: Connection, namespace: str, managed: str, resource):
    for place in (namespace, managed):
        with pytest.raises(InvalidError, match="asks a second time; keep one of the two"):
            await admitted(admin, place, pod("0.25", limits={resource: "1"}))
    job = workload("Job", pod("1", init={resource: "1"}))
    with pytest.raises(InvalidError, match="asks a second time"):
        await admin.create(WORKLOADS["Job"].format(namespace), job, DRY)


async def test_a_pod_that_names_its_node_is_told_to_use_a_selector(admin: Connection, namespace: str):
    with pytest.raises(InvalidError, match=r"spec\.nodeName already says where the pod runs.*use spec\.nodeSelector"):
        await admitted(admin, namespace, pod("0.25", spec={"nodeName": "n1"}))


async def test_our_claim_s_name_is_ours(admin: Connection, namespace: str):
    own = {"resourceClaims": [{"name": "farthing", "resourceClaimName": "mine"}]}
    with pytest.raises(InvalidError, match="a claim named farthing of its own, call that something else"):
        await admitted(admin, namespace, pod("0.25", spec=own))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
    | st.from_regex(r"[0-9gx.+-]{1,10}[GMT]?i?")
)
async def test_the_api_server_and_python_agree_on_what_an_amount_is(admin: Connection, text):
    assert await refusal(admin, text) == ("" if is_amount(text) else "is not an amount of GPU")


async def refusal(admin, text):
    try:
        await admitted(admin, "default", pod(text))
    except FarthingError as error:
        return "is not an amount of GPU" if "is not an amount of GPU" in str(error) else str(error)
    return ""


def is_amount(text):
    try:
        parse_ask(text)
    except InvalidError:
        return False
    return True
