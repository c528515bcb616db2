"""Pods that bring claims of their own, and the claims themselves."""

import pytest

from farthing.kube.connection import Connection
from farthing.model.cluster import GATE
from tests.api.objects import DRY, admitted, claims, gates, pod

pytestmark = pytest.mark.cluster

OWN = {"resourceClaims": [{"name": "mine", "resourceClaimTemplateName": "mine"}]}
PROTECTION = "resource.kubernetes.io/delete-protection"


async def test_such_pods_wait_where_the_namespace_opted_in(admin: Connection, managed: str, namespace: str):
    assert gates(await admitted(admin, managed, pod(spec=OWN))) == [GATE]
    assert gates(await admitted(admin, namespace, pod(spec=OWN))) == []
    assert gates(await admitted(admin, managed, pod())) == []


async def test_gates_that_are_there_stay_and_ours_comes_once(admin: Connection, managed: str):
    theirs = {"schedulingGates": [{"name": "example.com/first"}]}
    assert gates(await admitted(admin, managed, pod(spec=OWN | theirs))) == ["example.com/first", GATE]
    ours = {"schedulingGates": [{"name": GATE}]}
    assert gates(await admitted(admin, managed, pod(spec=OWN | ours))) == [GATE]


async def test_a_pod_on_a_node_of_its_own_is_not_gated(admin: Connection, managed: str):
    assert gates(await admitted(admin, managed, pod(spec=OWN | {"nodeName": "n1"}))) == []


def claim(*requests):
    return {"metadata": {"name": "c"}, "spec": {"devices": {"requests": list(requests)}}}


def exactly(device_class, name="r"):
    return {"name": name, "exactly": {"deviceClassName": device_class}}


def first_of(*device_classes):
    choices = [{"name": f"s{i}", "deviceClassName": name} for i, name in enumerate(device_classes)]
    return {"name": "r", "firstAvailable": choices}


@pytest.mark.parametrize(
    ("wanted", "protected"),
    [
        (claim(exactly("gpu.farthing.dev")), True),
        (claim(exactly("big.gpu.farthing.dev")), True),
        (claim(first_of("nic", "gpu.farthing.dev")), True),
        (claim(exactly("nic", "q"), exactly("gpu.farthing.dev")), True),
        (claim(exactly("gpu.nvidia.com")), False),
        (claim(exactly("mygpu.farthing.dev")), False),
        (claim(first_of("nic", "gpu.nvidia.com")), False),
        ({"metadata": {"name": "c"}, "spec": {}}, False),
        ({"metadata": {"name": "c"}, "spec": {"devices": {}}}, False),
    ],
)
async def test_claims_on_our_classes_are_protected_from_the_start(admin: Connection, namespace: str, wanted, protected):
    stored = await admin.create(claims(namespace), wanted, DRY)
    assert stored["metadata"].get("finalizers", []) == ([PROTECTION] if protected else [])


async def test_other_finalizers_stay(admin: Connection, namespace: str):
    wanted = claim(exactly("gpu.farthing.dev"))
    wanted["metadata"]["finalizers"] = ["example.com/mine"]
    stored = await admin.create(claims(namespace), wanted, DRY)
    assert sorted(stored["metadata"]["finalizers"]) == sorted(["example.com/mine", PROTECTION])
