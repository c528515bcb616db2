"""What the API server refuses of a DriverProfile, with the sentences that stand on its type."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from farthing.api.profiles import BUILT_IN, profile_object, profile_of
from farthing.kube.connection import Connection
from farthing.kube.resources import PROFILES
from farthing.model.errors import InvalidError
from tests.api.objects import DRY

pytestmark = pytest.mark.cluster

PATH = "/apis/farthing.dev/v1/driverprofiles"
OF_EXAMPLE = {"driver": "gpu.example.com"}


def profile(spec, name="gpu.example.com"):
    return {"apiVersion": "farthing.dev/v1", "kind": "DriverProfile", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("driver", [*BUILT_IN, "gpu.example.com"])
async def test_profiles_that_come_with_farthing_are_let_in_and_read_back(admin: Connection, driver):
    stored = await admin.patch(
        f"{PATH}/{driver}",
        profile_object(profile_of(driver)),
        "apply-patch",
        {"fieldManager": "farthing", "force": "true", **DRY},
    )
    stored["metadata"].setdefault("resourceVersion", "1")
    read: Any = PROFILES.thing(json.dumps(stored).encode())
    spec = profile_of(driver)
    assert (read.driver, read.vendor, read.levels) == (driver, spec.vendor, spec.isolation)
    names = (spec.memory, spec.compute, spec.model_attribute, spec.profile_attribute)
    assert (read.memory, read.compute, read.model, read.profile) == tuple(name or "" for name in names)


async def test_what_is_left_out_is_filled_in(admin: Connection):
    stored = await admin.create(PATH, profile(OF_EXAMPLE), DRY)
    assert stored["spec"] == {"driver": "gpu.example.com", "vendor": "", "isolation": ["shared"]}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "spec.driver: Required value"),
        ({"driver": "other.example.com"}, "a profile is named after its driver, so that each has one"),
        ({"driver": "GPU"}, "spec.driver in body should match"),
        ({"driver": ""}, "spec.driver"),
        (OF_EXAMPLE | {"vendor": "intel"}, 'Unsupported value: "intel": supported values: "", "nvidia", "amd"'),
        (OF_EXAMPLE | {"memory": "a b"}, "spec.memory in body should match"),
        (OF_EXAMPLE | {"memory": "x" * 97}, "spec.memory: Too long"),
        (OF_EXAMPLE | {"memory": "x", "compute": "x"}, "memory and compute must be two different capacities"),
        (OF_EXAMPLE | {"isolation": ["partition"]}, "isolation partition needs profileAttribute, which says what"),
        (OF_EXAMPLE | {"isolation": ["hard", "hard"]}, 'spec.isolation[1]: Duplicate value: "hard"'),
        (OF_EXAMPLE | {"isolation": []}, "spec.isolation"),
        (OF_EXAMPLE | {"isolation": ["harder"]}, 'Unsupported value: "harder"'),
    ],
)
async def test_wrong_profiles_are_refused(admin: Connection, spec, sentence):
    with pytest.raises(InvalidError) as refused:
        await admin.create(PATH, profile(spec), DRY)
    assert sentence in str(refused.value)


async def test_a_profile_keeps_its_driver(admin: Connection):
    await admin.create(PATH, profile(OF_EXAMPLE))
    try:
        with pytest.raises(InvalidError, match="a profile keeps its driver; make a new profile instead"):
            await admin.patch(f"{PATH}/gpu.example.com", {"spec": {"driver": "other.example.com"}})
        await admin.patch(f"{PATH}/gpu.example.com", {"spec": {"compute": "example.com/cores"}})
    finally:
        await admin.delete(f"{PATH}/gpu.example.com")


@pytest.mark.parametrize("driver", ["", "GPU", "gpu_x", "x" * 64])
def test_python_refuses_such_drivers_too(driver):
    with pytest.raises(ValidationError):
        profile_of(driver)
