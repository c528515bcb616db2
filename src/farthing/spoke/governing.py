"""Keeping what admission knows of teams in step with what the planner knows: the TeamTree, and each Team's condition.

Both are written by the spoke that leads, soon after a Team changed. Until then admission goes by the tree before.
"""

import asyncio
from typing import Final

import structlog

from farthing.kube.connection import Connection, Json
from farthing.kube.teams import lookup, read_verdicts, verdict, write_tree, write_verdict
from farthing.model.errors import FarthingError, NotFoundError
from farthing.model.team import Team
from farthing.spoke.loop import Loop
from farthing.state.teams import Tree

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 60.0
"""The tree is written anew so often, even where nothing changed: somebody may have deleted it."""

RETRY_SECONDS: Final = 2.0


class Governing:
    """Writes what one loop's world makes of Teams."""

    def __init__(self, connection: Connection, loop: Loop) -> None:
        self._connection = connection
        self._loop = loop
        self._seen: tuple[Tree | None, frozenset[str]] | None = None
        self._tree: Json | None = None
        self._written = float("-inf")
        self._verdicts: dict[str, Json] = {}

    async def run(self) -> None:
        """Keep in step until cancelled. Nothing is written before the world has taken in all that was listed."""
        while len(self._loop.inbox):  # noqa: ASYNC110 - the loop empties it
            await asyncio.sleep(LOOK_SECONDS)
        read = False
        while True:
            try:
                if not read:
                    self._verdicts, read = await read_verdicts(self._connection), True
                await self.once()
            except NotFoundError:
                _log.debug("Teams are not served")
                await asyncio.sleep(AGAIN_SECONDS)
            except FarthingError as error:
                _log.warning("teams are not written", error=str(error))
                self._seen = None
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def once(self) -> None:
        """Write what is new."""
        world, steady = self._loop.world, self._loop.clocks.steady()
        tree = world.tree
        seen = (tree, frozenset(team.name for team in world.all(Team)))
        if not self._loop.leading() or (seen == self._seen and steady - self._written < AGAIN_SECONDS):
            return
        found = lookup(tree)
        if found != self._tree or steady - self._written >= AGAIN_SECONDS:
            await write_tree(self._connection, found)
            self._tree, self._written = found, steady
            _log.info("teams are written", teams=len(found["teams"]))
        await self._judge(tree, seen[1])
        self._seen = seen

    async def _judge(self, tree: Tree | None, names: frozenset[str]) -> None:
        """Say on every team whether it is right, where that is news."""
        faults = {fault.team: fault.sentence for fault in tree.faults} if tree else {}
        self._verdicts = {name: said for name, said in self._verdicts.items() if name in names}
        for name in sorted(names):
            said = verdict(faults.get(name, ""))
            if self._verdicts.get(name) != said:
                await self._say(name, said)

    async def _say(self, name: str, said: Json) -> None:
        try:
            await write_verdict(self._connection, name, said, self._loop.clocks.stamp())
        except NotFoundError:
            return
        self._verdicts[name] = said
        if said["message"]:
            _log.warning("a team is left out", team=name, problem=said["message"])
