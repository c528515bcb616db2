"""`farthing simulate`: from files to an answer, or to a sentence about what is wrong with them."""

import json

import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.model.errors import FarthingError
from farthing.sim.export import write

FLEET = "groups: [{prefix: a, nodes: 3, gpus: 2, model: H100, gpuMemory: 80Gi}]"
HEADER = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time\n"
PODS = HEADER + "one,1000,1024,1,500,,0,100\ntwo,1000,1024,2,1000,H100,50,90\nthree,1000,1024,0,0,,60,90\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "pods.csv").write_text(PODS)
    return tmp_path


def simulate(*words):
    """The runs that a simulation shows."""
    result = CliRunner().invoke(app, ["simulate", "-o", "json", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_fleet_file_and_a_list_of_pods(files):
    (found,) = simulate("--fleet", files / "fleet.yaml", "--trace", files / "pods.csv", "--mode", "replay")
    assert (found["policy"], found["arrivals"], found["rejected"], found["gpus_total"]) == ("Farthing", 3, 0, 6)


def exported(files, town):
    town.pod("one", "0.5", age=100.0, duration=100).pod("two", "2", age=50.0)
    town.pod("odd", "1g.10gb")
    (files / "cluster.json").write_bytes(write(town.world, 2_000_000.0))
    return files / "cluster.json"


def test_an_export_has_a_fleet_and_pods_of_its_own(files, town):
    cluster = exported(files, town)
    (found,) = simulate("--from", cluster, "--mode", "replay")
    assert (found["trace"], found["arrivals"], found["gpus_total"]) == ("cluster.json", 2, 4)


def test_a_fleet_or_a_trace_takes_the_place_of_the_exports_own(files, town):
    cluster = exported(files, town)
    (found,) = simulate("--from", cluster, "--fleet", files / "fleet.yaml", "--mode", "replay")
    assert (found["trace"], found["arrivals"], found["gpus_total"]) == ("cluster.json", 2, 6)
    (found,) = simulate("--from", cluster, "--trace", files / "pods.csv", "--mode", "replay")
    assert (found["trace"], found["arrivals"], found["gpus_total"]) == ("pods.csv", 3, 4)


def test_what_is_not_played_is_said(files, town):
    result = CliRunner().invoke(app, ["simulate", "--from", str(exported(files, town)), "--mode", "replay"])
    assert "Left out: pods that ask for partitions (MIG) (1)." in result.stderr


def wrong(*words):
    """The sentence about what is wrong."""
    result = CliRunner().invoke(app, ["simulate", *map(str, words)])
    assert isinstance(result.exception, FarthingError), result.output
    return str(result.exception)


@pytest.mark.parametrize("content", ["", "{", "[]", FLEET, PODS])
def test_a_file_that_is_no_export_is_named(files, content):
    (files / "cluster.json").write_text(content)
    assert "expected" in (said := wrong("--from", files / "cluster.json"))
    assert said.startswith(str(files / "cluster.json"))


def test_an_export_without_gpus_or_without_asks_is_nothing_to_simulate(files, town):
    (files / "cluster.json").write_bytes(write(town.world, 0.0))
    assert "has no pod that asks for GPUs" in wrong("--from", files / "cluster.json")
    empty = type(town)()
    (files / "cluster.json").write_bytes(write(empty.pod("one", "0.5").world, 0.0))
    assert "has no node with GPUs" in wrong("--from", files / "cluster.json")
