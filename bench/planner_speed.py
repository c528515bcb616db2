"""How many decisions a second: a fleet is filled, and the CPU time of this one thread is taken.

A decision is a pod that is met (the mix learns from it) and placed: one call from Python to each.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.planner_runs import described, pods_of
from farthing.decide.jit import compile_kernels
from farthing.files.fleet import Described
from farthing.sim.fleet import Simulated, simulated, total_milli
from farthing.sim.policies import Planner
from farthing.sim.workload import Arrival, Kind, fill
from farthing.state.mix import AskClass

SIZES = (1, 8, 24, 82)
"""So many copies of the trace's 1,213 nodes."""

MOST_ARRIVALS = 100_000
"""Larger fleets are not filled to the end: so many arrive."""

DISTINCT = (100, 1_000, 5_000)
SEED = 42


@dataclass(frozen=True)
class Speed:
    """Decisions, those of them that found a place, the CPU seconds for all, and microseconds of single ones, sorted."""

    decisions: int
    placed: int
    seconds: float
    micros: tuple[float, ...]

    @property
    def rate(self) -> float:
        return self.decisions / self.seconds

    def percentile(self, part: float) -> float:
        return self.micros[min(len(self.micros) - 1, int(part * len(self.micros)))]


def speed() -> Iterator[str]:
    """The curve over sizes of fleets."""
    yield "One thread, its CPU time. Pods of the default trace arrive until 130 % of all GPUs were asked for, or"
    yield f"{MOST_ARRIVALS:,} of them. A decision learns from a pod and places it: its own cpu, memory, devices and models are"
    yield "checked; nobody has a quota (the next section is about that)."
    yield ""
    yield "| nodes | GPUs | decisions | a second | p50 | p99 | longest |"
    yield "|---|---|---|---|---|---|---|"
    for copies in SIZES:
        nodes = [Described(f"{name}-{i}", group) for i in range(copies) for name, group in described()]
        fleet = simulated(nodes, SEED)
        found = measured(fleet, pods_of("default"))
        yield (
            f"| {len(nodes):,} | {fleet.gpus:,} | {found.decisions:,} | **{found.rate:,.0f}** "
            f"| {found.percentile(0.5):.0f} µs | {found.percentile(0.99):.0f} µs | {found.micros[-1] / 1000:.1f} ms |"
        )


def distinct() -> Iterator[str]:
    """The same on the trace's own nodes, with asks that differ."""
    yield "The default trace's pods on its own nodes, but with so many different asks: cpu and parts of GPUs are changed by"
    yield "chance, by up to a fifth. Asks that are nearly alike share a row of scores; whether each fits is always asked exactly."
    yield ""
    yield "| different asks | decisions | a second | p50 | p99 | allocation |"
    yield "|---|---|---|---|---|---|"
    fleet = simulated(described(), SEED)
    for wanted in DISTINCT:
        pods = varied(pods_of("default"), wanted)
        found = measured(fleet, pods)
        yield (
            f"| {len({pod.kind.asks for pod in pods if pod.kind.asks}):,} | {found.decisions:,} | **{found.rate:,.0f}** "
            f"| {found.percentile(0.5):.0f} µs | {found.percentile(0.99):.0f} µs "
            f"| {found.placed / total_milli(fleet) * 100:.2f} % |"
        )


def measured(fleet: Simulated, pods: Sequence[Arrival]) -> Speed:
    """Fill a fleet twice, once to time it all and once to time each decision; first a short run compiles."""
    compile_kernels()
    kinds = [arrival.kind for arrival in fill(pods, SEED, 1.3 * total_milli(fleet))][:MOST_ARRIVALS]
    placed(Planner(fleet, pods, SEED), kinds[:100])
    planner, begun = Planner(fleet, pods, SEED), time.process_time()
    given = placed(planner, kinds)
    seconds = time.process_time() - begun
    print(f"{len(fleet.names)} nodes: {len(kinds) / seconds:.0f}/s", file=sys.stderr)
    return Speed(len(kinds), given, seconds, tuple(sorted(_each(Planner(fleet, pods, SEED), kinds))))


def placed(planner: Planner, kinds: Sequence[Kind]) -> int:
    """Place pods one by one; how many thousandths of GPUs were given."""
    given = 0
    for kind in kinds:
        planner.meet((kind,))
        if planner.place(kind) is not None:
            given += kind.milli
    return given


def _each(planner: Planner, kinds: Sequence[Kind]) -> Iterator[float]:
    """Microseconds of each decision."""
    for kind in kinds:
        begun = time.thread_time_ns()
        planner.meet((kind,))
        planner.place(kind)
        yield (time.thread_time_ns() - begun) / 1000


def varied(pods: Sequence[Arrival], wanted: int) -> list[Arrival]:
    """The pods with so many different asks: of each kind as many versions as its part of all, a fifth smaller or larger."""
    chance = random.Random(SEED)  # noqa: S311 -- not for secrets
    counts = Counter(pod.kind for pod in pods if pod.kind.need)
    total, made = counts.total(), {}
    for kind, count in counts.items():
        made[kind] = [_version(kind, chance) for _ in range(max(1, round(wanted * count / total)))]
    seen: Counter[Kind] = Counter()
    found = []
    for pod in pods:
        versions = made.get(pod.kind, [pod.kind])
        found.append(pod._replace(kind=versions[seen[pod.kind] % len(versions)]))
        seen[pod.kind] += 1
    return found


def _version(kind: Kind, chance: random.Random) -> Kind:
    if kind.need is None or kind.need.ask is None:
        return kind
    ask, cpu = kind.need.ask, round(kind.cpu * chance.uniform(0.8, 1.2))
    if ask.milli is not None and not ask.whole:
        ask = replace(ask, milli=min(999, round(ask.milli * chance.uniform(0.8, 1.2))))
    milli = ask.count * (ask.milli or 0)
    return replace(kind, need=replace(kind.need, ask=ask), cpu=cpu, milli=milli, asks=AskClass(ask, cpu))
