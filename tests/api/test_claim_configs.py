"""What a claim says to our driver is looked at when it is written, on claims and on templates alike."""

import pytest

from farthing.kube.connection import Connection
from farthing.kube.share import ask_of_share
from farthing.model.ask import (
    AMOUNT_EXPECTED,
    AMOUNT_REFUSED,
    ISOLATION_REFUSED,
    MODELS_REFUSED,
    PROFILE_ISOLATION_REFUSED,
)
from farthing.model.errors import InvalidError
from tests.api.objects import DRY, claims, eventually, templates

pytestmark = pytest.mark.cluster

OURS = {"apiVersion": "farthing.dev/v1", "kind": "Share"}
DRIVER = "gpu.farthing.dev"


def spec(parameters, *, driver=DRIVER, requests=1, times=1):
    asked = [{"name": f"r{i}", "exactly": {"deviceClassName": "x"}} for i in range(requests)]
    return {
        "devices": {"requests": asked, "config": times * [{"opaque": {"driver": driver, "parameters": parameters}}]}
    }


async def written(admin: Connection, namespace, content):
    return await admin.create(claims(namespace), {"metadata": {"name": "c"}, "spec": content}, DRY)


WRONG = {
    "another kind": ({**OURS, "kind": "GpuConfig", "gpu": "1"}, ": expected apiVersion farthing.dev/v1 and kind Share"),
    "another version": ({**OURS, "apiVersion": "farthing.dev/v9", "gpu": "1"}, ": expected apiVersion farthing.dev/v1"),
    "a kind that is a number": (
        {**OURS, "kind": 7, "gpu": "1"},
        ": expected apiVersion farthing.dev/v1 and kind Share",
    ),
    "nothing at all": ({}, ": expected apiVersion farthing.dev/v1 and kind Share"),
    "an unknown field": ({**OURS, "gpu": "1", "gpus": "2"}, ".gpus: a Share has no such field; expected gpu, gpuModel"),
    "a team": ({**OURS, "gpu": "1", "team": "others"}, ".team: a Share has no such field"),
    "no amount": (OURS, f".gpu: is missing; {AMOUNT_EXPECTED}"),
    "an amount out of range": ({**OURS, "gpu": "33"}, f".gpu: '33' {AMOUNT_REFUSED}"),
    "an amount that is a number": (
        {**OURS, "gpu": 1},
        f".gpu: what is no text {AMOUNT_REFUSED}",
    ),
    "an amount of 10 kB": ({**OURS, "gpu": "9" * 9000}, f".gpu: '{'9' * 50}'... (9000 characters) {AMOUNT_REFUSED}"),
    "an amount of many lines": ({**OURS, "gpu": "1\n2"}, f".gpu: '1\\n2' {AMOUNT_REFUSED}"),
    "a model with a shell in it": (
        {**OURS, "gpu": "1", "gpuModel": "$(reboot)"},
        f".gpuModel: '$(reboot)' {MODELS_REFUSED}",
    ),
    "models as a list": ({**OURS, "gpu": "1", "gpuModel": ["H100"]}, ".gpuModel: what is no text"),
    "an unknown level": ({**OURS, "gpu": "1", "isolation": "harder"}, f".isolation: 'harder' {ISOLATION_REFUSED}"),
    "a level with a path": ({**OURS, "gpu": "1", "isolation": "../x"}, f".isolation: '../x' {ISOLATION_REFUSED}"),
    "a partition that is soft": (
        {**OURS, "gpu": "1g.10gb", "isolation": "soft"},
        f".isolation: soft {PROFILE_ISOLATION_REFUSED}",
    ),
    "an unknown vendor": (
        {**OURS, "gpu": "1", "vendor": "acme"},
        ".vendor: 'acme' is not a vendor; expected one of nvidia, amd",
    ),
}


@pytest.mark.parametrize(("parameters", "sentence"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_configuration_is_refused_with_its_place(admin: Connection, namespace: str, parameters, sentence):
    with pytest.raises(InvalidError) as refused:
        await written(admin, namespace, spec(parameters))
    assert f"denied request: spec.devices.config[0].opaque.parameters{sentence}" in str(refused.value)
    body = {"metadata": {"name": "t"}, "spec": {"spec": spec(parameters)}}
    with pytest.raises(InvalidError) as refused:
        await admin.create(templates(namespace), body, DRY)
    assert f"denied request: spec.spec.devices.config[0].opaque.parameters{sentence}" in str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {"gpu": "0.25"},
        {"gpu": "2", "gpuModel": "H100|A100", "vendor": "nvidia"},
        {"gpu": "10Gi", "isolation": "hard"},
        {"gpu": "1g.10gb", "isolation": "partition"},
        {"gpu": "1g.10gb"},
    ],
)
async def test_a_right_one_is_let_in_and_understood(admin: Connection, namespace: str, more):
    assert await written(admin, namespace, spec({**OURS, **more}))
    assert ask_of_share({**OURS, **more})


async def test_one_request_has_one_share(admin: Connection, namespace: str):
    for content, found in (
        (spec({**OURS, "gpu": "1"}, requests=2), "2 and 1"),
        (spec({**OURS, "gpu": "1"}, times=2), "1 and 2"),
    ):
        with pytest.raises(InvalidError, match=f"exactly one request and one such entry, and this has {found}"):
            await written(admin, namespace, content)


async def test_what_is_said_to_other_drivers_is_their_business(admin: Connection, namespace: str):
    assert await written(admin, namespace, spec({"anything": [1, 2]}, driver="gpu.nvidia.com", requests=2))
    assert await written(admin, namespace, {"devices": {}})


async def test_what_was_there_before_can_still_be_labelled_and_deleted(admin: Connection, namespace: str):
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/farthing-claim-configs"
    binding = await admin.get(path)
    await admin.delete(path)
    try:
        made = await _made_without_the_rule(admin, namespace)
    finally:
        binding["metadata"] = {"name": binding["metadata"]["name"]}
        await admin.create(path.rsplit("/", 1)[0], binding)
    await admin.patch(f"{claims(namespace)}/old", {"metadata": {"labels": {"seen": "true"}}})
    assert made["metadata"]["name"] == "old"
    await admin.delete(f"{claims(namespace)}/old")


async def _made_without_the_rule(admin: Connection, namespace: str):
    """Until the API server has noticed that the rule is gone, it is refused."""
    body = {"metadata": {"name": "old"}, "spec": spec({"anything": 1})}

    async def attempt():
        try:
            return await admin.create(claims(namespace), body)
        except InvalidError:
            return None

    return await eventually(attempt)
