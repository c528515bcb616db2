"""Metering at work: the meter's records go into its log every few seconds, and from there into the ledger.

Both happen in threads of their own, so that neither a slow disk nor a database that is away holds up a decision. What
cannot be written yet is kept and tried again; nothing leaves the log before the ledger has it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

import structlog

from farthing.ledger.interval import DAY, MOST_RECORDS, Batch
from farthing.ledger.meter import Meter, Records
from farthing.ledger.use import UseMeter
from farthing.model.cluster import Pod
from farthing.model.errors import FarthingError, TransientError
from farthing.model.plan import Observation
from farthing.spoke.metrics import Metrics
from farthing.spoke.settings import LedgerSettings
from farthing.spoke.wal import Wal
from farthing.state.world import World
from farthing.store.database import check_url
from farthing.store.ledger import Ledger

_log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 5.0
"""What a kill can cost: ends of shares that were seen and not written are taken from the last time before."""

SILENT_SECONDS: Final = 60
"""A meter to which nothing happens says so this often."""

ROOM_SECONDS: Final = 60
"""Between two looks at which nodes have no room left."""

PUSH_SECONDS: Final = 5.0
LONGEST_WAIT: Final = 60.0
ANSWER_SECONDS: Final = 5.0
TRANSACTION: Final = 200
"""Batches in one transaction."""

SETTLE_AFTER: Final = 300
"""Seconds after midnight at which the day is settled: other meters' last batches have come."""


