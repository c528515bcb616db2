"""Fairness over time: asks of the public trace from teams of unequal weights, on the trace's own fleet, in virtual time.

All teams ask alike, for more than there is. At each instant it is counted how much of what is given other teams should
have, were it divided by weight among those who want it: with weighted fair share, with fixed quota, and without teams.
"""

import heapq
import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.baseline import asking
from farthing.cli.tracefile import find_file
from farthing.decide.cycle import plan
from farthing.files.fleet import read_fleet
from farthing.files.pods import TracePod, read_pods
from farthing.model.cluster import Key, Pod
from farthing.model.quantity import MIB
from farthing.model.team import OTHERS, Quota, Team
from farthing.sim.charts import LIGHT, Chart, Line, svg
from farthing.sim.fleet import DEVICES, PROFILE, things
from farthing.state.fork import Fork
from farthing.state.world import World

PICTURE = Path(__file__).parents[1] / "docs" / "benchmarks-fairness.svg"
TEAMS, LOAD = 20, 1.2
LIFETIME, STEP, LIFETIMES, SETTLED = 3600.0, 120.0, 4, 2
"""Seconds that a pod runs in the mean, and between two plans; for so many lifetimes, and after so many the pool is full."""

WEIGHTS = tuple(1 + n % 4 for n in range(TEAMS))
WAYS = (("fair", "weighted fair share"), ("static", "fixed quota"), ("fifo", "first in, first out"))
INSTANTS = (1.0, 1.5, 2.0, 2.25, 2.5, 3.0, 3.5, 4.0)


@dataclass(frozen=True)
class Curve:
    """By step, in percent: what is given of all GPUs, and what of that is with the wrong team."""

    given: tuple[float, ...]
    wrong: tuple[float, ...]

    def settled(self) -> tuple[float, float]:
        """The means once the pool is full."""
        start = int(SETTLED * LIFETIME / STEP)
        return statistics.fmean(self.given[start:]), statistics.fmean(self.wrong[start:])

    def at(self, lifetimes: float) -> float:
        """What is with the wrong team then."""
        return self.wrong[round(lifetimes * LIFETIME / STEP) - 1]


def curve(way: str) -> Curve:
    """The whole of one life; `way` is fair, static or fifo."""
    life = Life(way)
    given, wrong = [], []
    for step in range(int(LIFETIMES * LIFETIME / STEP)):
        life.step(step)
        held, wanted = life.standing()
        given.append(100 * held.total() / life.capacity)
        wrong.append(100 * _wrong(held, wanted))
    return Curve(tuple(given), tuple(wrong))


class Life:
    """Pods of the teams that come by chance, wait, run and end."""

    def __init__(self, way: str) -> None:
        self.chance, self.fork = random.Random(42), Fork(World(), 0.0)  # noqa: S311 -- not for secrets
        self.pods = [pod for pod in read_pods(find_file("openb_pod_list_default.csv", None)) if pod.gpus]
        nodes, slices = things(read_fleet(find_file("openb_node_list_gpu_node.csv", None)))
        self.capacity = 1000 * sum(len(found.devices) for found in slices)
        for thing in (PROFILE, DEVICES, *nodes, *slices, *_teams(way, self.capacity)):
            self.fork.see(thing, 0.0)
        mean = statistics.fmean(pod.total_milli for pod in self.pods)
        self.per_step = LOAD * self.capacity / mean * STEP / LIFETIME
        self.owed = 0.0
        self.wants: dict[Key, int] = {}
        self.ends: list[tuple[float, Key]] = []

    def step(self, step: int) -> None:
        at = step * STEP
        while self.ends and self.ends[0][0] <= at:
            pod = self.fork.world.get(Pod, heapq.heappop(self.ends)[1])
            if pod is not None:
                self.fork.end(pod, at)
                del self.wants[pod.key]
        self.owed += self.per_step
        for i in range(int(self.owed)):
            self._come(f"p{step}-{i}", at + i * 0.001)
        self.owed -= int(self.owed)
        for effect in self.fork.carry_out(plan(self.fork.snapshot(at)), at):
            heapq.heappush(self.ends, (at + self.chance.expovariate(1 / LIFETIME), effect.pod.key))

    def _come(self, name: str, at: float) -> None:
        asked, team = self.chance.choice(self.pods), f"team-{self.chance.randrange(TEAMS):02d}"
        claim, made = asking(name, team, _amount(asked), at)
        self.wants[made.key] = asked.total_milli
        self.fork.see(claim, at)
        self.fork.see(replace(made, cpu=asked.cpu_milli, memory=asked.memory_mib * MIB), at)

    def standing(self) -> tuple[Counter[str], Counter[str]]:
        """What each team holds, and what it wants in all, in thousandths of GPUs."""
        held, wanted = Counter[str](), Counter[str]()
        for pod in self.fork.world.all(Pod):
            wanted[pod.key.namespace] += self.wants[pod.key]
            held[pod.key.namespace] += self.wants[pod.key] if pod.node else 0
        return held, wanted


