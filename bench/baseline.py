"""Kueue's baseline shape in virtual time: 15,000 workloads of 30 queues in 5 cohorts, decided by the planner alone.

The shape is that of Kueue's own performance suite (test/performance/scheduler, baseline): each queue is guaranteed 20
units, may borrow 100 inside its cohort, and gets 350 small workloads (1 unit, 200 ms, every 100 ms, priority 50), 100
medium ones (5 units, 500 ms, every 500 ms, priority 100) and 50 large ones (20 units, 1 s, every 1.2 s, priority 200).
A unit is a whole device here, and every cohort has as many as it is guaranteed; a queue is a team, a cohort its parent.
"""

import heapq
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from farthing.decide.cycle import decide
from farthing.decide.preempt import preempt
from farthing.model.ask import parse_ask, template_name
from farthing.model.cluster import (
    DEVICE_CLASS,
    OWN_DRIVER,
    Capacity,
    Claim,
    Constraints,
    Device,
    DeviceClass,
    DriverProfile,
    Key,
    Node,
    Pod,
    PodClaim,
    Request,
    Slice,
)
from farthing.model.gang import Member
from farthing.model.quantity import MIB
from farthing.model.team import Queueing, Quota, Team
from farthing.model.thing import Thing
from farthing.state.fork import Fork
from farthing.state.residents import residents
from farthing.state.world import World

COHORTS, QUEUES, NOMINAL, BORROWING = 5, 6, 20, 100
NODE = 120
"""Devices on a node: as many as a cohort has, so that there is hardly any packing to do, as there is none in Kueue."""


@dataclass(frozen=True)
class Size:
    """A class of workloads. Times in milliseconds."""

    name: str
    units: int
    runs: int
    count: int
    every: int
    priority: int


SIZES = (
    Size("small", 1, 200, 350, 100, 50),
    Size("medium", 5, 500, 100, 500, 100),
    Size("large", 20, 1000, 50, 1200, 200),
)
WORK = COHORTS * QUEUES * sum(size.units * size.runs * size.count for size in SIZES)
"""Unit milliseconds in all: 66 s of everything there is."""


@dataclass(frozen=True)
class Baseline:
    """What came of it, in seconds of virtual time.

    `took` is how long it really took, `plans` how many were made, `evicted` how many had to go and began anew.
    """

    makespan: float
    use: float
    waited: dict[str, float]
    took: float
    plans: int
    evicted: int


def fleet(nodes: int, devices: int, model: str = "unit") -> Iterator[Thing]:
    """A profile, a class, and nodes of so many whole devices each."""
    yield DriverProfile(OWN_DRIVER, 1, OWN_DRIVER, "nvidia", "memory", "compute", "model", "profile")
    yield DeviceClass(DEVICE_CLASS, 1)
    capacity = (
        ("compute", Capacity(1000, portioned=True, default=1000, least=1, step=1)),
        ("memory", Capacity(80 << 30, portioned=True, default=80 << 30, least=MIB, step=MIB)),
    )
    levels = tuple((f"isolation{level}", True) for level in ("Hard", "Shared", "Soft"))
    attributes = (*levels, ("model", model), ("vendor", "nvidia"))
    for i in range(nodes):
        name = f"node-{i:05d}"
        found = tuple(Device(f"gpu-{k}", multi=True, attributes=attributes, capacity=capacity) for k in range(devices))
        yield Node(name, 1, name, 1 << 30, 1 << 50, 10_000, {"kubernetes.io/hostname": name})
        yield Slice(name, 1, OWN_DRIVER, name, 1, 1, name, found)


def asking(
    name: str, namespace: str, amount: str, created: float, priority: int = 0, gang: Member | None = None
) -> tuple[Claim, Pod]:
    """A pod that waits, with its claim."""
    ask, key = parse_ask(amount), Key(namespace, f"{name}-claim")
    claim = Claim(key, f"{name}-claim", 1, created, name, (Request("gpu", DEVICE_CLASS, ask.count),), ask)
    entry = PodClaim("gpu", key.name, template_name(ask))
    more = {"priority": priority, "gated": True, "claims": (entry,), "gang": gang}
    return claim, Pod(Key(namespace, name), name, 1, created, Constraints(), 100, MIB, **more)


def teams() -> Iterator[Team]:
    """A parent for each cohort, which lends and borrows nothing outside, and its queues."""
    for c in range(COHORTS):
        whole = Quota(QUEUES * NOMINAL * 1000, borrowing=0)
        yield Team(f"cohort-{c}", 1, compute=(("unit", whole),))
        for q in range(QUEUES):
            name, quota = f"queue-{c}-{q}", Quota(NOMINAL * 1000, borrowing=BORROWING * 1000)
            yield Team(name, 1, f"cohort-{c}", compute=(("unit", quota),), namespaces=(name,), queueing=Queueing.STRICT)


