"""The chart is the manifests: what Helm makes of it is what `farthing install` applies, and the programs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from farthing.api.chart import FOLDER, IMAGE, REPLICAS, chart
from farthing.api.manifests import manifests, node_driver, spoke

ROOT = Path(__file__).parents[2]
NAME = "example.org/farthing:1"
HELM = os.environ.get("FARTHING_HELM") or shutil.which("helm")


def everything():
    """All that is to be in the cluster, by what identifies it."""
    found = [*manifests(), yaml.safe_load(node_driver(NAME)), yaml.safe_load(spoke(NAME))]
    return named(one for one in found if one["kind"] != "Namespace")


def named(objects):
    listed = [one for one in objects if one]
    by_name = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in listed}
    assert len(by_name) == len(listed)
    return by_name


def test_its_templates_are_the_manifests():
    """Without Helm: the few values filled in by hand."""
    texts = [
        text for path, text in chart().items() if ("/templates/" in path and path.endswith(".yaml")) or "/crds/" in path
    ]
    lines = [line for text in texts for line in [*text.splitlines(), "---"] if not line.startswith("{{-")]
    filled = "\n".join(lines).replace(IMAGE, NAME).replace(REPLICAS, "2")
    assert "{{" not in filled
    assert named(yaml.safe_load_all(filled)) == everything()


@pytest.mark.skipif(
    not HELM, reason="no helm on PATH and no FARTHING_HELM: what Helm makes of the chart is not looked at"
)
def test_helm_makes_the_manifests_of_it():
    command = [
        HELM,
        "template",
        "farthing",
        ROOT / FOLDER,
        "--include-crds",
        "--kube-version",
        "1.37.2",
        "--set",
        f"image={NAME}",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert named(yaml.safe_load_all(made)) == everything()
    subprocess.run([HELM, "lint", "--strict", ROOT / FOLDER, "--set", f"image={NAME}"], check=True, capture_output=True)


@pytest.mark.skipif(
    not HELM, reason="no helm on PATH and no FARTHING_HELM: what Helm makes of the chart is not looked at"
)
def test_helm_says_what_is_missing():
    command = [HELM, "template", "farthing", ROOT / FOLDER, "--kube-version", "1.37.2"]
    assert "name an image of Farthing" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("text", [node_driver(NAME), spoke(NAME)], ids=["node", "spoke"])
def test_the_programs_run_with_as_little_as_they_can(text):
    spec = yaml.safe_load(text)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert "privileged" not in container["securityContext"]
    assert "hostNetwork" not in spec
