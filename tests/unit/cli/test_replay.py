"""From a row of the trace to a pod, and from the pods' fates to the report."""

import pytest

from farthing.cli.replay import report_of
from farthing.cli.replaying import Fate, amount, manifest
from farthing.files.pods import TracePod
from farthing.model.ask import parse_ask


@pytest.mark.parametrize(
    ("gpus", "milli", "text"),
    [(1, 1000, "1"), (8, 1000, "8"), (1, 460, "0.46"), (1, 50, "0.05"), (1, 1, "0.001"), (2, 500, "2x0.5")],
)
def test_the_traces_amounts_are_asks(gpus, milli, text):
    assert amount(gpus, milli) == text
    assert (parse_ask(text).count, parse_ask(text).milli) == (gpus, milli)


def test_a_pod_keeps_its_name_requests_and_models():
    made = manifest(TracePod("p-1", 12000, 16384, 1, 460, ("V100M16", "V100M32")), "replay", "default.csv")
    assert made["metadata"] == {
        "name": "p-1",
        "namespace": "replay",
        "labels": {"farthing.dev/replay": "default.csv"},
        "annotations": {"farthing.dev/gpu": "0.46", "farthing.dev/gpu-model": "V100M16|V100M32"},
    }
    (container,) = made["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "12000m", "memory": "16384Mi"}}


def test_a_pod_without_gpu_asks_for_nothing():
    assert manifest(TracePod("p", 1, 1, 0, 0), "replay", "t")["metadata"]["annotations"] == {}


def test_the_report_counts_what_became_of_each_pod():
    pods = [TracePod(name, 1, 1, 1, 500) for name in ("quick", "slow", "there", "waits", "open")]
    fates = {
        "quick": Fate(created=10.0, bound=True, bound_at=10.1),
        "slow": Fate(created=10.0, bound=True, bound_at=12.0),
        "there": Fate(bound=True, bound_at=11.0),
        "waits": Fate(created=10.0, reason="NoCapacity"),
        "open": Fate(created=10.0),
    }
    found = report_of("t.csv", "replay", pods, fates, devices=3)
    assert (found.pods, found.created, found.found, found.bound, found.open) == (5, 4, 1, 3, 1)
    assert [(w.reason, w.pods) for w in found.waiting] == [("NoCapacity", 1)]
    assert (found.gpu_milli_bound, found.gpu_milli_capacity, found.allocation_percent) == (1500, 3000, 50.0)
    assert (found.seconds, found.pods_per_second) == (2.0, 1.0)
    assert (found.latency_p50_seconds, found.latency_p99_seconds) == (0.1, 2.0)


def test_nothing_bound_has_no_latency():
    found = report_of("t.csv", "replay", [TracePod("a", 1, 1, 1, 1)], {"a": Fate(created=1.0)}, devices=1)
    assert (found.latency_p50_seconds, found.pods_per_second, found.open) == (None, 0.0, 1)
