"""Preparing claims and undoing it. Whatever is killed at whatever point, the next attempt ends at the same place.

The order of one preparation: record "preparing", open the shares, write the CDI file, record "prepared". Undoing goes
backwards, the record last. So everything that may be left over has a record, and every step may be done twice.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import structlog

from farthing.model.errors import FarthingError, InvalidError, NotFoundError, TransientError, UnsupportedError
from farthing.node.cdi import Cdi
from farthing.node.check import refusal
from farthing.node.checkpoint import Checkpoint, Record
from farthing.node.devices import Edits, Inventory, Vendor
from farthing.node.limits import facts
from farthing.node.share import ClaimName, Share, shares_of

_log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.005

Fetch = Callable[[ClaimName], Awaitable[dict[str, Any]]]
"""Reads a claim. Raises NotFoundError where there is none, TransientError where nobody can say."""


@dataclass
class Preparer:
    """What kubelet asks for. `inventory` is what the node has, as seen last; `changed` is told what is prepared now.

    `lock` is a file that every driver of this node holds while it works, the old and the new one of an update alike.
    """

    vendor: Vendor
    checkpoint: Checkpoint
    cdi: Cdi
    fetch: Fetch
    driver: str
    pool: str
    lock: Path
    inventory: Inventory = field(default_factory=Inventory)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def prepare(self, name: ClaimName) -> Record:
        """Prepare a claim. Raises FarthingError with the sentence for whoever looks at the pod."""
        wanted = await self._wanted(name)
        async with self._locked():
            record = self.checkpoint.get(name.uid)
            if record and self._stands(record) and wanted in (None, record.shares):
                return self._renewed(record, wanted)
            if wanted is None:
                raise TransientError(f"claim {name} is not prepared, and the API server cannot be asked about it")
            if record:
                await self._undo(record)
            await self._refuse(wanted)
            return await self._do(Record(name, wanted, "preparing"))

    async def unprepare(self, name: ClaimName) -> None:
        """Undo whatever is left of a claim; one that is not prepared is done already."""
        async with self._locked():
            await self._undo(self.checkpoint.get(name.uid) or Record(name, (), "preparing"))

    async def sweep(self) -> tuple[ClaimName, ...]:
        """Undo what no longer belongs to any claim, and take up again what has lost its record. Returns what went."""
        gone = []
        async with self._locked():
            records = tuple(self.checkpoint)
        for record in records:
            if await self._over(record):
                await self.unprepare(record.claim)
                gone.append(record.claim)
        for uid in self.cdi.there():
            if self.checkpoint.get(uid) is None:
                await self._adopt(uid)
        await self._tidy()
        return tuple(gone)

    # Steps --------------------------------------------------------------------------------------------------------

    async def _wanted(self, name: ClaimName) -> tuple[Share, ...] | None:
        """What the claim holds of this node's devices; None where the API server is away."""
        try:
            claim = await self.fetch(name)
        except TransientError:
            return None
        if claim["metadata"]["uid"] != name.uid:
            raise NotFoundError(f"claim {name} is another one by now, of the same name")
        return shares_of(claim, self.driver, self.pool)

    def _renewed(self, record: Record, wanted: tuple[Share, ...] | None) -> Record:
        """The record with the pods that use the claim by now."""
        if wanted is None or [share.pods for share in wanted] == [share.pods for share in record.shares]:
            return record
        newer = Record(record.claim, wanted, record.state)
        self.checkpoint.put(newer)
        return newer

    async def _refuse(self, wanted: tuple[Share, ...]) -> None:
        """Raise where the node's own books say no. First let go of neighbours whose claims are over."""
        reason = refusal(wanted, self._others(wanted), self.inventory)
        if reason is None:
            return
        devices = {share.device for share in wanted}
        for record in self.checkpoint:
            if any(share.device in devices for share in record.shares) and await self._over(record):
                await self._undo(record)
        reason = refusal(wanted, self._others(wanted), self.inventory)
        if reason is not None:
            raise UnsupportedError(str(reason))

    async def _do(self, record: Record) -> Record:
        self.checkpoint.put(record)
        try:
            requests = await asyncio.to_thread(self._open, record.shares)
            self.cdi.write(record.claim.uid, requests)
            done = Record(record.claim, record.shares, "prepared")
            self.checkpoint.put(done)
        except FarthingError:
            await self._undo(record)
            raise
        return done

    def _open(self, shares: tuple[Share, ...]) -> dict[str, Edits]:
        """The edits of each request."""
        devices = {device.name: device for device in self.inventory.devices}
        return {
            request: self.vendor.open(group) + facts(group, devices)
            for request, group in ((r, tuple(g)) for r, g in groupby(shares, lambda share: share.request))
        }

    async def _undo(self, record: Record) -> None:
        others = tuple(self._others(record.shares, record.claim.uid))
        await asyncio.to_thread(self.vendor.close, record.shares, others)
        self.cdi.remove(record.claim.uid)
        self.checkpoint.remove(record.claim.uid)

    def _others(self, shares: Iterable[Share], uid: str = "") -> list[Share]:
        """What is prepared for other claims than that of `shares`."""
        own = {share.claim.uid for share in shares} | {uid}
        return [share for record in self.checkpoint if record.claim.uid not in own for share in record.shares]

    def _stands(self, record: Record) -> bool:
        return record.state == "prepared" and self.cdi.path(record.claim.uid).exists()

    async def _over(self, record: Record) -> bool:
        """Whether the claim no longer holds what is prepared for it. Where nobody can say, it does."""
        try:
            return await self._wanted(record.claim) not in (None, record.shares)
        except (NotFoundError, InvalidError):
            return True
        except FarthingError:
            return False

    async def _adopt(self, uid: str) -> None:
        """A CDI file without a record: the record was lost. It is made anew, or the file is of nobody any more."""
        name = self.cdi.claim(uid)
        try:
            wanted = await self._wanted(name) if name else ()
        except (NotFoundError, InvalidError):
            wanted = ()
        if wanted is None:
            return
        async with self._locked():
            if self.checkpoint.get(uid):
                return
            if name and wanted and refusal(wanted, self._others(wanted), self.inventory) is None:
                await self._do(Record(name, wanted, "preparing"))
                _log.warning("record made anew", claim=str(name), uid=uid)
            else:
                self.cdi.remove(uid)
                _log.warning("CDI file of nobody removed", uid=uid)

    async def _tidy(self) -> None:
        """What is open though no record says so: records may be lost, hardware remembers.

        A claim whose CDI file stands may still be in use, whether it has a record or not.
        """
        async with self._locked():
            if any(self.checkpoint.get(uid) is None for uid in self.cdi.there()):
                return
            opened = tuple(share for record in self.checkpoint for share in record.shares)
            for what in await asyncio.to_thread(self.vendor.tidy, opened):
                _log.warning("undone, since no record is of it", what=what)

    # Alone --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Alone among the tasks of this driver, and among the drivers of this node; with the records as they are."""
        async with self._alone:
            self.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                while not _hold(descriptor):  # noqa: ASYNC110 -- another process holds it
                    await asyncio.sleep(_POLL_SECONDS)
                self._refresh()
                yield
            finally:
                os.close(descriptor)

    def _refresh(self) -> None:
        lost = self.checkpoint.refresh()
        for uid in lost.former:
            self.cdi.remove(uid)
        for uid in lost.corrupt:
            _log.error("checkpoint is corrupt and was moved aside", uid=uid)


def _hold(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
