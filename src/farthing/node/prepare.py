"""Preparing claims and undoing it. Whatever is killed at whatever point, the next attempt ends at the same place.

A burst of claims is worked at in turns: whoever comes while a turn is going on waits for the next, and that takes all
who wait, under one lock and in one thread. What kubelet gives up is not begun, or goes on to its end.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from farthing.model.errors import FarthingError, InvalidError, NotFoundError, TransientError
from farthing.node.check import refusal
from farthing.node.checkpoint import Record
from farthing.node.hands import BesideError, Hands
from farthing.node.share import ClaimName, Share, shares_of

_log = structlog.get_logger(__name__)
T = TypeVar("T")

_POLL_SECONDS: Final = 0.005
MOST_AT_ONCE: Final = 32
"""Claims in one turn. A MIG partition may take a second, and kubelet waits for 45."""

GATHER_SECONDS: Final = 0.001
"""What a turn waits for the others of its burst: a turn of one costs as much as one of many."""

Fetch = Callable[[ClaimName], Awaitable[dict[str, Any]]]
"""Reads a claim. Raises NotFoundError where there is none, TransientError where nobody can say."""

Known = Callable[[ClaimName], dict[str, Any] | None]
"""What is known of a claim without asking."""


@dataclass(eq=False)
class _Turn:
    """One claim that waits for the next turn."""

    name: ClaimName
    wanted: tuple[Share, ...] | None
    answer: asyncio.Future[Record]


@dataclass
class Preparer:
    """What kubelet asks for. `known` saves asking the API server for claims that were seen already.

    `lock` is a file that every driver of this node holds while it works, the old and the new one of an update alike.
    """

    hands: Hands
    fetch: Fetch
    driver: str
    pool: str
    lock: Path
    known: Known = lambda _: None
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: list[_Turn] = field(default_factory=list)
    _turns: asyncio.Task[None] | None = None
    _descriptor: int | None = None

    async def prepare(self, name: ClaimName) -> Record:
        """Prepare a claim. Raises FarthingError with the sentence for whoever looks at the pod."""
        seen = self.known(name)
        wanted = shares_of(seen, self.driver, self.pool) if seen else await self._asked(name)
        try:
            return await self._in_turn(name, wanted)
        except BesideError:
            return await _to_its_end(self._after_neighbours(name, wanted or ()))

    async def unprepare(self, name: ClaimName) -> None:
        """Undo whatever is left of a claim; one that is not prepared is done already."""
        await _to_its_end(self._undo(name))

    async def sweep(self) -> tuple[ClaimName, ...]:
        """Undo what no longer belongs to any claim, and take up again what has lost its record. Returns what went."""
        gone = []
        async with self._locked():
            records = tuple(self.hands.checkpoint)
        for record in records:
            if await self._over(record):
                await self.unprepare(record.claim)
                gone.append(record.claim)
        for uid in self.hands.cdi.there():
            if self.hands.checkpoint.get(uid) is None:
                await self._adopt(uid)
        async with self._locked():
            for what in await asyncio.to_thread(self.hands.tidy):
                _log.warning("undone, since no record is of it", what=what)
        return tuple(gone)

    # Turns --------------------------------------------------------------------------------------------------------

    async def _in_turn(self, name: ClaimName, wanted: tuple[Share, ...] | None) -> Record:
        turn = _Turn(name, wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        return await turn.answer

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            turns: list[_Turn] = []
            try:
                await asyncio.sleep(GATHER_SECONDS)
                async with self._locked():
                    turns = self._next()
                    claims = [(turn.name, turn.wanted) for turn in turns]
                    answers: Sequence[Record | Exception] = await asyncio.to_thread(self.hands.prepare_all, claims)
                for turn, answer in zip(turns, answers, strict=True):
                    _answer(turn.answer, answer)
            except BaseException as error:
                if not turns:
                    turns, self._waiting = self._waiting, []
                for turn in turns:
                    loop.call_soon(_answer, turn.answer, error)
                if not isinstance(error, Exception):
                    raise

    def _next(self) -> list[_Turn]:
        """Who is next: nobody who gave up, no claim twice, and not so many that the first waits for long."""
        self._waiting = [turn for turn in self._waiting if not turn.answer.cancelled()]
        first = {turn.name.uid: turn for turn in reversed(self._waiting)}
        chosen = [turn for turn in self._waiting if first[turn.name.uid] is turn][:MOST_AT_ONCE]
        self._waiting = [turn for turn in self._waiting if turn not in chosen]
        return chosen

    # Steps --------------------------------------------------------------------------------------------------------

    async def _asked(self, name: ClaimName) -> tuple[Share, ...] | None:
        """What the claim holds of this node's devices; None where the API server is away."""
        try:
            claim = await self.fetch(name)
        except TransientError:
            return None
        if claim["metadata"]["uid"] != name.uid:
            raise NotFoundError(f"claim {name} is another one by now, of the same name")
        return shares_of(claim, self.driver, self.pool)

    async def _after_neighbours(self, name: ClaimName, wanted: tuple[Share, ...]) -> Record:
        """Prepare after letting go of neighbours whose claims are over."""
        async with self._locked():
            for record in self.hands.neighbours(wanted):
                if record.claim.uid != name.uid and await self._over(record):
                    await asyncio.to_thread(self.hands.undo, record)
            return await asyncio.to_thread(self.hands.prepare, name, wanted)

    async def _undo(self, name: ClaimName) -> None:
        async with self._locked():
            record = self.hands.checkpoint.get(name.uid) or Record(name, (), "preparing")
            await asyncio.to_thread(self.hands.undo, record)

    async def _over(self, record: Record) -> bool:
        """Whether the claim no longer holds what is prepared for it. Where nobody can say, it does."""
        try:
            return await self._asked(record.claim) not in (None, record.shares)
        except (NotFoundError, InvalidError):
            return True
        except FarthingError:
            return False

    async def _adopt(self, uid: str) -> None:
        """A CDI file without a record: the record was lost. It is made anew, or the file is of nobody any more."""
        name = self.hands.cdi.claim(uid)
        try:
            wanted = await self._asked(name) if name else ()
        except (NotFoundError, InvalidError):
            wanted = ()
        if wanted is None:
            return
        async with self._locked():
            if self.hands.checkpoint.get(uid):
                return
            if name and wanted and refusal(wanted, self.hands.books(), self.hands.inventory) is None:
                await asyncio.to_thread(self.hands.do, Record(name, wanted, "preparing"))
                _log.warning("record made anew", claim=str(name), uid=uid)
            else:
                self.hands.cdi.remove(uid)
                _log.warning("CDI file of nobody removed", uid=uid)

    # Alone --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Alone among the tasks of this driver, and among the drivers of this node; with the records as they are."""
        async with self._alone:
            descriptor = self._lock_file()
            while not _hold(descriptor):  # noqa: ASYNC110 -- another process holds it
                await asyncio.sleep(_POLL_SECONDS)
            try:
                if spoiled := self.hands.refresh():
                    _log.error("records are corrupt and were moved aside", records=spoiled)
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _lock_file(self) -> int:
        """The lock, open; anew where somebody removed the file."""
        if self._descriptor is not None and self.lock.exists():
            return self._descriptor
        if self._descriptor is not None:
            os.close(self._descriptor)
        self.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        return self._descriptor


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do it, and go on when whoever asked goes away: the lock is not given back in the middle."""
    return await asyncio.shield(asyncio.create_task(work))


def _answer(answer: asyncio.Future[Record], done: Record | BaseException) -> None:
    if answer.done():
        return
    if isinstance(done, BaseException):
        answer.set_exception(done)
    else:
        answer.set_result(done)


def _hold(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
