"""What the node has, as seen last, for whoever wants to follow it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from farthing.node.devices import Inventory


@dataclass(frozen=True)
class Sight:
    """One look at the devices, at a second of the wall clock."""

    inventory: Inventory
    at: float


@dataclass
class HealthBoard:
    """The last sight. Followers get it at once, then every newer one."""

    sight: Sight = field(default_factory=lambda: Sight(Inventory(), 0.0))
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def post(self, sight: Sight) -> None:
        async with self._news:
            self.sight = sight
            self._news.notify_all()

    async def follow(self) -> AsyncIterator[Sight]:
        while True:
            shown = self.sight
            if shown.at:
                yield shown
            async with self._news:
                if self.sight is shown:
                    await self._news.wait()
