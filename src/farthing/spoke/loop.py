"""The loop of one cluster: read, decide, apply.

Everything the spoke knows it learned from the API server, and learns again when it starts. Its six steps are in
`_turn`; a turn is taken when there is news, and at least once a second, since some decisions are about time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from farthing.decide.cycle import Decision, decide
from farthing.decide.preempt import preempt
from farthing.kube.apply import Applier
from farthing.kube.events import Events
from farthing.kube.watch import Inbox
from farthing.model.errors import ConflictError, FarthingError, NotFoundError, UnansweredError
from farthing.model.plan import Effect, Hold, MakeTemplate, Observation, Place, Plan, Preempt, Release, Stop
from farthing.spoke.metrics import Metrics
from farthing.spoke.record import record
from farthing.spoke.telling import Telling
from farthing.state.residents import gangs_of, residents
from farthing.state.snapshot import Snapshot
from farthing.state.world import World

_log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 1.0
REST_SECONDS: Final = 0.01
"""Between two turns at least this passes: news comes in bursts."""

RESTS: Final = 4
"""And at least so many times as long as the last one took: planning has a fifth of a core at most."""

SWEEP_SECONDS: Final = 5.0
SHOW_SECONDS: Final = 1.0
AT_ONCE: Final = 48
"""Effects being written at the same time."""

EVICTED_AT_ONCE: Final = 8
"""Evictions beside them. Each ends a pod that its controller may replace at once: most of the work comes after it."""

PREEMPT_SECONDS: Final = 1.0
"""So often, at most, it is looked at who has to go for those who are stuck."""

PREEMPT_PART: Final = 10
"""And then nobody looks for so many times as long as it took."""

UNWILLING_SECONDS: Final = 30.0
"""Whose pod could not be evicted, for a PodDisruptionBudget, say, is left alone for so long; others may go instead."""

RETRY_SECONDS: Final = 2.0
"""What failed is left alone for so long."""


class Clocks(Protocol):
    """The time, three ways: for decisions (since 1970), for durations (never jumps), as Kubernetes writes it."""

    def now(self) -> float: ...
    def steady(self) -> float: ...
    def stamp(self) -> str: ...


class Metered(Protocol):
    """Who wants to know what was folded, and when a turn is over."""

    def note(self, world: World, news: Observation, at: float) -> None: ...
    def turn(self, world: World, at: float) -> None: ...


@dataclass
class Loop:
    """One spoke at work. `leading` says whether its decisions count; while it is False, it only listens."""

    world: World
    inbox: Inbox
    applier: Applier
    events: Events
    metrics: Metrics
    clocks: Clocks
    leading: Callable[[], bool]
    meter: Metered | None = None

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._evictions = asyncio.Semaphore(EVICTED_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = Telling()
        self._failed: dict[object, float] = {}
        self._swept = self._shown = self._look_next = float("-inf")
        self._unwilling: dict[str, float] = {}
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            await self._news()
            took = self._turn()
            await asyncio.sleep(min(max(RESTS * took, REST_SECONDS), TICK_SECONDS))

    async def _news(self) -> None:
        """Wait for something to think about, or for time to pass."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.inbox.waiting, self._again)]
        await asyncio.wait(waits, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._again.clear()

    def _turn(self) -> float:
        """One turn; how many seconds it took."""
        start = self.clocks.steady()
        at = self.clocks.now()
        # 1. believe what was seen
        for news in self.inbox.drain():
            self._believe(news, at)
        if not self.leading():
            return 0.0
        # 2. now and then, look for what nobody uses
        if start - self._swept >= SWEEP_SECONDS:
            self._swept = start
            self.world.sweep(at)
            self._telling.sweep(start)
        # 3. freeze
        snapshot = self.world.snapshot(at)
        # 4. decide, and now and then who has to go for those who are stuck
        before = self._before_preempting(snapshot, start)
        decided = decide(snapshot)
        gone = self._preempting(before, decided) if before is not None else ()
        # 5. carry out
        for effect in self._worth_writing((*decided.effects, *gone), start):
            self._launch(effect)
        # 6. tell
        if self.meter is not None:
            self.meter.turn(self.world, at)
        took = self.clocks.steady() - start
        self.metrics.cycle.observe(took)
        if start - self._shown >= SHOW_SECONDS:
            self._shown = start
            self._show(snapshot)
        return took

    def _before_preempting(self, snapshot: Snapshot, start: float) -> Snapshot | None:
        """The snapshot as it is before it is decided on, where it is time to look who has to go."""
        if snapshot.tree is None or start < self._look_next:
            return None
        return replace(snapshot, free=snapshot.free.copy())

    def _preempting(self, before: Snapshot, decided: Decision) -> Plan:
        """Who has to go. Looked at once in a while, since it looks at everybody who runs."""
        if not decided.stuck and not before.leaving:
            return ()
        start = self.clocks.steady()
        self._unwilling = {uid: until for uid, until in self._unwilling.items() if until > start}
        running = residents(self.world)
        gone = preempt(before, decided, running, gangs_of(self.world, running), self._unwilling.keys())
        end = self.clocks.steady()
        self._look_next = end + max(PREEMPT_SECONDS, PREEMPT_PART * (end - start))
        return gone

    def _believe(self, news: Observation, at: float) -> None:
        self.world.fold(news, at)
        if self.meter is not None:
            self.meter.note(self.world, news, at)

    # Choosing -----------------------------------------------------------------------------------------------------

    def _worth_writing(self, decided: Plan, at: float) -> list[Effect]:
        """The plan without what failed a moment ago; of its holds those that are told now, after everything else."""
        self._failed = {key: since for key, since in self._failed.items() if at - since < RETRY_SECONDS}
        fresh = [effect for effect in decided if not self._failed or _key(effect) not in self._failed]
        holds = self._telling.news((effect for effect in fresh if isinstance(effect, Hold)), at)
        return [*(effect for effect in fresh if not isinstance(effect, Hold)), *holds]

    # Carrying out -------------------------------------------------------------------------------------------------

    def _launch(self, effect: Effect) -> None:
        self.world.assume(effect, self.clocks.now())
        if isinstance(effect, Hold):
            self._telling.begin()
        task = asyncio.create_task(self._carry_out(effect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, effect: Effect) -> None:
        kind = type(effect).__name__
        outcome = "failed"
        try:
            async with self._evictions if isinstance(effect, Preempt) else self._slots:
                with self.metrics.apply.labels(kind).time():
                    for news in await self.applier.apply(effect):
                        self._believe(news, self.clocks.now())
            outcome = "done"
            record(effect, self.world.team_of)
            await self._tell(effect)
        except (ConflictError, NotFoundError) as error:
            outcome = "overtaken"
            _log.debug("overtaken by events", effect=kind, error=str(error))
        except FarthingError as error:
            self._failed[_key(effect)] = self.clocks.steady()
            if isinstance(effect, Preempt) and not isinstance(error, UnansweredError):
                owner = effect.pod.owner
                self._unwilling[owner.uid if owner else effect.pod.uid] = self.clocks.steady() + UNWILLING_SECONDS
            _log.warning("not carried out", effect=kind, error=str(error))
        finally:
            if isinstance(effect, Hold):
                self._telling.end()
            self.world.settle(effect, self.clocks.now())
            self.metrics.effects.labels(kind, outcome).inc()
            self._again.set()

    async def _tell(self, effect: Effect) -> None:
        """Events for people, where something is new."""
        if isinstance(effect, Hold):
            pod, reason = effect.pod, effect.reason
            self._telling.note(effect, self.clocks.steady())
            if pod.verdict is None or pod.verdict.why is not reason.why:
                await self.events.tell(pod, reason, "Holding", warning=True)
        elif isinstance(effect, Preempt) and effect.pod.verdict != effect.reason:
            await self.events.tell(effect.pod, effect.reason, "Preempting", warning=True)
        elif isinstance(effect, Stop):
            await self.events.tell(effect.pod, effect.reason, "Stopping", warning=True)
        elif isinstance(effect, Place):
            self._telling.forget(effect.pod.uid)

    def _show(self, snapshot: Snapshot) -> None:
        self.metrics.show_fleet(snapshot.fleet, snapshot.free)
        self.metrics.waiting.clear()
        for waiting in snapshot.waiting:
            verdict = waiting.pod.verdict
            self.metrics.waiting.labels(verdict.why.value if verdict else "New").inc()

    async def end(self) -> None:
        """Stop what is still being written."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _key(effect: Effect) -> object:
    """What a failure is remembered by."""
    match effect:
        case Release(claim=claim):
            return ("release", claim.key)
        case MakeTemplate(key=key):
            return ("template", key)
        case Place(pod=pod) | Hold(pod=pod) | Preempt(pod=pod) | Stop(pod=pod):
            return (type(effect), pod.uid)
        case _:
            return effect
