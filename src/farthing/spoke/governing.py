"""Keeping what admission knows of teams in step with what the planner knows.

These are the TeamTree, a Tenancy in each namespace, and a condition on each Team. The leading spoke writes them soon
after a Team or a namespace changed; until then admission goes by what was before.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import structlog

from farthing.kube.connection import Connection, Json
from farthing.kube.teams import (
    drop_tenancy,
    lookup,
    read_tenancies,
    read_verdicts,
    tenancy,
    verdict,
    write_tenancy,
    write_tree,
    write_verdict,
)
from farthing.model.cluster import Namespace
from farthing.model.errors import FarthingError, NotFoundError, PermanentError
from farthing.model.team import Team
from farthing.spoke.loop import Loop
from farthing.state.teams import Tree
from farthing.state.world import World

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 60.0
"""So often everything is looked at anew, even where nothing changed: somebody may have deleted something."""

RETRY_SECONDS: Final = 2.0
AT_ONCE: Final = 16
LEFT_ALONE: Final = ("kube-system", "farthing-system")
"""Namespaces whose pods Farthing's policies do not look at."""


class Governing:
    """Writes what one loop's world makes of Teams."""

    def __init__(self, connection: Connection, loop: Loop) -> None:
        self._connection = connection
        self._loop = loop
        self._seen: object = None
        self._read = float("-inf")
        self._tree: Json = {}
        self._tenancies: dict[str, Json] = {}
        self._verdicts: dict[str, Json] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Keep in step until cancelled. Nothing is written before the world has taken in all that was listed."""
        while len(self._loop.inbox):  # noqa: ASYNC110 - the loop empties it
            await asyncio.sleep(LOOK_SECONDS)
        while True:
            try:
                if self._loop.leading():
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
        if steady - self._read >= AGAIN_SECONDS:
            self._tenancies = await read_tenancies(self._connection)
            self._verdicts = await read_verdicts(self._connection)
            self._tree, self._seen, self._read = {}, None, steady
        tree = world.tree
        seen = (tree, frozenset(team.name for team in world.all(Team)), frozenset(_labels(world)))
        if seen == self._seen:
            return
        found = lookup(tree)
        if found != self._tree:
            await write_tree(self._connection, found)
            self._tree = found
        await self._settle(world, tree)
        await self._judge(tree, seen[1])
        self._seen = seen

    async def _settle(self, world: World, tree: Tree | None) -> None:
        """Say in each namespace what may be used from it; nothing where nothing is governed."""
        names = {name for name, _ in _labels(world)}
        wanted = {name: _tenancy_of(world, tree, name) for name in names} if tree is not None else {}
        new = [name for name, found in wanted.items() if self._tenancies.get(name) != found]
        await self._each(new, lambda name: self._house(name, wanted[name]))
        await self._each([name for name in self._tenancies if name not in wanted], self._clear)

    async def _house(self, namespace: str, found: Json) -> None:
        try:
            await write_tenancy(self._connection, namespace, found)
        except (NotFoundError, PermanentError) as error:
            _log.debug("a namespace takes nothing any more", namespace=namespace, error=str(error))
        self._tenancies[namespace] = found

    async def _clear(self, namespace: str) -> None:
        await drop_tenancy(self._connection, namespace)
        self._tenancies.pop(namespace, None)

    async def _judge(self, tree: Tree | None, names: frozenset[str]) -> None:
        """Say on every team whether it is right, where that is news."""
        faults = {fault.team: fault.sentence for fault in tree.faults} if tree else {}
        said = {name: verdict(faults.get(name, "")) for name in sorted(names)}
        news = [name for name, condition in said.items() if self._verdicts.get(name) != condition]
        self._verdicts = {name: condition for name, condition in self._verdicts.items() if name in names}
        await self._each(news, lambda name: self._say(name, said[name]))

    async def _say(self, team: str, condition: Json) -> None:
        try:
            await write_verdict(self._connection, team, condition, self._loop.clocks.stamp())
        except NotFoundError:
            return
        self._verdicts[team] = condition
        if condition["message"]:
            _log.warning("a team is left out", team=team, problem=condition["message"])

    async def _each(self, names: Iterable[str], write: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Several writes at the same time; the first error, when all have ended."""

        async def one(name: str) -> None:
            async with self._slots:
                await write(name)

        answers = await asyncio.gather(*map(one, names), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer


def _labels(world: World) -> Iterable[tuple[str, str]]:
    """Every namespace that is looked at, with the team on its label."""
    return ((found.name, found.team) for found in world.all(Namespace) if found.name not in LEFT_ALONE)


def _tenancy_of(world: World, tree: Tree, namespace: str) -> Json:
    return tenancy(tree, world.home_of(namespace))
