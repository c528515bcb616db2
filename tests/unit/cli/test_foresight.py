"""What commands say of the future, in words."""

import json

import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.cli.expected import expected
from farthing.cli.judgement import judge, wanted
from farthing.cli.repack import ignores_disruptions
from farthing.cli.sources import from_fleet, waiting_pod
from farthing.files.pods import TracePod
from farthing.model.ask import parse_ask
from farthing.model.errors import InvalidError, NotFoundError

NOW = 1_000_000.0


def said(town):
    look = town.look()
    (waiting,) = [w for w in look.snapshot().waiting if w.pod.key.name == "waits"]
    return expected(look, waiting, wanted(look, waiting.pod), judge(look, waiting).reason)


def taken(town, **more):
    """Both devices of both nodes are taken, and a pod waits for one."""
    for i in range(4):
        town.pod(f"p{i}", "1", on=(f"n{i // 2 + 1}", 1000, f"gpu-{i % 2}"), started=NOW - 600, **more)
    return town.pod("waits", "1")


def test_one_answer_where_all_say_how_long_they_run(town):
    found = said(taken(town, duration=4200))
    assert (found.earliest_seconds, found.likely_seconds, found.latest_seconds) == (3600.0, 3600.0, 3600.0)
    assert found.sentence == (
        "in about 60m, if nobody new goes before it; this rests on what 4 running pods say (farthing.dev/duration)"
    )


def test_unknown_where_nobody_says(town):
    found = said(taken(town))
    assert (found.likely_seconds, found.unknown) == (None, 4)
    assert found.sentence == "unknown: of 4 running pods nobody knows the end"


def test_a_range_where_earlier_pods_tell(town):
    for i, seconds in enumerate((900, 1200, 1800, 3600, 7200)):
        town.pod(f"old{i}", "1", over=True, started=0.0, ended=float(seconds))
    found = said(taken(town))
    assert found.sentence == (
        "in 5m at the earliest, likely 20m, at the latest 110m, if nobody new goes before it; "
        "this rests on how long 5 earlier pods of the teams of 4 running pods ran"
    )


def test_some_say_and_some_do_not(town):
    town = taken(town).pod("p0", "1", on=("n1", 1000, "gpu-0"), started=NOW - 600, duration=1200)
    assert said(town).sentence == (
        "in about 10m, if nobody new goes before it; this rests on what 1 running pod says (farthing.dev/duration); "
        "of 3 running pods nobody knows the end, and it may start sooner when one of them ends"
    )


def test_nothing_where_no_waiting_helps(town):
    assert said(town.pod("waits", "1", models="B200")) is None


@pytest.mark.parametrize(
    ("rules", "survives"),
    [
        ([], False),
        ([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}], True),
        ([{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}], False),
        ([{"action": "Ignore", "onPodConditions": [{"type": "Other"}]}], False),
        ([{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
          {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}], True),
    ],
)  # fmt: skip
def test_a_job_that_ignores_disruptions_makes_another_pod(rules, survives):
    assert ignores_disruptions({"spec": {"podFailurePolicy": {"rules": rules}}}) is survives
    assert ignores_disruptions({"spec": {}}) is False


def test_a_pod_of_a_trace_waits_as_it_would_in_a_cluster():
    pod, claim = waiting_pod(TracePod("a", 4000, 1024, 2, 500, ("V100M16", "V100M32")), 7)
    assert claim.ask == parse_ask("2x0.5", "V100M16|V100M32")
    assert (pod.cpu, pod.memory, pod.created, pod.waits) == (4000, 1 << 30, 7.0, True)
    assert pod.claims[0].claim == claim.key.name


def test_a_fleet_file_is_a_cluster_without_pods(tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text("groups: [{prefix: a, nodes: 2, gpus: 4, model: H100, gpuMemory: 80Gi}]")
    source = from_fleet(file, None, None, None)
    assert len(source.world.fleet.devices) == 8
    assert source.world.snapshot(0.0).waiting == ()
    file.write_text("groups: []")
    with pytest.raises(InvalidError, match="groups"):
        from_fleet(file, None, None, None)
    with pytest.raises(NotFoundError):
        from_fleet(tmp_path / "none.yaml", None, None, None)


def test_nodes_come_and_go_at_the_same_time_and_cost_what_they_cost(tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text("groups: [{prefix: n, nodes: 8, gpus: 8, model: H100, gpuMemory: 80Gi, cpu: 96, memory: 768Gi}]")
    words = ["what-if", "--fleet", str(file), "--add-nodes", "4xH100x8", "--price", "H100=2.49", "-o", "json"]
    result = CliRunner().invoke(app, [*words, "--remove-node", "n7", "--remove-node", "n-7"])
    assert str(result.exception) == "--remove-node: there is no node n7"
    result = CliRunner().invoke(app, [*words, "--remove-node", "n-7", "--remove-node", "n-7"])
    assert "n-7 is named twice" in str(result.exception)
    found = json.loads(CliRunner().invoke(app, [*words, "--remove-node", "n-7"], catch_exceptions=False).stdout)
    for side, nodes in (("before", 8), ("after", 11)):
        assert (found[side]["nodes"], found[side]["devices"]) == (nodes, 8 * nodes)
        assert found[side]["cost_micro_per_hour"] == 8 * nodes * 2_490_000
