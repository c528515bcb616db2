"""`farthing simulate`: from files to an answer, or to a sentence about what is wrong with them."""

import json
import pickle

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


@pytest.mark.parametrize("mode", ["fill", "churn", "replay"])
def test_the_order_of_lines_does_not_matter(files, mode):
    """Not of nodes, nor of pods, even where many come at one instant."""
    nodes = [f"n-{i},{16_000 * (1 + i % 3)},65536,{1 + i % 3},T4" for i in range(9)]
    pods = [f"p-{i},{1000 * (i % 5)},1024,{i % 3},{100 * (i % 3 + 1)},,{i // 6},{i // 6 + 3}" for i in range(60)]
    found = []
    for step in (1, -1):
        (files / "nodes.csv").write_text("\n".join(["sn,cpu_milli,memory_mib,gpu,model", *nodes[::step]]))
        (files / "many.csv").write_text(HEADER + "\n".join(pods[::step]))
        (ran,) = simulate("--fleet", files / "nodes.csv", "--trace", files / "many.csv", "--mode", mode)
        found.append({name: value for name, value in ran.items() if name != "seconds"})
    assert found[0] == found[1]


def test_files_beside_the_user_are_found_by_their_names(files, monkeypatch):
    monkeypatch.chdir(files)
    (found,) = simulate("--fleet", "fleet.yaml", "--trace", "pods.csv")
    assert found["gpus_total"] == 6


def test_a_broken_cache_of_kernels_is_said_and_numpy_takes_over(files, monkeypatch):
    def broken(_):
        raise pickle.UnpicklingError("junk")

    monkeypatch.setattr("farthing.decide.warm.warm_up", broken)
    words = ["--fleet", str(files / "fleet.yaml"), "--trace", str(files / "pods.csv")]
    result = CliRunner().invoke(app, ["simulate", *words])
    assert result.exit_code == 0
    assert "compiled kernels cannot be used (UnpicklingError: junk)" in " ".join(result.stderr.split())
