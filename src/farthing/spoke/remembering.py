"""Keeping what teams borrowed lately where a spoke that starts anew finds it: in the status of each Team.

It is written rarely, and only of teams about which what is written says something else than is remembered: see
`state.memory`. So a team that borrows evenly is never written about, and what is lost with a spoke is what changed
since it last looked.
"""

import asyncio
from typing import Final

import structlog

from farthing.kube.connection import Connection
from farthing.kube.teams import read_lately, write_lately
from farthing.model.errors import FarthingError, NotFoundError
from farthing.spoke.loop import Loop
from farthing.state.memory import Lately

_log = structlog.get_logger(__name__)

LOOKS: Final = 50
"""So often in one half-life it is looked at what to write,"""

SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 3600.0
"""but never more often than the first, and never less often than the second."""

AT_ONCE: Final = 4
"""Writes at the same time: nobody waits for them."""


class Remembering:
    """Reads and writes what one loop's world remembers. Without a half-life (seconds) it does nothing."""

    def __init__(self, connection: Connection, loop: Loop, half_life: float, every: float | None = None) -> None:
        self._connection = connection
        self._loop = loop
        self._half_life = half_life
        self._every = every or min(max(half_life / LOOKS, SHORTEST_SECONDS), LONGEST_SECONDS)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def recall(self) -> None:
        """Let the world begin with what is written; before anything is decided."""
        if not self._half_life:
            return
        try:
            found = await read_lately(self._connection)
        except NotFoundError:
            return
        except FarthingError as error:
            _log.warning("what teams borrowed lately cannot be read; they begin with the present", error=str(error))
            return
        self._loop.world.memory.recall(found.items())

    async def run(self) -> None:
        """Write now and then until cancelled."""
        while self._half_life:
            await asyncio.sleep(self._every)
            if self._loop.leading():
                await self.once()
        await asyncio.Event().wait()

    async def once(self) -> None:
        """Write what is worth it."""
        world = self._loop.world
        news = world.memory.worth_writing(world.tree) if world.tree is not None else {}
        await asyncio.gather(*(self._write(team, found) for team, found in news.items()))

    async def _write(self, team: str, found: Lately) -> None:
        async with self._slots:
            try:
                await write_lately(self._connection, team, found)
            except NotFoundError:
                return
            except FarthingError as error:
                _log.warning("what a team borrowed lately is not written", team=team, error=str(error))
                return
        self._loop.world.memory.note_written(team, found)
