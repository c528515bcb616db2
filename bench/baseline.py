"""Kueue's baseline shape in virtual time: 15,000 workloads of 30 queues in 5 cohorts, decided by the planner alone.

The shape is that of Kueue's own performance suite (test/performance/scheduler, baseline): each queue is guaranteed 20
units, may borrow 100 inside its cohort, and gets 350 small workloads (1 unit, 200 ms, every 100 ms, priority 50), 100
medium ones (5 units, 500 ms, every 500 ms, priority 100) and 50 large ones (20 units, 1 s, every 1.2 s, priority 200).
A unit is a whole device here, and every cohort has as many as it is guaranteed; a queue is a team, a cohort its parent.
"""

import heapq
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from farthing.decide.cycle import plan
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
    """What came of it, in seconds of virtual time; `took` is how long it really took, `plans` how many were made."""

    makespan: float
    use: float
    waited: dict[str, float]
    took: float
    plans: int


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


def play() -> Baseline:
    """All of it, one instant after the other."""
    fork = Fork(World(), 0.0)
    for thing in (*fleet(COHORTS, NODE), *teams()):
        fork.see(thing, 0.0)
    coming, ends, sizes = arrivals()[::-1], list[tuple[int, Key]](), dict[Key, tuple[Size, int]]()
    waited: dict[str, list[float]] = defaultdict(list)
    begun, plans, at = time.perf_counter(), 0, 0
    while coming or ends:
        at = min(coming[-1][0] if coming else ends[0][0], ends[0][0] if ends else coming[-1][0])
        while ends and ends[0][0] <= at:
            pod = fork.world.get(Pod, heapq.heappop(ends)[1])
            if pod is not None:
                fork.end(pod, at / 1000)
        while coming and coming[-1][0] <= at:
            when, queue, size, i = coming.pop()
            claim, pod = asking(f"{size.name}-{i}", queue, str(size.units), when / 1000, size.priority)
            sizes[pod.key] = size, when
            fork.see(claim, at / 1000)
            fork.see(pod, at / 1000)
        plans += 1
        for effect in fork.carry_out(plan(fork.snapshot(at / 1000)), at / 1000):
            size, when = sizes[effect.pod.key]
            waited[size.name].append((at - when) / 1000)
            heapq.heappush(ends, (at + size.runs, effect.pod.key))
    assert sum(map(len, waited.values())) == len(sizes)  # noqa: S101 -- nobody was forgotten
    capacity = COHORTS * NODE
    return Baseline(
        makespan=at / 1000,
        use=WORK / (capacity * at),
        waited={size.name: statistics.fmean(waited[size.name]) for size in SIZES},
        took=time.perf_counter() - begun,
        plans=plans,
    )
