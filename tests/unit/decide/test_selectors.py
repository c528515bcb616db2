"""Device selectors mean what they mean to Kubernetes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.decide.selectors import Selector, compile_selector
from farthing.model.cluster import Capacity, Device, DeviceId, Version
from farthing.model.errors import InvalidError

DRIVER = "gpu.farthing.dev"
GPU = Device(
    "gpu-0",
    multi=True,
    attributes=(
        ("driverVersion", Version("550.1.2-rc.1")),
        ("gpu.other/cores", 64),
        ("model", "H100"),
        ("ok", True),
        ("uuid", "GPU-0"),
    ),
    capacity=(("compute", Capacity(1000)), ("memory", Capacity(80 << 30))),
)
MINE, MEMORY = f'device.attributes["{DRIVER}"]', f'device.capacity["{DRIVER}"].memory'

TRUE = [
    f'device.driver == "{DRIVER}"',
    "device.allowMultipleAllocations",
    f'{MINE}.model == "H100" && {MINE}.ok',
    f'{MINE}.model in ["A100", "H100"]',
    f'{MINE}.model.lowerAscii().startsWith("h")',
    f'{MINE}.model.matches("^H[0-9]+$")',
    f'"model" in {MINE}',
    f"has({MINE}.model) && !has({MINE}.nonsense)",
    f'{MINE}.?nonsense.orValue("none") == "none"',
    'device.attributes["gpu.other"].cores > 32',
    'size(device.attributes["nobody.here"]) == 0',
    f'{MEMORY}.isGreaterThan(quantity("79Gi"))',
    f'{MEMORY}.isLessThan(quantity("1Ti"))',
    f'{MEMORY}.compareTo(quantity("80Gi")) == 0',
    f'{MEMORY} == quantity("81920Mi")',
    f'{MEMORY}.sub(quantity("1Gi")).compareTo(quantity("79Gi")) == 0',
    f"{MEMORY}.add(1).asInteger() == 85899345921",
    f"sign({MEMORY}) == 1 && {MEMORY}.isInteger()",
    'quantity("50m").asApproximateFloat() == 0.05',
    'isQuantity("80Gi") && !isQuantity("80Xi")',
    f'{MINE}.driverVersion.isGreaterThan(semver("550.0.0"))',
    f'{MINE}.driverVersion.isLessThan(semver("550.1.2"))',
    f'{MINE}.driverVersion.compareTo(semver("550.1.2-rc.1")) == 0',
    f"{MINE}.driverVersion.major() == 550 && {MINE}.driverVersion.minor() == 1 && {MINE}.driverVersion.patch() == 2",
    'isSemver("1.2.3") && !isSemver("1.2") && !isSemver("01.2.3")',
    f'cel.bind(mine, {MINE}, mine.ok && mine.model == "H100")',
    f'{MINE}.exists(name, name == "uuid")',
]


@pytest.mark.parametrize("expression", TRUE)
def test_what_is_true_of_the_device_matches(expression):
    assert compile_selector(expression).matches(DRIVER, GPU) is True
    assert compile_selector(f"!({expression})").matches(DRIVER, GPU) is False


@pytest.mark.parametrize(
    "expression",
    [
        f'{MINE}.nonsense == "x"',
        'device.attributes["nobody.here"].x == 1',
        'quantity("bad").isInteger()',
        f"{MINE}.model.major() == 1",
        f"{MINE}.model",
    ],
)
def test_what_cannot_be_told_is_a_sentence_naming_selector_and_device(expression):
    _, sentence = compile_selector(expression).select((DeviceId(DRIVER, "n0", "gpu-0"),), (GPU,))
    assert sentence.startswith("the selector ")
    assert "n0/gpu-0" in sentence


@pytest.mark.parametrize(
    "expression",
    ["", "device.", "1 + 1", '"text"', "unknown", "device == device", f"{MEMORY}.major() == 1", "x" * 10_241, "\ud800"],
)
def test_what_is_no_selector_is_refused(expression):
    with pytest.raises(InvalidError, match="selector"):
        Selector(expression)


@given(st.text(max_size=200))
def test_arbitrary_text_is_a_selector_or_refused(text):
    try:
        found = Selector(text)
    except InvalidError:
        return
    assert found.matches(DRIVER, GPU) in (True, False) or isinstance(found.matches(DRIVER, GPU), str)


def fleet(count):
    return tuple(
        replace(GPU, attributes=(("model", "H100" if i % 2 else "L4"), ("uuid", f"GPU-{i}"))) for i in range(count)
    )


def evaluations(expression, devices, monkeypatch):
    selector, seen = Selector(expression), []
    evaluate = selector._evaluate
    monkeypatch.setattr(selector, "_evaluate", lambda sight: seen.append(sight) or evaluate(sight))
    ids = tuple(DeviceId(DRIVER, "n0", f"gpu-{i}") for i in range(len(devices)))
    _, problem = selector.select(ids, devices)
    assert not problem
    return len(seen)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f'{MINE}.model == "H100"', 2),
        (f'{MINE}["mo" + "del"] == "H100"', 2),
        (f'{MINE}["mo\\x64el"] == "H100"', 2),
        (f'{MINE}.exists(name, name == "uuid")', 1),
        (f'{MINE}.exists(name, {MINE}[name] == "L4")', 101),
        (f'{MINE}.uuid == "GPU-7"', 200),
        ("device.allowMultipleAllocations", 1),
        ("true", 1),
    ],
)
def test_devices_that_look_the_same_to_it_are_evaluated_once(expression, expected, monkeypatch):
    assert evaluations(expression, fleet(200), monkeypatch) == expected


def test_sixteen_thousand_devices_of_two_models_are_two_evaluations(monkeypatch):
    assert evaluations(f'{MINE}.model.startsWith("H")', fleet(16_000), monkeypatch) == 2


@pytest.mark.parametrize("name", ["model", "uuid", 'mo" + "del', "mo\\x64el"])
def test_devices_that_look_alike_elsewhere_are_told_apart(name):
    devices = fleet(10)
    selector = Selector(f'{MINE}["{name}"] in ["H100", "GPU-3"]')
    ids = tuple(DeviceId(DRIVER, "n0", f"gpu-{i}") for i in range(10))
    chosen, _ = selector.select(ids, devices)
    assert list(chosen.nonzero()[0]) == ([3] if name == "uuid" else [1, 3, 5, 7, 9])


def test_a_whole_number_and_a_truth_are_told_apart():
    number, truth = (replace(GPU, attributes=(("flag", value),)) for value in (1, True))
    selector = Selector(f"{MINE}.flag == true")
    assert [selector.matches(DRIVER, device) for device in (number, truth, number)] == [False, True, False]
