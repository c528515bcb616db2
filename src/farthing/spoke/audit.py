"""The auditor: now and then it asks the API server for all claims anew and recomputes every device from them.

What is being written just now looks wrong for a moment, so only a difference that two audits in a row find counts.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from farthing.decide.audit import Difference, audit
from farthing.kube.connection import Connection
from farthing.kube.events import Events
from farthing.kube.resources import CLAIMS
from farthing.kube.watch import read_list
from farthing.model.cluster import Claim
from farthing.model.errors import FarthingError
from farthing.model.reason import Reason, Why
from farthing.spoke.loop import Loop

_log = structlog.get_logger(__name__)

AUDIT_SECONDS: Final = 30.0


class Auditor:
    """Audits one loop's world, reports to its metrics and as events."""

    def __init__(self, connection: Connection, loop: Loop, events: Events, seconds: float = AUDIT_SECONDS) -> None:
        self._connection = connection
        self._loop = loop
        self._events = events
        self._seconds = seconds
        self._before: frozenset[Difference] = frozenset()
        self._told: frozenset[Difference] = frozenset()

    async def run(self) -> None:
        """Audit until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.once()
            except FarthingError as error:
                _log.warning("audit not done", error=str(error))

    async def once(self) -> frozenset[Difference]:
        """One audit; the differences that stood the last time too."""
        claims = await self._claims()
        snapshot = self._loop.world.snapshot(self._loop.clocks.now())
        found = frozenset(audit(snapshot.fleet, snapshot.free, claims))
        lasting = found & self._before
        self._before = found
        self._loop.metrics.differences.set(len(lasting))
        for difference in sorted(lasting - self._told, key=lambda d: d.about):
            _log.error("the books are wrong", about=difference.about, difference=difference.sentence)
            node = difference.about.split("/")[0]
            await self._events.tell_node(
                node, Reason(Why.BOOKS_WRONG, f"{difference.about} {difference.sentence}"), "Auditing"
            )
        self._told = lasting
        return lasting

    async def _claims(self) -> list[Claim]:
        claims: list[Claim] = []
        async for page in self._connection.pages(CLAIMS.path):
            for item in read_list(page).items:
                try:
                    thing = CLAIMS.thing(item)
                except (msgspec.ValidationError, ValueError):
                    continue
                if isinstance(thing, Claim):
                    claims.append(thing)
        return claims
