"""Runs: a policy on a fleet, in virtual time.

The time of this room is what arrives. How long a run really took is told by the shell's clock, which comes in.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import inf
from typing import Final

from farthing.decide.order import jointly
from farthing.sim.book import Book
from farthing.sim.fleet import Simulated
from farthing.sim.line import Line
from farthing.sim.policies import POLICIES, Place, Policy
from farthing.sim.results import LIFETIME, Mode, Run
from farthing.sim.workload import Arrival, Departures, Kind, churn, fill

WARM_UP: Final = 2
MEASURED: Final = 4
"""Lifetimes for which a churn runs before it is measured, and while it is."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How to run.

    `window`: so many pods are placed jointly, the largest first. `load` is what is offered in churn, `ratio` what
    arrives in fill, as multiples of the fleet's GPUs. `log`: keep every placement.
    """

    mode: Mode = Mode.fill
    seed: int = 42
    window: int = 1
    load: float = 1.0
    ratio: float = 1.3
    log: bool = False


def run(
    fleet: Simulated,
    pods: Sequence[Arrival],
    policy: str,
    setting: Setting,
    trace: str = "",
    clock: Callable[[], float] = lambda: 0.0,
) -> Run:
    """Run a policy on an empty fleet. `clock` gives seconds, for what the run says of its own speed."""
    player = _Player(fleet, pods, POLICIES[policy](fleet, pods, setting.seed), setting)
    play = {Mode.fill: player.fill, Mode.churn: player.churn, Mode.replay: player.replay}[setting.mode]
    begun = clock()
    average = play()
    took, book = clock() - begun, player.book
    return Run(
        mode=setting.mode,
        trace=trace,
        policy=policy,
        seed=setting.seed,
        window=setting.window,
        load=setting.ratio if setting.mode is Mode.fill else setting.load if setting.mode is Mode.churn else 0.0,
        curve=book.curve(),
        arrivals=book.arrivals,
        rejected=book.rejected,
        rejected_gpus=100 * book.rejected_milli / max(1, book.arrived),
        gpus_total=fleet.gpus,
        gpus_allocated=average / 1000,
        allocation=average / max(1, 10 * fleet.gpus),
        waited=book.waited / max(1, book.arrivals),
        seconds=took,
        decisions=book.decisions,
        log=tuple(book.log),
    )


class _Player:
    """One run under way: each mode is a method, which says how many milli-GPU were held in the end or on average."""

    def __init__(self, fleet: Simulated, pods: Sequence[Arrival], policy: Policy, setting: Setting) -> None:
        self._pods, self._policy, self._setting = pods, policy, setting
        self._capacity = 1000 * fleet.gpus
        self.book = Book(fleet, pods, policy.table.board, keep_log=setting.log)

    def fill(self) -> float:
        """Everybody arrives and nobody leaves. A curve notes how things stand before more than each percent arrived."""
        setting, book = self._setting, self.book
        queue = fill(self._pods, setting.seed, setting.ratio * self._capacity)
        percent = 0
        for i in range(0, len(queue), setting.window):
            window = queue[i : i + setting.window]
            self._policy.meet([arrival.kind for arrival in window])
            for arrival in jointly(window, setting.window, _milli):
                while (book.arrived + arrival.kind.milli) * 100 > percent * self._capacity:
                    book.note(percent)
                    percent += 1
                self._try(arrival)
        while percent <= round(100 * setting.ratio):
            book.note(percent)
            percent += 1
        return book.used

    def churn(self) -> float:
        """Pods come and go by chance; what does not fit is turned away."""
        book, setting = self.book, self._setting
        end = (WARM_UP + MEASURED) * LIFETIME
        book.measure(0.0, end, WARM_UP * LIFETIME)
        there: Departures[_Placed] = Departures()
        for arrival in churn(self._pods, setting.seed, setting.load * self._capacity, LIFETIME, end):
            self._leave(there, arrival.at)
            book.advance(arrival.at)
            self._policy.meet([arrival.kind])
            self._try(arrival, there)
        self._leave(there, end)
        book.advance(end)
        return book.average

    def replay(self) -> float:
        """Pods come and go as the trace says; what does not fit waits, and is tried again when somebody has left."""
        book, queue = self.book, deque(sorted(self._pods, key=lambda arrival: (arrival.at, arrival.name)))
        book.measure(queue[0].at, queue[-1].at, queue[0].at)
        there: Departures[_Placed] = Departures()
        line = Line()
        while queue or (len(line) and there):
            at = min(queue[0].at if queue else inf, there.next)
            left = self._leave(there, at)
            book.advance(at)
            new = [queue.popleft() for _ in range(_ready(queue, at))]
            self._policy.meet([arrival.kind for arrival in new])
            if left:
                line.extend(new)
                line = self._serve_all(there, line, at)
            else:
                line.extend(self._serve(there, new, at))
            book.waiting = len(line)
        for arrival in line:
            book.turned_away(arrival)
        return book.average

    def _serve_all(self, there: "Departures[_Placed]", line: Line, at: float) -> Line:
        """Place those who wait; who is still waiting."""
        if self._setting.window > 1:
            return Line(self._serve(there, list(line), at))
        line.serve(lambda arrival: self._seat(there, arrival, at))
        return line

    def _serve(self, there: "Departures[_Placed]", waiting: list[Arrival], at: float) -> list[Arrival]:
        """Place those who wait; who is still waiting. What had no place is not tried again for others like it."""
        done: set[int] = set()
        failed: set[Kind] = set()
        for i in jointly(range(len(waiting)), self._setting.window, lambda i: _milli(waiting[i])):
            kind = waiting[i].kind
            if kind in failed:
                continue
            if self._seat(there, waiting[i], at):
                done.add(i)
            else:
                failed.add(kind)
        return [arrival for i, arrival in enumerate(waiting) if i not in done]

    def _seat(self, there: "Departures[_Placed]", arrival: Arrival, at: float) -> bool:
        """Place somebody who has waited since it came; whether there was a place."""
        place = self._policy.place(arrival.kind)
        self.book.decisions += 1
        if place is None:
            return False
        self.book.placed(arrival, place, at - arrival.at)
        there.add(at + arrival.stays, (arrival, place))
        return True

    def _try(self, arrival: Arrival, there: "Departures[_Placed] | None" = None) -> None:
        """Place a pod or turn it away."""
        place = self._policy.place(arrival.kind)
        self.book.decisions += 1
        if place is None:
            self.book.turned_away(arrival)
            return
        self.book.placed(arrival, place, 0.0)
        if there is not None:
            there.add(arrival.at + arrival.stays, (arrival, place))

    def _leave(self, there: "Departures[_Placed]", at: float) -> bool:
        """Whoever leaves by then does; whether anybody did."""
        left = False
        for when, (arrival, place) in there.until(at):
            self.book.advance(when)
            self.book.used -= arrival.kind.milli
            self._policy.leave(arrival.kind, place)
            left = True
        return left


_Placed = tuple[Arrival, Place]


def _ready(queue: deque[Arrival], at: float) -> int:
    """How many at the head of the queue have arrived by then."""
    return sum(1 for _ in takewhile(lambda arrival: arrival.at <= at, queue))


def _milli(arrival: Arrival) -> int:
    return arrival.kind.milli
