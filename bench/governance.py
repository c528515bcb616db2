"""What governance does and costs: `python -m bench governance` writes docs/benchmarks-governance.md.

Everything is the planner alone, in virtual time; no cluster is needed.
"""

import gc
import heapq
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from bench.baseline import SIZES, WORK, asking, fleet, play, teams
from farthing.cli.tracefile import find_file
from farthing.decide.cycle import plan
from farthing.decide.jit import compile_kernels
from farthing.files.pods import TracePod, read_pods
from farthing.model.cluster import Key, Pod
from farthing.model.gang import Member
from farthing.model.plan import Hold, Place, Plan
from farthing.model.team import Quota, Team
from farthing.state.fork import Fork
from farthing.state.world import World

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-governance.md"

# Fairness -----------------------------------------------------------------------------------------------------------

NODES, GPUS, TEAMS, LOAD = 60, 8, 20, 1.2
LIFETIME, STEP, LIFETIMES = 3600.0, 120.0, 5
WEIGHTS = tuple(1 + n % 4 for n in range(TEAMS))


@dataclass(frozen=True)
class Fairness:
    """Means over time after the first lifetime, in percent: what is given, and what is with the wrong team."""

    given: float
    wrong: float


def fairness(way: str, pods: Sequence[TracePod]) -> Fairness:
    """Asks of the trace from 20 teams alike, which come and go by chance; `way` is fair, static or fifo."""
    life = Life(way, pods)
    given, wrong = [], []
    for step in range(int(LIFETIMES * LIFETIME / STEP)):
        life.step(step)
        if step * STEP >= LIFETIME:
            held, wanted = life.standing()
            given.append(100 * held.total() / (NODES * GPUS * 1000))
            wrong.append(100 * _wrong(held, wanted))
    return Fairness(statistics.fmean(given), statistics.fmean(wrong))


class Life:
    """Pods of 20 teams that come, wait, run and end."""

    def __init__(self, way: str, pods: Sequence[TracePod]) -> None:
        self.chance, self.fork, self.pods = random.Random(42), Fork(World(), 0.0), pods  # noqa: S311 -- not for secrets
        for thing in (*fleet(NODES, GPUS), *_teams(way)):
            self.fork.see(thing, 0.0)
        mean = statistics.fmean(pod.total_milli for pod in pods)
        self.per_step = LOAD * NODES * GPUS * 1000 / mean * STEP / LIFETIME
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
            asked = self.chance.choice(self.pods)
            name = f"team-{self.chance.randrange(TEAMS):02d}"
            claim, made = asking(f"p{step}-{i}", name, _amount(asked), at + i * 0.001)
            self.wants[made.key] = asked.total_milli
            self.fork.see(claim, at)
            self.fork.see(made, at)
        self.owed -= int(self.owed)
        for effect in self.fork.carry_out(plan(self.fork.snapshot(at)), at):
            heapq.heappush(self.ends, (at + self.chance.expovariate(1 / LIFETIME), effect.pod.key))

    def standing(self) -> tuple[Counter[str], Counter[str]]:
        """What each team holds, and what it wants in all, in thousandths of GPUs."""
        held, wanted = Counter[str](), Counter[str]()
        for pod in self.fork.world.all(Pod):
            wanted[pod.key.namespace] += self.wants[pod.key]
            held[pod.key.namespace] += self.wants[pod.key] if pod.node else 0
        return held, wanted


def _teams(way: str) -> Iterator[Team]:
    for n in range(TEAMS if way != "fifo" else 0):
        amount = NODES * GPUS * 1000 * WEIGHTS[n] // sum(WEIGHTS) if way == "static" else 0
        quota = Quota(amount, borrowing=0 if way == "static" else None)
        name = f"team-{n:02d}"
        yield Team(name, 1, compute=(("unit", quota),), weight=WEIGHTS[n] * 1000, namespaces=(name,))


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


# Cost ---------------------------------------------------------------------------------------------------------------

AMOUNTS = ("0.25", "0.5", "1", "2", "4", "8")
GANG, GANG_AMOUNTS = 8, ("1", "2", "4", "8")


IN_GANGS = 0.3
CYCLES = ((20, True, 0.0), (20, True, IN_GANGS), (20, False, 0.0), (1000, True, 0.0), (1000, True, IN_GANGS))
"""Numbers of teams, whether they govern, and the part of the pods that is in gangs."""


