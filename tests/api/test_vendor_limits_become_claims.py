"""Unchanged manifests in namespaces that opted in."""

import pytest

from farthing.kube.connection import Connection
from farthing.model.ask import GPU, GPU_MODEL, ISOLATION, MODELS_REFUSED, VENDORS, Ask, ask_of_template
from farthing.model.cluster import GATE
from farthing.model.errors import InvalidError
from farthing.model.quantity import WHOLE_DEVICE
from tests.api.objects import DRY, WORKLOADS, admitted, gates, pod, template_of, workload

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(("vendor", "resource"), VENDORS.items())
async def test_a_limit_becomes_a_claim_for_whole_devices(admin: Connection, managed: str, vendor, resource):
    spec = await admitted(admin, managed, pod(limits={resource: "2", "cpu": "1"}))
    assert gates(spec) == [GATE]
    main, side = spec["containers"]
    assert main["resources"] == {
        "limits": {"cpu": "1"},
        "requests": {"cpu": "1"},
        "claims": [{"name": f"farthing-{vendor}-0"}],
    }
    assert side["resources"] == {}
    template = template_of(spec, f"farthing-{vendor}-0")
    assert template == f"farthing-2-shared.{vendor}"
    assert ask_of_template(template) == Ask(count=2, milli=WHOLE_DEVICE, vendor=vendor)


async def test_each_container_that_asks_has_a_claim_of_its_own(admin: Connection, managed: str):
    containers = [
        {"name": "a", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
        {"name": "b", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "0"}}},
        {"name": "c", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "32", "amd.com/gpu": "1"}}},
    ]
    spec = await admitted(admin, managed, pod(spec={"containers": containers}))
    assert {entry["name"]: entry["resourceClaimTemplateName"] for entry in spec["resourceClaims"]} == {
        "farthing-nvidia-0": "farthing-1-shared.nvidia",
        "farthing-nvidia-2": "farthing-32-shared.nvidia",
        "farthing-amd-2": "farthing-1-shared.amd",
    }
    claims = [[claim["name"] for claim in c["resources"].get("claims", [])] for c in spec["containers"]]
    assert [sorted(names) for names in claims] == [
        ["farthing-nvidia-0"],
        [],
        ["farthing-amd-2", "farthing-nvidia-2"],
    ]
    assert not any(name.endswith("/gpu") for c in spec["containers"] for name in c["resources"].get("limits", {}))
    assert not any(name.endswith("/gpu") for c in spec["containers"] for name in c["resources"].get("requests", {}))


async def test_model_and_isolation_are_in_the_template_s_name(admin: Connection, managed: str):
    annotations = {GPU_MODEL: "H100|A100", ISOLATION: "hard"}
    spec = await admitted(admin, managed, pod(limits={"nvidia.com/gpu": "2"}, annotations=annotations))
    template = template_of(spec, "farthing-nvidia-0")
    assert template == "farthing-2-hard.nvidia--h100--a100"
    ask = ask_of_template(template)
    assert ask == Ask(count=2, milli=WHOLE_DEVICE, models=("a100", "h100"), isolation="hard", vendor="nvidia")


async def test_none_at_all_is_no_ask(admin: Connection, managed: str):
    spec = await admitted(admin, managed, pod(limits={"nvidia.com/gpu": "0"}))
    assert gates(spec) == []
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "0"}


async def test_admitting_it_again_changes_nothing(admin: Connection, managed: str):
    once = await admitted(admin, managed, pod(limits={"nvidia.com/gpu": "2"}))
    assert await admitted(admin, managed, pod(spec=once)) == once


async def test_a_pod_bound_by_hand_is_refused(admin: Connection, managed: str):
    with pytest.raises(InvalidError, match=r"spec\.nodeName already says where the pod runs"):
        await admitted(admin, managed, pod(limits={"nvidia.com/gpu": "1"}, spec={"nodeName": "n1"}))


INIT_CONTAINER = (
    "init container prepare asks for 1 nvidia.com/gpu, which Farthing cannot give back when it ends; let an ordinary "
    f"container ask, or use the annotation {GPU}, whose devices all containers share"
)
COUNT = "container main asks for {}; expected whole devices from 1 to 32"
WRONG_MODEL = {"limits": {"nvidia.com/gpu": "1"}, "annotations": {GPU_MODEL: "H 100"}}


@pytest.mark.parametrize("kind", ["Pod", *WORKLOADS])
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"init": {"nvidia.com/gpu": "1"}}, INIT_CONTAINER),
        ({"limits": {"amd.com/gpu": "33"}}, COUNT.format("33 amd.com/gpu")),
        ({"limits": {"nvidia.com/gpu": "2k"}}, COUNT.format("2k nvidia.com/gpu")),
        (WRONG_MODEL, f"{GPU_MODEL}: 'H 100' {MODELS_REFUSED}"),
    ],
)
async def test_what_cannot_become_a_claim_is_refused(admin: Connection, managed: str, kind, more, sentence):
    path = f"/api/v1/namespaces/{managed}/pods" if kind == "Pod" else WORKLOADS[kind].format(managed)
    wrong = pod(**more)
    with pytest.raises(InvalidError) as refused:
        await admin.create(path, wrong if kind == "Pod" else workload(kind, wrong), DRY)
    assert sentence in str(refused.value)


async def test_workloads_from_before_can_still_be_scaled_but_not_made_wrong_anew(admin: Connection, namespace: str):
    """A namespace opts in while a workload with an asking init container is there."""
    path = f"{WORKLOADS['Deployment'].format(namespace)}/it"
    stored = await admin.create(
        WORKLOADS["Deployment"].format(namespace), workload("Deployment", pod(init={"nvidia.com/gpu": "1"}))
    )
    assert stored["spec"]["replicas"] == 1
    await admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"farthing.dev/managed": "true"}}})
    await admin.patch(path, {"metadata": {"annotations": {"example.com/note": "x"}}})
    await admin.patch(f"{path}/scale", {"spec": {"replicas": 0}})
    template = {"metadata": {"annotations": {"example.com/note": "x"}}}
    with pytest.raises(InvalidError, match="init container prepare asks for 1"):
        await admin.patch(path, {"spec": {"template": template}})
