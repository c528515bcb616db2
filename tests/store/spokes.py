"""A spoke's metering without the spoke: a world, its news, and a clock that is moved by hand."""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from farthing.ledger.interval import DAY
from farthing.spoke.metering import Metering
from farthing.spoke.metrics import Metrics
from farthing.spoke.settings import LedgerSettings
from farthing.store.ledger import Ledger
from tests.builders import allocated, asking, node, slice_of, world
from tests.store.sums import by_kind

START = 100 * DAY


async def until(true):
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 -- what is waited for happens in threads
            await asyncio.sleep(0.01)


class Clock:
    """The spoke's clock, moved by hand."""

    def __init__(self):
        self.at = float(START)

    def __call__(self):
        return self.at


class Spoke:
    """A world whose news the metering is told, as the loop tells it."""

    def __init__(self, url, folder: Path):
        self.clock = Clock()
        self.settings = LedgerSettings(url, folder, "c")
        pod, claim = asking()
        self.held = allocated(claim, pod)
        self.world = world(node(), slice_of(), (pod, claim), self.held)
        self.metrics = Metrics()

    @asynccontextmanager
    async def metering(self):
        work = Metering(self.settings, self.metrics, self.clock)
        task = asyncio.create_task(work.run(self.world, caught_up=lambda: True))
        await until(lambda: work.meter.now or task.done())
        try:
            yield work
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def fold(self, work, news):
        self.world.fold(news, self.clock())
        work.note(self.world, news, self.clock())


def kinds(spoke):
    ledger = Ledger.open(spoke.settings.url)
    ledger.settle()
    found = by_kind(ledger)
    ledger.close()
    return found
