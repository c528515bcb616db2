"""When a waiting pod would start: the cluster played forward, with the same brain, until it does.

Running pods end when `endings` says, those that nobody knows of never; whoever is placed meanwhile runs for as long as
is known of it, too. It is played three times: with everybody ending as early as is likely, as expected, and as late.
Nobody new arrives. So the answer is a range, and says what it rests on.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from farthing.decide.cycle import plan
from farthing.decide.endings import Basis, History, Span
from farthing.decide.fit import eligible
from farthing.decide.movable import devices_of
from farthing.decide.needs import Need
from farthing.model.cluster import Key, Pod
from farthing.model.reason import Why
from farthing.state.fork import Fork
from farthing.state.residents import Resident, finished, residents
from farthing.state.world import World

STEPS: Final = 200
"""The future is looked at in so many steps at most: endings close to each other are taken together."""

PASSING: Final = frozenset({Why.NO_CAPACITY, Why.NO_NODE_ROOM, Why.MAKING_ROOM, Why.QUOTA_EXCEEDED, Why.QUEUED})
"""Reasons that pass when others end."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a pod would start, in seconds since 1970: at the earliest, likely, and at the latest; None: not known.

    `hints`, `history` and `unknown` count the running pods on devices that would do for it, by what is known of their
    end; `samples` is how many earlier pods the history is made of.
    """

    earliest: float | None
    likely: float | None
    latest: float | None
    hints: int
    history: int
    unknown: int
    samples: int


def forecast(world: World, key: Key, needs: tuple[Need, ...], at: float) -> Forecast:
    """When the pod would start. O(steps x a plan)."""
    past, running = finished(world), residents(world)
    history = History(past)
    around = _around(world, running, needs)
    bases = Counter(history.left(one.pod, one.team, at).basis for one in around)
    ways: tuple[Callable[[Span], float | None], ...] = (lambda s: s.least, lambda s: s.likely, lambda s: s.most)
    starts = [_Future(world, history, way, at).start(key) for way in ways]
    known = sorted(start for start in starts if start is not None)
    return Forecast(
        earliest=known[0] if known else None,
        likely=starts[1],
        latest=known[-1] if starts[2] is not None else None,
        hints=bases[Basis.HINT],
        history=bases[Basis.HISTORY],
        unknown=bases[Basis.UNKNOWN],
        samples=sum(history.count(team) for team in {one.team for one in around}) if bases[Basis.HISTORY] else 0,
    )


def _around(world: World, running: tuple[Resident, ...], needs: tuple[Need, ...]) -> list[Resident]:
    """Who runs on devices that would do."""
    fleet = world.fleet
    good = np.zeros(len(fleet.devices), dtype=bool)
    for need in needs:
        good |= eligible(fleet, need).healthy
    names = {fleet.devices[i] for i in np.flatnonzero(good)}
    return [one for one in running if names.intersection(devices_of(one))]


class _Future:
    """One way that things may go."""

    def __init__(self, world: World, history: History, way: Callable[[Span], float | None], at: float) -> None:
        self._fork = Fork(world, at)
        self._history, self._way = history, way
        self._at = at
        self._ends: list[tuple[float, Key]] = []
        for resident in residents(world):
            self._expect(resident.pod)

    def start(self, key: Key) -> float | None:
        """When the pod is placed; None where it never is, as far as this future reaches."""
        if self._settle(key):
            return self._at
        span = max((end for end, _ in self._ends), default=self._at) - self._at
        while self._ends:
            self._at = max(self._ends[0][0], self._at + span / STEPS)
            while self._ends and self._ends[0][0] <= self._at:
                _, gone = heapq.heappop(self._ends)
                pod = self._fork.world.get(Pod, gone)
                if pod is not None:
                    self._fork.end(pod, self._at)
            if self._settle(key):
                return self._at
        return None

    def _settle(self, key: Key) -> bool:
        """Place whoever can be placed now; whether the pod was among them."""
        while placed := self._fork.carry_out(plan(self._fork.snapshot(self._at)), self._at):
            for effect in placed:
                if effect.pod.key == key:
                    return True
                self._expect(effect.pod)
        return False

    def _expect(self, pod: Pod) -> None:
        """Note when a pod ends, where that is known."""
        left = self._way(self._history.left(pod, self._fork.world.team_of(pod), self._at))
        if left is not None:
            heapq.heappush(self._ends, (self._at + left, pod.key))