class Metering:
    """One life of the meter: from the beginning of a spoke's leadership to its end."""

    def __init__(self, settings: LedgerSettings, metrics: Metrics, now: Callable[[], float]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._now = now
        check_url(settings.url)
        self._wal = Wal(settings.log)
        self._mutex = threading.Lock()
        self._ledger: Ledger | None = None
        self._settled_day = -1
        self.meter = Meter(settings.cluster, settings.tags)
        self._looked = 0
        self.use = UseMeter(settings.cluster)
        self._epoch = 0
        self._seq = 0
        self._said = 0

    # The loop's side ----------------------------------------------------------------------------------------------

    def note(self, world: World, news: Observation, at: float) -> None:
        """The loop has folded an observation."""
        self.meter.note(world, news, at)

    def turn(self, world: World, at: float) -> None:
        """The loop has taken a turn."""
        self.meter.turn(world, at)

    # The threads' side --------------------------------------------------------------------------------------------

    async def run(self, world: World, *, caught_up: Callable[[], bool]) -> None:
        """Begin with what is there once the world has caught up, then write and push until cancelled.

        On the way out it writes once more.
        """
        heard = max(await asyncio.to_thread(self._heard_in_log), await self._heard_in_ledger())
        while not caught_up():  # noqa: ASYNC110 -- an inbox tells when it is full, not when it is empty
            await asyncio.sleep(0.1)
        self._epoch = max(int(self._now()), heard + 1)
        self.meter.now = self._epoch
        self.meter.begin(world, self._now())
        _log.info("metering", cluster=self._settings.cluster, epoch=self._epoch)
        pushing = asyncio.create_task(self._push_for_ever())
        writing = asyncio.create_task(self._write(world))
        try:
            while True:
                await asyncio.shield(writing)
                await asyncio.sleep(WRITE_SECONDS)
                writing = asyncio.create_task(self._write(world))
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, writing, return_exceptions=True)
            await self._end(world)

    async def _end(self, world: World) -> None:
        await self._write(world)
        with contextlib.suppress(FarthingError, TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._push), ANSWER_SECONDS)
        self._wal.close()
        if self._ledger is not None:
            self._ledger.close()

    async def _write(self, world: World) -> None:
        self.meter.turn(world, self._now())
        if self.meter.now - self._looked >= ROOM_SECONDS:
            self._looked = self.meter.now
            self.meter.look_for_room(world.snapshot(self._now()), world.all(Pod), self._now())
        records, used, at = self.meter.take(), self.use.take(), self.meter.now
        if not (records or used) and at - self._said < SILENT_SECONDS:
            return
        parts = _parts(records)
        while parts:
            part, last = parts[0], len(parts) == 1
            watermark = at if last else self._said
            batch = Batch(
                self._settings.cluster, self._epoch, self._seq + 1, watermark, part.intervals, part.supplies, used
            )
            try:
                await asyncio.to_thread(self._wal.append, batch)
            except TransientError as error:
                for unwritten in reversed(parts):
                    self.meter.give_back(unwritten)
                self.use.give_back(used)
                self._metrics.unmetered.set(1)
                _log.error("the meter cannot write; it keeps what it has in memory", error=str(error))
                return
            del parts[0]
            used = ()
            self._seq += 1
            self._said = watermark
            self._metrics.unmetered.set(0)
        self._metrics.log_bytes.set(self._wal.size)

    async def _push_for_ever(self) -> None:
        wait = PUSH_SECONDS
        while True:
            try:
                await asyncio.to_thread(self._push)
                wait = PUSH_SECONDS
            except TransientError as error:
                wait = min(wait * 2, LONGEST_WAIT)
                _log.warning("the ledger is away; batches wait in the log", error=str(error), bytes=self._wal.size)
            except FarthingError as error:
                wait = LONGEST_WAIT
                _log.error("the ledger refuses; batches wait in the log", error=str(error), bytes=self._wal.size)
            except Exception:  # noqa: BLE001 -- whatever it is, it must not end here unseen
                wait = LONGEST_WAIT
                _log.exception("batches could not be handed to the ledger; they wait in the log")
            self._metrics.log_bytes.set(self._wal.size)
            await asyncio.sleep(wait)

    def _push(self) -> None:
        """Everything in the log into the ledger, segment by segment; then what has ended is settled."""
        with self._mutex:
            ledger = self._open_ledger()
            for segment in self._wal.complete():
                batches, whole = self._wal.read(segment)
                for i in range(0, len(batches), TRANSACTION):
                    ledger.ingest(*batches[i : i + TRANSACTION])
                if not whole:
                    _log.error("a segment of the meter's log ends in half a record", put_aside=str(segment))
                self._wal.drop(segment, damaged=not whole)
            self._settle(ledger)

    def _settle(self, ledger: Ledger) -> None:
        day = (int(self._now()) - SETTLE_AFTER) // DAY
        if day > self._settled_day:
            for sentence in ledger.settle().waiting:
                _log.error("not settled", why=sentence)
            self._settled_day = day

    def _open_ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger.open(self._settings.url)
        return self._ledger

    # Where this life begins ---------------------------------------------------------------------------------------

    def _heard_in_log(self) -> int:
        """The latest instant that the log knows: this life begins after it, whatever the clock says."""
        found = (batch for segment in self._wal.complete() for batch in self._wal.read(segment)[0])
        return max((max(batch.epoch, batch.watermark) for batch in found), default=0)

    async def _heard_in_ledger(self) -> int:
        """The latest instant that the ledger knows of this cluster; 0 where it does not answer soon."""

        def ask() -> int:
            with self._mutex:
                return max(self._open_ledger().heard(self._settings.cluster))

        try:
            return await asyncio.wait_for(asyncio.to_thread(ask), ANSWER_SECONDS)
        except (TimeoutError, TransientError) as error:
            _log.warning("the ledger is away; batches wait in the log", error=str(error))
            return 0


def _parts(records: Records) -> list[Records]:
    """Records in batches that are not too large; at least one, since the watermark is news as well."""
    size = MOST_RECORDS // 2
    count = max(1, -(-max(len(records.intervals), len(records.supplies)) // size))
    return [
        Records(records.intervals[i * size : (i + 1) * size], records.supplies[i * size : (i + 1) * size])
        for i in range(count)
    ]
