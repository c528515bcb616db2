"""Other ways to ask for GPUs become ours; what has no equivalent is said and left alone."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from farthing.cli import app

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat  # kept
spec:
  template:
    metadata:
      labels: {app: chat}
      annotations: {%s}
    spec:
      containers:
      - name: main
        image: x
        resources:
          limits: {ephemeral-storage: 2Gi, %s}
"""


@pytest.fixture
def migrated(tmp_path):
    def run(limits="cpu: 2", annotations="a: b"):
        path = tmp_path / "d.yaml"
        path.write_text(DEPLOYMENT % (annotations, limits))
        result = CliRunner().invoke(app, ["migrate", "-f", str(path), "--write", "-o", "json"])
        assert result.exit_code == 0, result.output
        (answer,) = json.loads(result.stdout)
        return answer["findings"], path.read_text()

    return run


@pytest.mark.parametrize(
    ("limits", "annotations", "expected"),
    [
        ("nvidia.com/gpu: 2", "a: b", {"farthing.dev/gpu": "2"}),
        ("amd.com/gpu: 1", "a: b", {"farthing.dev/gpu": "1"}),
        ("nvidia.com/mig-1g.10gb: 1", "a: b", {"farthing.dev/gpu": "1g.10gb"}),
        (
            "nvidia.com/gpu: 1, nvidia.com/gpumem: 3000",
            "a: b",
            {"farthing.dev/gpu": "3000Mi", "farthing.dev/isolation": "hard"},
        ),
        (
            "nvidia.com/gpu: 2, nvidia.com/gpumem-percentage: 50",
            "a: b",
            {"farthing.dev/gpu": "2x0.5", "farthing.dev/isolation": "hard"},
        ),
        (
            "nvidia.com/gpu: 1, nvidia.com/gpucores: 30",
            'nvidia.com/use-gputype: "A100,V100"',
            {"farthing.dev/gpu": "0.3", "farthing.dev/isolation": "hard", "farthing.dev/gpu-model": "A100|V100"},
        ),
        (
            "volcano.sh/vgpu-number: 1, volcano.sh/vgpu-memory: 4096",
            "a: b",
            {"farthing.dev/gpu": "4096Mi", "farthing.dev/isolation": "hard"},
        ),
        ("memory: 1Gi", 'gpu-fraction: "0.50"', {"farthing.dev/gpu": "0.5"}),
        ("memory: 1Gi", 'gpu-memory: "2000"', {"farthing.dev/gpu": "2000Mi"}),
        ("memory: 1Gi", 'gpu-fraction: "0.25", gpu-fraction-num-devices: "4"', {"farthing.dev/gpu": "4x0.25"}),
    ],
)
def test_each_way_becomes_an_ask(migrated, limits, annotations, expected):
    _, text = migrated(limits, annotations)
    template = yaml.safe_load(text)["spec"]["template"]
    ours = {
        name: value for name, value in template["metadata"]["annotations"].items() if name.startswith("farthing.dev")
    }
    assert ours == expected
    left = template["spec"]["containers"][0]["resources"]["limits"]
    assert not any("/" in name for name in left)
    assert "# kept" in text


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("nvidia.com/gpu.shared: 1", "has no size"),
        ("nvidia.com/mig-1g.10gb: 2", "several partitions"),
        ("nvidia.com/gpu: 2, nvidia.com/gpumem: 3000", "memory on several devices"),
        ("nvidia.com/gpu: 40", "is not an amount of GPU"),
        ("nvidia.com/gpu: 1, nvidia.com/gpumem: 3k", "3k"),
    ],
)
def test_what_has_no_equivalent_is_said_and_stays(migrated, limits, said):
    (finding,), text = migrated(limits)
    assert finding["gpu"] == ""
    assert any(said in note for note in finding["notes"])
    assert text == DEPLOYMENT % ("a: b", limits)


def test_what_asks_for_nothing_is_left_alone(migrated):
    findings, text = migrated()
    assert findings == []
    assert text == DEPLOYMENT % ("a: b", "cpu: 2")


def test_migrating_twice_changes_nothing_more(tmp_path):
    path = tmp_path / "d.yaml"
    path.write_text(DEPLOYMENT % ("a: b", "nvidia.com/gpu: 2"))
    CliRunner().invoke(app, ["migrate", "-f", str(path), "--write"])
    once = path.read_text()
    result = CliRunner().invoke(app, ["migrate", "-f", str(path), "--write"])
    assert "Nothing here asks" in result.output
    assert path.read_text() == once


def test_without_write_the_file_stays_and_the_diff_is_shown(tmp_path):
    path = tmp_path / "d.yaml"
    path.write_text(DEPLOYMENT % ("a: b", "nvidia.com/gpu: 2"))
    result = CliRunner().invoke(app, ["migrate", "-f", str(tmp_path)])
    assert "+      annotations: {a: b, farthing.dev/gpu: '2'}" in result.output
    assert path.read_text() == DEPLOYMENT % ("a: b", "nvidia.com/gpu: 2")
