"""Pods bound per second: Farthing's spoke against kube-scheduler's own DRA allocation.

Same control plane, same fleet, same pods (a quarter of one of 8 GPUs a node), one after the other: first kube-scheduler
alone, then Farthing is installed and places the same manifests, and then the annotated ones that users write.
"""

import asyncio
import os
import re
from dataclasses import dataclass

from bench.rig import Bound, Rig, annotated, quarter_template, remove_pods, rig, run_pods, with_claim

OTHERS = "load"
SETTLED = 30.0
"""Seconds that a spoke is given first: for a while after its start it compiles its kernels beside its work."""


@dataclass(frozen=True)
class Run:
    """One way of scheduling: pods per second, and milliseconds of CPU per pod by component."""

    rate: float
    cpu: dict[str, float]


@dataclass(frozen=True)
class Throughput:
    """At one size of fleet."""

    nodes: int
    pods: int
    alone: Run
    same: Run
    annotated: Run
    calls: dict[str, tuple[float, float]]
    """For each call of the spoke: how often per pod, and milliseconds each."""


async def measure(nodes: int, pods: int) -> Throughput:
    """The three runs on one control plane."""
    async with rig() as r:
        await r.fleet(nodes)
        await quarter_template(r.connection)
        await run_pods(r.connection, [with_claim(f"warm-{i}") for i in range(20)])
        await remove_pods(r.connection)
        alone = await _run(r, [with_claim(f"alone-{i}") for i in range(pods)])
        await remove_pods(r.connection)
        await r.connection.patch(
            "/api/v1/namespaces/default", {"metadata": {"labels": {"farthing.dev/managed": "true"}}}
        )
        await r.install()
        await asyncio.sleep(SETTLED)
        await run_pods(r.connection, [annotated(f"warm-{i}") for i in range(20)])
        await remove_pods(r.connection)
        same = await _run(r, [with_claim(f"same-{i}") for i in range(pods)])
        await remove_pods(r.connection)
        before = _calls(await r.metrics())
        asked = await _run(r, [annotated(f"asked-{i}") for i in range(pods)])
        return Throughput(nodes, pods, alone, same, asked, _per_pod(before, _calls(await r.metrics()), pods))


async def _run(r: Rig, manifests: list[dict[str, object]]) -> Run:
    before, load = r.cpu(), sum(os.times()[:2])
    bound: Bound = await run_pods(r.connection, manifests)
    spent = {name: (seconds - before.get(name, 0.0)) * 1000 / len(manifests) for name, seconds in r.cpu().items()}
    spent[OTHERS] = (sum(os.times()[:2]) - load) * 1000 / len(manifests)
    return Run(bound.rate(), spent)


def _calls(metrics: str) -> dict[str, tuple[float, float]]:
    """Count and total seconds of each call so far."""
    found: dict[str, dict[str, float]] = {}
    for what, call, value in re.findall(r'farthing_request_seconds_(count|sum)\{call="([^"]+)"\} (\S+)', metrics):
        found.setdefault(call, {})[what] = float(value)
    return {call: (values["count"], values["sum"]) for call, values in found.items()}


def _per_pod(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], pods: int
) -> dict[str, tuple[float, float]]:
    result = {}
    for call, (count, seconds) in after.items():
        done, spent = count - before.get(call, (0, 0))[0], seconds - before.get(call, (0, 0))[1]
        if done:
            result[call] = (done / pods, spent * 1000 / done)
    return result