def arrivals() -> list[tuple[int, str, Size, int]]:
    """When, in which queue, of which size, and the how manieth."""
    found = [
        (i * size.every, f"queue-{c}-{q}", size, i)
        for c in range(COHORTS)
        for q in range(QUEUES)
        for size in SIZES
        for i in range(size.count)
    ]
    return sorted(found, key=lambda arrival: (arrival[0], arrival[1], arrival[2].name))


PREEMPT_SECONDS = 1.0
"""So often, at most, it is looked at who has to go, as the spoke does."""


def play(*, preempting: bool = False) -> Baseline:
    """All of it, one instant after the other; with `preempting`, those with the better right take what others have."""
    begun, game = time.perf_counter(), _Game(preempting)
    while game.coming or game.ends:
        game.step()
    assert game.started.keys() == game.first.keys()  # noqa: S101 -- nobody was forgotten
    waits = {size.name: [game.started[n] - when for n, (s, when) in game.first.items() if s is size] for size in SIZES}
    return Baseline(
        makespan=game.at / 1000,
        use=WORK / (COHORTS * NODE * game.at),
        waited={name: statistics.fmean(found) / 1000 for name, found in waits.items()},
        took=time.perf_counter() - begun,
        plans=game.plans,
        evicted=sum(game.again.values()),
    )


class _Game:
    """Everybody who comes, waits, runs and ends. Who was let go begins anew, as a pod that its Job makes.

    `first` is the size of each workload and when it came, `started` when it started the last time, in milliseconds.
    """

    def __init__(self, preempting: bool) -> None:
        self.fork = Fork(World(), 0.0)
        for thing in (*fleet(COHORTS, NODE), *teams()):
            self.fork.see(thing, 0.0)
        self.at = self.plans = 0
        self.coming, self.ends = arrivals()[::-1], list[tuple[int, Key]]()
        self.first: dict[Key, tuple[Size, int]] = {}
        self.started: dict[Key, int] = {}
        self.again: Counter[Key] = Counter()
        self.look_next = 0.0 if preempting else math.inf

    def step(self) -> None:
        """Go to the next instant at which somebody comes or ends, and decide."""
        self.at = min(found[-1][0] for found in (self.coming, self.ends[:1]) if found)
        while self.ends and self.ends[0][0] <= self.at:
            pod = self.fork.world.get(Pod, heapq.heappop(self.ends)[1])
            if pod is not None:
                self.fork.end(pod, self.at / 1000)
        while self.coming and self.coming[-1][0] <= self.at:
            when, queue, size, i = self.coming.pop()
            key = Key(queue, f"{size.name}-{i}")
            self.first[key] = size, when
            self._ask(key, key.name)
        if self._decide():
            self._decide()

    def _ask(self, key: Key, name: str) -> None:
        size, at = self.first[key][0], self.at / 1000
        for thing in asking(name, key.namespace, str(size.units), at, size.priority):
            self.fork.see(thing, at)

    def _decide(self) -> bool:
        """One plan; whether it lets somebody go, so that there is room for others at once."""
        at, snapshot = self.at / 1000, self.fork.snapshot(self.at / 1000)
        looking = at >= self.look_next
        before = replace(snapshot, free=snapshot.free.copy()) if looking else None
        decided = decide(snapshot)
        self.plans += 1
        for effect in self.fork.carry_out(decided.effects, at):
            key = _workload(effect.pod.key)
            self.started[key] = self.at
            heapq.heappush(self.ends, (self.at + self.first[key][0].runs, effect.pod.key))
        if before is None or not decided.stuck:
            return False
        self.look_next = at + PREEMPT_SECONDS
        running = [one for one in residents(self.fork.world) if not self._just_placed(one.pod)]
        gone = preempt(before, decided, running, {})
        self.fork.carry_out(gone, at)
        for effect in gone:
            key = _workload(effect.pod.key)
            self.again[key] += 1
            self._ask(key, f"{key.name}.{self.again[key]}")
        return bool(gone)

    def _just_placed(self, pod: Pod) -> bool:
        """The spoke, too, does not look at those who are only being placed."""
        return self.started[_workload(pod.key)] == self.at


def _workload(key: Key) -> Key:
    """The workload that a pod is of, the first or one that came in its place."""
    return Key(key.namespace, key.name.partition(".")[0])