def tree(count: int, devices: int) -> Iterator[Team]:
    """So many teams four levels deep, six under each, with all of the devices guaranteed."""
    level, made = [("", devices * 1000)], 0
    while made < count:
        below = []
        for parent, amount in level:
            for _ in range(min(6, count - made)):
                made += 1
                name, part = f"team-{made}", amount // 6
                quota = (("unit", Quota(part)),)
                yield Team(name, 1, parent, compute=quota, weight=1000 * (1 + made % 3), namespaces=(name,))
                below.append((name, part))
        level = below


@dataclass
class Crowd:
    """A cluster of 2,000 nodes with eight devices each, and pods that wait; `gangs` is the part of them in gangs of 8."""

    fork: Fork
    names: list[str]
    chance: random.Random
    gangs: float
    number: int = 0

    @classmethod
    def of(cls, teams: int, *, governed: bool, gangs: float = 0.0) -> "Crowd":
        fork = Fork(World(), 0.0)
        for thing in fleet(2000, 8):
            fork.see(thing, 0.0)
        for team in tree(teams, 16_000) if governed else ():
            fork.see(team, 0.0)
        names = [f"team-{n}" for n in range(1, teams + 1)]
        return cls(fork, names, random.Random(1), gangs)  # noqa: S311 -- not for secrets

    def come(self, count: int, at: float) -> None:
        last = self.number + count
        while self.number < last:
            name = self.chance.choice(self.names)
            if self.gangs and self.chance.random() < self.gangs / (GANG - (GANG - 1) * self.gangs):
                gang = Member(f"g{self.number}", f"Job/g{self.number}", size=(GANG, GANG))
                self._arrive(GANG, name, self.chance.choice(GANG_AMOUNTS), at, gang)
            else:
                self._arrive(1, name, self.chance.choice(AMOUNTS), at)

    def _arrive(self, count: int, name: str, amount: str, at: float, gang: Member | None = None) -> None:
        for _ in range(count):
            self.number += 1
            for thing in asking(f"p{self.number}", name, amount, at + self.number * 1e-4, gang=gang):
                self.fork.see(thing, at)

    def fill(self) -> None:
        """Give everything away, and let others wait."""
        while len(self.carry_out(self.decide(0.0), 0.0)) > 0:
            self.come(4000, 0.0)

    def decide(self, at: float) -> Plan:
        return plan(self.fork.snapshot(at))

    def carry_out(self, decided: Plan, at: float) -> Sequence[Place]:
        """As a spoke would: who waits is told when the reason is another one."""
        for effect in decided:
            if isinstance(effect, Hold):
                told = effect.pod.verdict
                if told is None or told.why is not effect.reason.why:
                    self.fork.see(replace(effect.pod, verdict=effect.reason), at)
        return self.fork.carry_out(decided, at)

    @property
    def waiting(self) -> int:
        return sum(1 for pod in self.fork.world.all(Pod) if not pod.node)


def decisions(*, governed: bool, gangs: float = 0.0) -> float:
    """Decisions a second of the processor's time where 100,000 wait for an empty cluster, of 1,000 teams."""
    crowd = Crowd.of(1000, governed=governed, gangs=gangs)
    crowd.come(100_000, 0.0)
    snapshot = crowd.fork.snapshot(1.0)
    gc.collect()
    begun = time.process_time()
    decided = plan(snapshot)
    took = time.process_time() - begun
    return len(decided) / took


@dataclass(frozen=True)
class Cycle:
    """Medians in milliseconds of the processor's time."""

    waiting: int
    snapshot: float
    plan: float
    placed: float


def cycles(teams: int, waiting: int, *, governed: bool, gangs: float = 0.0, rounds: int = 9) -> Cycle:
    """A full cluster with so many waiting, of which 100 things change before each plan: 50 end, 50 come."""
    crowd = Crowd.of(teams, governed=governed, gangs=gangs)
    crowd.come(8000, 0.0)
    crowd.fill()
    crowd.come(max(0, waiting - crowd.waiting), 0.0)
    for _ in range(2):
        crowd.carry_out(crowd.decide(0.0), 0.0)
    times: dict[str, list[float]] = defaultdict(list)
    for i in range(1, rounds + 1):
        at = 10.0 * i
        running = sorted((pod for pod in crowd.fork.world.all(Pod) if pod.node), key=lambda pod: pod.key)
        for pod in crowd.chance.sample(running, 50):
            crowd.fork.end(pod, at)
        crowd.come(50, at)
        gc.collect()
        begun = time.process_time()
        snapshot = crowd.fork.snapshot(at)
        frozen = time.process_time()
        decided = plan(snapshot)
        times["snapshot"].append(frozen - begun)
        times["plan"].append(time.process_time() - frozen)
        times["placed"].append(len(crowd.carry_out(decided, at)) / 1000)
    medians = {name: 1000 * statistics.median(found) for name, found in times.items()}
    return Cycle(crowd.waiting, medians["snapshot"], medians["plan"], medians["placed"])


