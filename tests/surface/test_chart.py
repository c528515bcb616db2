"""The chart is the manifests: what Helm makes of it is what `farthing install` applies, and the programs."""

from pathlib import Path

import pytest
import yaml

from farthing.api.chart import FOLDER, IMAGE, REPLICAS, chart
from farthing.api.manifests import manifests, mps_host, node_driver, spoke
from farthing.api.names import NAMESPACE
from farthing.local.pins import KUBERNETES
from tests.helm import helm, needs_helm

ROOT = Path(__file__).parents[2]
NAME = "example.org/farthing:1"


def everything():
    """All that is to be in the cluster, by what identifies it."""
    programs = (node_driver(NAME), mps_host(NAME), spoke(NAME))
    found = [*manifests(), *(yaml.safe_load(text) for text in programs)]
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


@needs_helm
def test_helm_makes_the_manifests_of_it():
    image = f"image={NAME}"
    made = helm("template", "farthing", ROOT / FOLDER, "--include-crds", "--kube-version", KUBERNETES, "--set", image)
    assert named(yaml.safe_load_all(made)) == everything()
    assert "0 chart(s) failed" in helm("lint", "--strict", ROOT / FOLDER, "--set", image)


@needs_helm
@pytest.mark.parametrize("part", ["spoke", "node", "mps"])
def test_helm_leaves_out_the_programs_that_are_not_wanted(part):
    values = ("--set", f"image={NAME}", "--set", f"{part}.enabled=false")
    made = named(yaml.safe_load_all(helm("template", "farthing", ROOT / FOLDER, "--kube-version", KUBERNETES, *values)))
    programs = {"spoke": "farthing-spoke", "node": "farthing-node", "mps": "farthing-mps"}
    there = {name for kind, _, name in made if kind in ("DaemonSet", "Deployment")}
    assert there == set(programs.values()) - {programs[part]}


@needs_helm
def test_helm_says_what_is_missing():
    with pytest.raises(RuntimeError, match="name an image of Farthing"):
        helm("template", "farthing", ROOT / FOLDER, "--kube-version", KUBERNETES)


@pytest.mark.parametrize("text", [node_driver(NAME), mps_host(NAME), spoke(NAME)], ids=["node", "mps", "spoke"])
def test_the_programs_run_with_as_little_as_they_can(text):
    spec = yaml.safe_load(text)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert "privileged" not in container["securityContext"]
    assert "hostNetwork" not in spec


@needs_helm
def test_helm_tells_the_driver_its_time_slice():
    values = ("--set", f"image={NAME}", "--set", "node.timeSlice=long")
    made = named(yaml.safe_load_all(helm("template", "farthing", ROOT / FOLDER, "--kube-version", KUBERNETES, *values)))
    spec = made["DaemonSet", NAMESPACE, "farthing-node"]["spec"]["template"]["spec"]
    (args,) = (container["args"] for container in spec["containers"])
    assert args[args.index("--time-slice") + 1] == "long"
    assert "--mps-host" in args
