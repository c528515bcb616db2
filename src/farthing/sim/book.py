"""What is noted of a run while it goes: counts, the curve, averages over time, the log."""

from collections.abc import Sequence

import numpy as np

from farthing.decide.board import SCALE, Board
from farthing.decide.jit import engine
from farthing.decide.table import Table
from farthing.sim.fleet import Simulated
from farthing.sim.policies import Place, whole_mix
from farthing.sim.results import Curve
from farthing.sim.workload import Arrival

SAMPLES = 100
"""Points of a curve over time."""


class Book:
    """The account of one run. Amounts are in thousandths of a GPU.

    Fragmentation is judged by the mix of the whole trace, for all policies alike.
    """

    def __init__(self, fleet: Simulated, pods: Sequence[Arrival], board: Board, *, keep_log: bool = False) -> None:
        self.arrivals = self.rejected = self.waiting = self.decisions = 0
        self._rejected_before = 0
        self.arrived = self.rejected_milli = self.used = 0
        self.waited = 0.0
        self.log: list[tuple[str, str, tuple[int, ...]]] = []
        self._fleet, self._board, self._keep_log = fleet, board, keep_log
        self._capacity = max(1, 1000 * fleet.gpus)
        self._judge = Table(fleet.fleet, fleet.empty(), whole_mix(pods)).board
        self._points: list[tuple[float, float, float, int]] = []
        self._at = self._from = self._held = 0.0
        self._next = self._until = float("inf")
        self._pace = 0.0

    # What happens -------------------------------------------------------------------------------------------------

    def placed(self, arrival: Arrival, place: Place, waited: float) -> None:
        """A pod has its place, after so many seconds."""
        self._arrived(arrival)
        self.used += arrival.kind.milli
        self.waited += waited
        if self._keep_log:
            first = int(self._board.first[place[0]])
            self.log.append((arrival.name, self._fleet.names[place[0]], tuple(d - first for d in place[1])))

    def turned_away(self, arrival: Arrival) -> None:
        """A pod has no place, and will have none."""
        self._arrived(arrival)
        self.rejected += 1
        self.rejected_milli += arrival.kind.milli
        if self._keep_log:
            self.log.append((arrival.name, "", ()))

    def _arrived(self, arrival: Arrival) -> None:
        self.arrivals += 1
        self.arrived += arrival.kind.milli

    # Time ---------------------------------------------------------------------------------------------------------

    def measure(self, begin: float, end: float, since: float) -> None:
        """Note a curve from `begin` to `end`; average, and count arrivals, from `since` on."""
        self._at, self._from, self._until = begin, since, end
        self._next, self._pace = begin, max(1e-9, (end - begin) / SAMPLES)

    def advance(self, at: float) -> None:
        """Time goes on."""
        while self._next <= min(at, self._until):
            self.note(self._next)
            self._next += self._pace
        if self._at < self._from <= at:
            self._rejected_before = self.rejected
            self.arrivals = self.rejected = self.arrived = self.rejected_milli = 0
        self._held += self.used * max(0.0, min(at, self._until) - max(self._at, self._from))
        self._at = max(at, self._at)

    @property
    def average(self) -> float:
        """What was held on average over the measured time."""
        return self._held / max(1e-9, self._until - self._from)

    # The curve ----------------------------------------------------------------------------------------------------

    def note(self, at: float) -> None:
        """Add a point to the curve."""
        without = self.waiting + self._rejected_before + self.rejected
        self._points.append((at, 100 * self.used / self._capacity, 100 * self._wasted() / self._capacity, without))

    def _wasted(self) -> float:
        """What is free and of no use to the trace's pods."""
        judge = self._judge._replace(left=self._board.left, on=self._board.on, room=self._board.room)
        engine().refresh(judge, 0, len(self._fleet.names))
        return float(np.sum(judge.waste)) / SCALE

    def curve(self) -> Curve:
        """The points so far."""
        at, allocation, fragmentation, waiting = zip(*self._points, strict=True)
        return Curve(at, allocation, fragmentation, waiting)
