"""How the planner grows: memory, the first plan, a year of the trace, a repack. Writes docs/benchmarks-planner-size.md.

`python -m bench planner-size`. Each figure is taken in a process of its own, which prints it as JSON; times are of the
process' CPU, since the machine may do other work.
"""

import json
import math
import random
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from bench.planner import NODES
from farthing.cli.sources import from_fleet, waiting_pod
from farthing.cli.tracefile import find_file
from farthing.decide.cycle import plan
from farthing.decide.repack import repack
from farthing.decide.warm import use_compiled
from farthing.files.fleet import read_fleet
from farthing.files.pods import TracePod, read_pods
from farthing.model.ask import Ask, template_name
from farthing.model.cluster import (
    DEVICE_CLASS,
    OWN_DRIVER,
    Allocation,
    Capacity,
    Claim,
    Constraints,
    Device,
    DeviceClass,
    DeviceId,
    Key,
    Node,
    Owner,
    Pod,
    PodClaim,
    Request,
    Result,
    Slice,
)
from farthing.model.plan import Seen
from farthing.model.quantity import MIB, WHOLE_DEVICE, MilliGpu
from farthing.sim.engine import Setting, run
from farthing.sim.fleet import PROFILE, simulated
from farthing.sim.results import Mode
from farthing.sim.workload import Arrival, arrivals
from farthing.state.fork import Fork
from farthing.state.residents import residents
from farthing.state.world import World

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-planner-size.md"
TRACE = "openb_pod_list_default.csv"
GPUS = 8
MEMORY = 80 << 30
WAITING = 1 / 100
"""So many of the pods wait; the rest holds shares."""

YEAR = 365 * 86_400


# A spoke's world --------------------------------------------------------------------------------------------------


def cluster(nodes: int) -> World:
    """So many nodes with eight devices each, ten pods a node: a half on each device, quarters on some, some that wait."""
    world, chance = World(), _chance(nodes)
    for thing in (PROFILE, DeviceClass(DEVICE_CLASS, 1), *_machines(nodes)):
        world.fold(Seen(thing), 0.0)
    pods, waiting = 10 * nodes, round(10 * nodes * WAITING)
    for i in range(pods - waiting):
        milli = 500 if i < GPUS * nodes else 250
        for thing in _running(i, i % (GPUS * nodes), milli, chance):
            world.fold(Seen(thing), 0.0)
    for i in range(waiting):
        ask = Ask(milli=MilliGpu((250, 125, 1000, 300)[i % 4]))
        for thing in _pod(pods + i, ask, chance):
            world.fold(Seen(thing), 0.0)
    return world


def _machines(nodes: int) -> Iterator[Node | Slice]:
    capacity = (
        ("compute", Capacity(1000, portioned=True, default=1000, least=1, step=1)),
        ("memory", Capacity(MEMORY, portioned=True, default=MEMORY, least=MIB, step=MIB)),
    )
    for i in range(nodes):
        name = f"node-{i:05}"
        labels = {f"example.com/label-{k}": f"{name}-{k}" for k in range(10)}
        yield Node(name, i, str(uuid.UUID(int=i)), 128_000, 1 << 40, 110, labels)
        devices = tuple(
            Device(f"gpu-{d}", True, (("model", "H100"), ("uuid", f"GPU-{uuid.UUID(int=i * GPUS + d)}")), capacity)
            for d in range(GPUS)
        )
        yield Slice(f"{name}-gpu", i, OWN_DRIVER, name, 1, 1, name, devices)


def _pod(number: int, ask: Ask, chance: random.Random) -> tuple[Claim, Pod]:
    uid, name = str(uuid.UUID(int=chance.getrandbits(128))), f"worker-{number:06}"
    claim = Key("team-a", f"{name}-farthing-{number:05}")
    entry = PodClaim("farthing", claim.name, template_name(ask))
    request = (Request("gpu", DEVICE_CLASS, ask.count),)
    return (
        Claim(claim, f"c{uid}", number, 0.0, owner=uid, requests=request, ask=ask),
        Pod(Key("team-a", name), uid, number, float(number), Constraints(), 1000, 1 << 30, gated=True, claims=(entry,)),
    )


