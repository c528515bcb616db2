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
from farthing.model.plan import Hold, Place, Plan
from farthing.model.team import Quota, Team
from farthing.state.fork import Fork
from farthing.state.world import World

AMOUNTS = ("0.25", "0.5", "1", "2", "4", "8")


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
    """A cluster of 2,000 nodes with eight devices each, and pods that wait."""

    fork: Fork
    names: list[str]
    chance: random.Random
    number: int = 0

    @classmethod
    def of(cls, teams: int, *, governed: bool) -> "Crowd":
        fork = Fork(World(), 0.0)
        for thing in fleet(2000, 8):
            fork.see(thing, 0.0)
        for team in tree(teams, 16_000) if governed else ():
            fork.see(team, 0.0)
        return cls(fork, [f"team-{n}" for n in range(1, teams + 1)], random.Random(1))  # noqa: S311 -- not for secrets

    def come(self, count: int, at: float) -> None:
        for _ in range(count):
            self.number += 1
            name = self.chance.choice(self.names)
            for thing in asking(f"p{self.number}", name, self.chance.choice(AMOUNTS), at + self.number * 1e-4):
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


def decisions(*, governed: bool) -> float:
    """Decisions a second of the processor's time where 100,000 wait for an empty cluster, of 1,000 teams."""
    crowd = Crowd.of(1000, governed=governed)
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


def cycles(teams: int, waiting: int, *, governed: bool, rounds: int = 9) -> Cycle:
    """A full cluster with so many waiting, of which 100 things change before each plan: 50 end, 50 come."""
    crowd = Crowd.of(teams, governed=governed)
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
    plain, governed = decisions(governed=False), decisions(governed=True)
    yield f"1,000 teams four levels deep, 100,000 pods waiting: {governed:,.0f} decisions a second; the same pods without teams"
    yield f"{plain:,.0f}. The ratio is **{governed / plain:.2f}**."
    yield ""
    yield "A cluster that is full, where 50 pods end and 50 come before each plan; medians of nine, in ms of the processor's time:"
    yield ""
    yield "| teams | waiting | snapshot | plan | placed |"
    yield "|---|---|---|---|---|"
    for teams_, governed_ in ((20, True), (20, False), (1000, True)):
        print(teams_, governed_, file=sys.stderr)
        found = cycles(teams_, 20_000, governed=governed_)
        who = f"{teams_:,}" if governed_ else f"none ({teams_} namespaces)"
        yield f"| {who} | {found.waiting:,} | {found.snapshot:.0f} | **{found.plan:.0f}** | {found.placed:.0f} |"