# The page -----------------------------------------------------------------------------------------------------------

KUEUE = {"makespan": 366.0, "use": 55.0, "large": 20.8, "medium": 74.9, "small": 212.9}
"""Kueue's own suite, run on a machine of this size with its own control plane: seconds, and percent."""


def _baseline() -> Iterator[str]:
    ours = play()
    capacity = sum(quota.amount for team in teams() if not team.parent for _, quota in team.compute)
    yield "| | Kueue, on its API server | Farthing's planner, virtual time |"
    yield "|---|---|---|"
    yield f"| all of it, s (at least {WORK / capacity:.0f}) | {KUEUE['makespan']:.0f} | **{ours.makespan:.1f}** |"
    yield f"| quota in use, % | {KUEUE['use']:.0f} | **{100 * ours.use:.1f}** |"
    for size in reversed(SIZES):
        yield f"| wait of the {size.name}, mean s | {KUEUE[size.name]:.1f} | **{ours.waited[size.name]:.1f}** |"
    yield ""
    yield f"{ours.plans} plans were made, in {ours.took:.0f} s."


def _fairness() -> Iterator[str]:
    pods = [pod for pod in read_pods(find_file("openb_pod_list_default.csv", None)) if pod.gpus]
    yield "| | GPUs given, % | with the wrong team, % of what is given |"
    yield "|---|---|---|"
    for title, way in (
        ("weighted fair share", "fair"),
        ("fixed quota in proportion", "static"),
        ("first in, first out", "fifo"),
    ):
        print(title, file=sys.stderr)
        found = fairness(way, pods)
        yield f"| {title} | {found.given:.1f} | {found.wrong:.2f} |"


def _cost() -> Iterator[str]:
    print("decisions", file=sys.stderr)
    yield f"1,000 teams four levels deep, 100,000 pods waiting; gangs are of {GANG} pods that start together:"
    yield ""
    yield "| pods in gangs | decisions a second | the same pods without teams | ratio |"
    yield "|---|---|---|---|"
    for gangs in (0.0, IN_GANGS):
        plain, governed = decisions(governed=False, gangs=gangs), decisions(governed=True, gangs=gangs)
        yield f"| {gangs:.0%} | {governed:,.0f} | {plain:,.0f} | **{governed / plain:.2f}** |"
    yield ""
    yield "A cluster that is full, where 50 pods end and 50 come before each plan; medians of nine, in ms of the processor's time:"
    yield ""
    yield "| teams | pods in gangs | waiting | snapshot | plan | placed |"
    yield "|---|---|---|---|---|---|"
    for teams_, governed_, gangs in CYCLES:
        print(teams_, governed_, gangs, file=sys.stderr)
        found = cycles(teams_, 20_000, governed=governed_, gangs=gangs)
        who = f"{teams_:,}" if governed_ else f"none ({teams_} namespaces)"
        times = f"{found.snapshot:.0f} | **{found.plan:.0f}** | {found.placed:.0f}"
        yield f"| {who} | {gangs:.0%} | {found.waiting:,} | {times} |"


PARTS = {"baseline": _baseline, "fairness": _fairness, "cost": _cost}


def main(names: Sequence[str] = ()) -> None:
    """Measure everything, or print only the named parts."""
    compile_kernels()
    if names:
        for name in names:
            for line in PARTS[name]():
                print(line, flush=True)
        return
    text = f"""# Benchmarks of governance

Written by `python -m bench governance` on {date.today().isoformat()}. The planner alone, in virtual time.

## Kueue's baseline shape

15,000 workloads of 30 queues in 5 cohorts (`bench/baseline.py`). Kueue's figures are its own suite's, run on a machine of this
size: it writes to a real API server, which limits it; ours decides only, and its teams go strictly in line, without preemption.
So the two say how good the decisions are, not how fast the systems are.

{chr(10).join(_baseline())}

## Fairness

Asks of the public openb trace (default) from {TEAMS} teams with weights from 1 to 4, all asking alike for {LOAD} times what there is in
all, on {NODES} nodes with {GPUS} GPUs, for {LIFETIMES} lifetimes of a pod. Beside what is given it says how much of that
other teams should have, were it divided by weight among those who want it at the moment.

{chr(10).join(_fairness())}

## Cost

2,000 nodes with 16,000 devices. The goals were half of the plain decisions a second, and a plan below 200 ms with teams.

{chr(10).join(_cost())}
"""
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