def _running(number: int, device: int, milli: int, chance: random.Random) -> tuple[Claim, Pod]:
    claim, pod = _pod(number, Ask(milli=MilliGpu(milli)), chance)
    node = f"node-{device // GPUS:05}"
    taken = (("compute", milli), ("memory", MEMORY * milli // 1000))
    where = DeviceId(OWN_DRIVER, node, f"gpu-{device % GPUS}")
    result = Result("gpu", where, str(uuid.UUID(int=chance.getrandbits(128))), taken)
    held = replace(claim, allocation=Allocation((result,), node, "shared", "team-a"), users=((pod.key.name, pod.uid),))
    return held, replace(pod, node=node, gated=False, started=0.0)


def large(nodes: int) -> dict[str, Any]:
    """Memory and plans of a spoke with such a cluster, planned with compiled kernels."""
    use_compiled()
    before = _mib()
    world = cluster(nodes)
    began = time.process_time()
    snapshot = world.snapshot(0.0)
    first = plan(snapshot)
    took = time.process_time() - began
    for effect in first:
        world.assume(effect, 0.0)
    claim, pod = _pod(20 * nodes, Ask(milli=MilliGpu(250)), _chance(1))
    for thing in (claim, pod):
        world.fold(Seen(thing), 0.0)
    began = time.process_time()
    plan(world.snapshot(0.0))
    return {
        "nodes": nodes,
        "devices": len(snapshot.fleet.devices),
        "pods": 10 * nodes,
        "effects": len(first),
        "empty_mib": before,
        "mib": _mib(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first": took,
        "next": time.process_time() - began,
    }


# Simulations ------------------------------------------------------------------------------------------------------


def year() -> dict[str, Any]:
    """The default trace on its fleet, over and over for more than a year: arrivals and lifetimes as recorded."""
    use_compiled()
    pods = arrivals(list(read_pods(find_file(TRACE, None))))
    span = max(pod.at for pod in pods) + 1
    came = [pod._replace(at=pod.at + span * n) for n in range(math.ceil(YEAR / span)) for pod in pods]
    there = simulated(read_fleet(find_file(NODES, None)), 42)
    began = time.process_time()
    found = run(there, came, "Farthing", Setting(Mode.replay), TRACE)
    return {
        "arrivals": len(came),
        "days": int(came[-1].at / 86_400),
        "seconds": time.process_time() - began,
        "rejected": found.rejected,
    }


def grown(times: int) -> dict[str, Any]:
    """A fifth of all GPUs of so many of the trace's fleet given away."""
    use_compiled()
    described = read_fleet(find_file(NODES, None))
    many = [one._replace(name=f"{one.name}-{k}") for k in range(times) for one in described]
    pods: list[Arrival] = arrivals(list(read_pods(find_file(TRACE, None))))
    began = time.process_time()
    there = simulated(many, 42)
    built = time.process_time() - began
    began = time.process_time()
    found = run(there, pods, "Farthing", Setting(Mode.fill, ratio=0.2))
    took = time.process_time() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"nodes": len(many), "gpus": there.gpus, "built": built, "rate": found.decisions / took, "mib": mib}


def repacked() -> dict[str, Any]:
    """The trace on its fleet, a quarter of the pods gone again by chance, and pods for whole nodes that wait."""
    use_compiled()
    source = from_fleet(find_file(NODES, None), TRACE, None, None)
    fork, chance = Fork(source.world, 0.0), _chance(1)
    for pod in list(fork.world.all(Pod)):
        fork.see(replace(pod, movable=True, owner=Owner("ReplicaSet", "set", "uid")), 0.0)
    fork.carry_out(plan(fork.snapshot(0.0)), 0.0)
    for pod in sorted(fork.world.all(Pod), key=lambda pod: pod.key):
        if not pod.node or chance.random() < 0.25:
            fork.end(pod, 0.0)
    for i in range(40):
        whole = TracePod(f"big-{i}", 8000, 8192, 8 if i % 2 else 4, WHOLE_DEVICE, () if i % 2 else ("V100M32", "G3"))
        for thing in waiting_pod(whole, 10_000 + i):
            fork.see(thing, 0.0)
    snapshot, running = fork.snapshot(0.0), residents(fork.world)
    began = time.process_time()
    found = repack(snapshot, running)
    return {
        "seconds": time.process_time() - began,
        "running": len(running),
        "stuck": found.stuck,
        "proposals": len(found.proposals),
        "moves": sum(len(one.moves) for one in found.proposals),
    }


# The page ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """Everything measured, as the processes printed it."""

    worlds: list[dict[str, Any]]
    fleets: list[dict[str, Any]]
    year: dict[str, Any]
    repack: dict[str, Any]


def main() -> None:
    """Measure everything, each in a process of its own, and write the page."""
    subprocess.run([sys.executable, "-m", "farthing.decide.warm"], check=True)
    worlds = [_apart("large", nodes) for nodes in (100, 1_000, 10_000)]
    fleets = [_apart("grown", times) for times in (1, 10, 100)]
    text = page(Figures(worlds, fleets, _apart("year"), _apart("repacked")))
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def page(found: Figures) -> str:
    """The page of the figures."""
    worlds = "\n".join(
        f"| {w['nodes']:,} | {w['devices']:,} | {w['pods']:,} | {w['mib']:,.0f} | {w['peak_mib']:,.0f} "
        f"| {w['first']:.2f} | {1000 * w['next']:,.0f} |"
        for w in found.worlds
    )
    fleets = "\n".join(
        f"| {f['nodes']:,} | {f['gpus']:,} | {f['built']:.1f} | {f['rate']:,.0f} | {f['mib']:,.0f} |"
        for f in found.fleets
    )
    y, r = found.year, found.repack
    return f"""# How the planner grows

Written by `python -m bench planner-size` on {date.today().isoformat()}. Seconds are of CPU, on one core, with kernels that
are compiled already; each row is a process of its own.

## A spoke's world

Nodes with {GPUS} devices and ten pods each: a half on each device, quarters on some, one pod in a hundred waits. *MiB* is what
the process takes after two plans (an empty one with the kernels takes {found.worlds[0]["empty_mib"]:.0f}), *peak* the most it ever
took. *First plan*: from a World that was only told what there is, columns and scores included. *Next*: after one more pod
came. The objects are made here, not read from an API server; the [cluster's benchmarks](benchmarks.md) have a whole spoke.

| nodes | devices | pods | MiB | peak | first plan, s | next, ms |
|---|---|---|---|---|---|---|
{worlds}

## A simulation's fleet

The nodes of the public trace once, ten times and a hundred times. Pods of the default trace come until a fifth of all GPUs
were asked for; the rate includes what is learned of the mix and what is drawn. *Built*: the seconds that it takes to make the
columns.

| nodes | GPUs | built, s | decisions a second | peak, MiB |
|---|---|---|---|---|
{fleets}

## A year

The default trace says when each of its 8,152 pods came and went, in 149 days. Played on its own fleet (`replay`) again and
again for {y["days"]} days, these are {y["arrivals"]:,} arrivals: **{y["seconds"]:.1f} s**. {y["rejected"]:,} found no place.

## A repack

The default trace on its fleet, then a quarter of the pods gone by chance: {r["running"]:,} pods run, all may be moved, and
{r["stuck"]} wait for four or eight whole devices of one node. {r["proposals"]} of them are helped by {r["moves"]} moves (the usual
budget is 20), found in **{r["seconds"]:.1f} s**.
"""


def _apart(what: str, *arguments: int) -> dict[str, Any]:
    print(what, *arguments, file=sys.stderr)
    command = [sys.executable, "-m", "bench.planner_size", what, *map(str, arguments)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    found: dict[str, Any] = json.loads(answer.stdout)
    print(found, file=sys.stderr)
    return found


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- not for secrets


def _mib() -> float:
    return psutil.Process().memory_info().rss / 2**20


if __name__ == "__main__":
    measures = {"large": large, "year": year, "grown": grown, "repacked": repacked}
    print(json.dumps(measures[sys.argv[1]](*map(int, sys.argv[2:]))))