def _teams(way: str, capacity: int) -> Iterator[Team]:
    for n in range(TEAMS if way != "fifo" else 0):
        amount = capacity * WEIGHTS[n] // sum(WEIGHTS) if way == "static" else 0
        quota = Quota(amount, borrowing=0 if way == "static" else None)
        name = f"team-{n:02d}"
        yield Team(name, 1, compute=((OTHERS, quota),), weight=WEIGHTS[n] * 1000, namespaces=(name,))


def _amount(pod: TracePod) -> str:
    """The ask of a pod of the trace; whole devices, or a part of one in hundredths."""
    if pod.gpu_milli >= 1000:
        return str(pod.gpus)
    return f"0.{max(10, pod.gpu_milli // 10 * 10):03d}".rstrip("0")


def _wrong(held: Counter[str], wanted: Counter[str]) -> float:
    """The part of what is held that other teams should have, were it divided by weight among those who want it."""
    ideal = ideal_shares({f"team-{n:02d}": WEIGHTS[n] for n in range(TEAMS)}, wanted, held.total())
    return sum(max(0.0, held[name] - ideal[name]) for name in ideal) / max(1, held.total())


def ideal_shares(weights: dict[str, int], wanted: Counter[str], total: float) -> dict[str, float]:
    """Water poured into vessels as wide as the weights and as deep as what is wanted."""
    ideal, left = dict.fromkeys(weights, 0.0), dict(weights)
    while left and total > 0:
        level = total / sum(left.values())
        full = [name for name in left if wanted[name] <= level * left[name]]
        if not full:
            return ideal | {name: level * weight for name, weight in left.items()}
        for name in full:
            ideal[name] = float(wanted[name])
            total -= wanted[name]
            del left[name]
    return ideal


# The page -----------------------------------------------------------------------------------------------------------


def lines() -> Iterator[str]:
    """The tables; the picture is drawn beside them."""
    curves: dict[str, Curve] = {}
    for way, title in WAYS:
        print(title, file=sys.stderr)
        curves[title] = curve(way)
    _draw(curves)
    yield "| | GPUs given, % | with the wrong team, % of what is given |"
    yield "|---|---|---|"
    for title, found in curves.items():
        given, wrong = found.settled()
        yield f"| {title} | {given:.1f} | {wrong:.2f} |"
    yield ""
    fair, fifo = (curves[title].settled()[0] for way, title in WAYS if way != "static")
    yield f"Allocation lost to fairness, against first in, first out: **{fifo - fair:.1f}** percent of all GPUs."
    yield ""
    yield "With the wrong team over time, in % of what is given then:"
    yield ""
    yield f"| after lifetimes | {' | '.join(f'{instant:g}' for instant in INSTANTS)} |"
    yield f"|{'---|' * (len(INSTANTS) + 1)}"
    for title, found in curves.items():
        yield f"| {title} | {' | '.join(f'{found.at(instant):.1f}' for instant in INSTANTS)} |"
    yield ""
    yield f"![what is with the wrong team over time]({PICTURE.name})"


def _draw(curves: dict[str, Curve]) -> None:
    drawn = []
    for number, (title, found) in enumerate(curves.items()):
        x = tuple((step + 1) * STEP / LIFETIME for step in range(len(found.wrong)))
        drawn.append(Line(title, number, x, found.wrong))
    top = max(max(found.wrong[len(found.wrong) // LIFETIMES :]) for found in curves.values())
    chart = Chart(
        "GPUs with the wrong team", "lifetimes of a pod", "% of what is given", tuple(drawn), (0, LIFETIMES), (0, top)
    )
    PICTURE.write_text(svg(chart, LIGHT) + "\n", encoding="utf-8")
