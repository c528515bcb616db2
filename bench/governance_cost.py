"""What teams cost the planner: decisions a second of an empty cluster, and plans of a full one where things change."""

import gc
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.baseline import asking, fleet
from farthing.decide.cycle import plan
from farthing.model.cluster import Pod
from farthing.model.gang import Member
from farthing.model.plan import Hold, Place, Plan
from farthing.model.team import Quota, Team
from farthing.state.fork import Fork
from farthing.state.world import World

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


def lines() -> Iterator[str]:
    """The tables."""
    yield "2,000 nodes with 16,000 devices. The goals were half of the plain decisions a second, and a plan below 200 ms with teams."
    yield ""
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
