"""What the mutating policies make of a pod that asks."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.kube.connection import Connection
from farthing.model.ask import FORMS, GPU, GPU_MODEL, ISOLATION, ISOLATIONS, ask_of_template, parse_ask, template_name
from farthing.model.cluster import GATE
from tests.api.objects import WORKLOADS, Json, admitted, eventually, gates, pod, pods, template_of, workload

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("amount", "models", "isolation", "template"),
    [
        ("0.25", None, None, "farthing-0.25-shared"),
        ("2", None, None, "farthing-2-shared"),
        ("4x0.5", "A100|H100", "hard", "farthing-4x0.5-hard--a100--h100"),
        ("10Gi", None, "soft", "farthing-10gi-soft"),
        ("1g.10gb", None, None, "farthing-1g.10gb-partition"),
        ("1g.10gb+me", "A100-SXM4-80GB", "partition", "farthing-1g.10gb.plus-me-partition--a100-sxm4-80gb"),
        ("0.5", "H100|A100", None, "farthing-0.5-shared--h100--a100"),
    ],
)
async def test_the_template_spells_the_ask(admin: Connection, namespace: str, amount, models, isolation, template):
    more = {GPU_MODEL: models, ISOLATION: isolation}
    annotations = {name: text for name, text in more.items() if text is not None}
    spec = await admitted(admin, namespace, pod(amount, annotations=annotations))
    assert template_of(spec) == template
    assert gates(spec) == [GATE]


async def test_every_container_gets_the_claim_and_keeps_what_it_has(admin: Connection, namespace: str):
    own = {
        "schedulingGates": [{"name": "example.com/first"}],
        "resourceClaims": [{"name": "nic", "resourceClaimName": "my-nic"}],
        "containers": [
            {
                "name": "main",
                "image": "none",
                "resources": {"limits": {"cpu": "2"}, "claims": [{"name": "nic", "request": "port"}]},
            },
            {"name": "side", "image": "none"},
        ],
        "initContainers": [{"name": "prepare", "image": "none", "resources": {"limits": {"memory": "1Gi"}}}],
    }
    spec = await admitted(admin, namespace, pod("0.25", spec=own))
    assert gates(spec) == ["example.com/first", GATE]
    assert [entry["name"] for entry in spec["resourceClaims"]] == ["nic", "farthing"]
    main, side = spec["containers"]
    assert main["resources"]["claims"] == [{"name": "nic", "request": "port"}, {"name": "farthing"}]
    assert main["resources"]["limits"] == {"cpu": "2"}
    assert side["resources"]["claims"] == [{"name": "farthing"}]
    assert spec["initContainers"][0]["resources"]["claims"] == [{"name": "farthing"}]
    assert spec["initContainers"][0]["resources"]["limits"] == {"memory": "1Gi"}


async def test_admitting_it_again_changes_nothing(admin: Connection, namespace: str):
    once = await admitted(admin, namespace, pod("0.25"))
    assert await admitted(admin, namespace, pod("0.25", spec=once)) == once


async def test_a_planted_template_behind_our_claim_is_replaced(admin: Connection, namespace: str):
    planted = {"resourceClaims": [{"name": "farthing", "resourceClaimTemplateName": "all-devices"}]}
    assert template_of(await admitted(admin, namespace, pod("0.25", spec=planted))) == "farthing-0.25-shared"


async def test_what_is_missing_of_a_prepared_pod_is_added(admin: Connection, namespace: str):
    prepared = await admitted(admin, namespace, pod("0.25"))
    lacking: list[Json] = [
        {"schedulingGates": []},
        {"resourceClaims": [{"name": "farthing", "resourceClaimTemplateName": "farthing-8-shared"}]},
        {"containers": [{**prepared["containers"][0], "resources": {}}]},
    ]
    for missing in lacking:
        again = await admitted(admin, namespace, pod("0.25", spec={**prepared, **missing}))
        assert gates(again) == [GATE]
        assert template_of(again) == "farthing-0.25-shared"
        assert again["containers"][0]["resources"]["claims"] == [{"name": "farthing"}]


async def test_pods_that_do_not_ask_stay_as_they_are(admin: Connection, namespace: str):
    spec = await admitted(admin, namespace, pod(limits={"nvidia.com/gpu": "2"}))
    assert gates(spec) == []
    assert "resourceClaims" not in spec
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}


async def test_the_namespaces_of_the_system_are_left_alone(admin: Connection):
    for system in ("kube-system", "farthing-system"):
        assert gates(await admitted(admin, system, pod("0.25"))) == []


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", "Job"])
async def test_pods_of_every_workload_are_prepared_and_its_template_is_not(
    admin: Connection, namespace: str, kind: str
):
    path = WORKLOADS[kind].format(namespace)
    stored = await admin.create(path, workload(kind, pod("0.25")))
    assert "schedulingGates" not in stored["spec"]["template"]["spec"]

    async def made():
        found, _ = await admin.list_all(pods(namespace))
        return found

    (one,) = await eventually(made)
    assert gates(one["spec"]) == [GATE]
    assert template_of(one["spec"]) == "farthing-0.25-shared"


MODELS = st.lists(st.from_regex("[A-Za-z0-9](?:-?[A-Za-z0-9]){0,12}", fullmatch=True), min_size=1, max_size=8)
AMOUNTS = st.one_of(
    [st.from_regex(shape, fullmatch=True, alphabet=st.characters(codec="ascii")) for shape in FORMS.values()]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AMOUNTS, st.none() | MODELS.map("|".join), st.none() | st.sampled_from(ISOLATIONS))
async def test_the_template_s_name_reads_back_to_the_ask(admin: Connection, amount, models, isolation):
    """The API server's spelling and Python's agree on every well-formed ask."""
    if "gb" in amount and isolation is not None:
        isolation = "partition"
    ask = parse_ask(amount, models, isolation)
    more = {GPU: amount, GPU_MODEL: models, ISOLATION: isolation}
    annotations = {name: text for name, text in more.items() if text is not None}
    name = template_of(await admitted(admin, "default", pod(annotations=annotations)))
    assert name is not None
    assert ask_of_template(name) == ask
    assert ask_of_template(template_name(ask)) == ask
