"""Putting a node driver together and keeping it running: sockets, inventory, slices, sweeping.

Ending it undoes nothing: what is prepared stays prepared, and the next driver goes on from the records.
"""

import asyncio
import contextlib
import datetime as dt
import gc
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import start_http_server

from farthing.kube.connection import Connection
from farthing.kube.events import Events
from farthing.kube.resources import claim_path
from farthing.model.cluster import OWN_DRIVER, Key
from farthing.model.errors import FarthingError, PermanentError
from farthing.node.cdi import Cdi
from farthing.node.checkpoint import Checkpoint, Record
from farthing.node.claims import ClaimWatch
from farthing.node.devices import Inventory, Vendor
from farthing.node.hands import Hands
from farthing.node.health import HealthBoard, Sight
from farthing.node.memory_limits import LOOK_SECONDS, MemoryLimits
from farthing.node.metrics import NodeMetrics
from farthing.node.plugins import PluginWatch, marked
from farthing.node.prepare import Preparer
from farthing.node.publish import Publisher
from farthing.node.report import device_status, report
from farthing.node.server import Service
from farthing.node.share import ClaimName
from farthing.node.sockets import Sockets
from farthing.node.telling import tell_changes, warn_of_plugins
from farthing.node.use import uses

_log = structlog.get_logger(__name__)

_GIVE_WAY_SECONDS: Final = 0.05
_FIRST_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 5.0
_PROC: Final = Path("/proc")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Settings:
    """How a driver runs. `look_seconds` between looks at the devices, `sweep_seconds` between searches for leftovers.

    `metrics_port` 0 means no metrics server.
    """

    node: str
    kubelet: Path
    cdi: Path
    instance: str = ""
    kubeconfig: Path | None = None
    context: str = ""
    look_seconds: float = 15.0
    sweep_seconds: float = 300.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    dcgm_names: bool = False


def stamp() -> str:
    """Now, as Kubernetes writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fine_stamp() -> str:
    """The same as events have it, to the microsecond."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def run(settings: Settings, vendor: Vendor, limits: MemoryLimits | None = None) -> None:
    """Be the node driver until told to stop (SIGTERM, SIGINT). Without `limits`, nothing is limited by cgroup."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(Connection.from_kubeconfig(settings.kubeconfig, settings.context))
        driver = Driver(settings, vendor, connection, limits)
        if settings.metrics_port:
            start_http_server(settings.metrics_port, settings.metrics_host, registry=driver.metrics.registry)
        await driver.meet()
        await driver.look()
        await driver.service.start()
        stack.push_async_callback(driver.service.stop)
        gc.freeze()  # what is loaded stays: no collection looks through it in the middle of a burst
        works = [driver.publisher.run(), driver.claims.run(), driver.plugins.run()]
        works += [driver.keep_limiting()] if limits else []
        await _until(stop, [*works, driver.keep_looking(), driver.keep_sweeping(), driver.keep_reporting()])
        await driver.finish()


async def _until(stop: asyncio.Event, works: list[Any]) -> None:
    """Work until told to stop; an error of one ends all."""
    tasks = [asyncio.create_task(work) for work in works]
    ending = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, ending):
        task.cancel()
    await asyncio.gather(*tasks, ending, return_exceptions=True)
    for task in done - {ending}:
        task.result()


class Driver:
    """The parts of one driver and what they do for each other."""

    def __init__(
        self, settings: Settings, vendor: Vendor, connection: Connection, limits: MemoryLimits | None = None
    ) -> None:
        sockets = Sockets(settings.kubelet, OWN_DRIVER, settings.instance)
        boot = _BOOT.read_text(encoding="utf-8").strip()
        self._settings = settings
        self._vendor = vendor
        self._limits = limits
        self._connection = connection
        self._start = stamp()
        self._seen = Inventory()
        self._events = Events(connection, settings.node, _fine_stamp, program="node")
        self._reports: asyncio.Queue[tuple[Record, str]] = asyncio.Queue()
        self.metrics = NodeMetrics(dcgm=settings.dcgm_names, node=settings.node)
        self.publisher = Publisher(connection, settings.node, OWN_DRIVER)
        self.plugins = PluginWatch(connection, settings.node, stamp, self._plugins_changed)
        self.health = HealthBoard()
        self.hands = Hands(vendor, Checkpoint(sockets.folder / "claims", boot), Cdi(settings.cdi))
        self.claims = ClaimWatch(connection, settings.node, time.monotonic)
        self.preparer = Preparer(
            hands=self.hands,
            fetch=self._fetch,
            driver=OWN_DRIVER,
            pool=settings.node,
            lock=sockets.folder / "serialize.lock",
            known=self.claims.get,
        )
        self.service = Service(
            self.preparer, self.health, sockets, self._registered, self._prepared, self._timer, time.monotonic
        )

    async def meet(self) -> None:
        """See who else gives this node's devices away, before the first look, as far as somebody says so soon."""
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                await self.plugins.read()
        except (FarthingError, TimeoutError) as error:
            _log.warning("this node cannot be read yet; nothing new is prepared until it is", error=str(error))

    async def look(self) -> None:
        """See what is here, and tell everybody. Where the library does not answer, what was seen last is broken."""
        try:
            inventory = await asyncio.to_thread(self._vendor.look)
        except FarthingError as error:
            self.metrics.blind.inc()
            _log.error("cannot look at the devices", error=str(error))
            if not self._seen.devices:
                raise
            return
        self._seen = inventory
        self._offer()
        await self.health.post(Sight(inventory, time.time()))
        await self._sample(inventory)

    def _offer(self) -> None:
        """Show what is here, with taints on what device plugins give away."""
        inventory = marked(self._seen, self.plugins.offers, self._start)
        if inventory != self.hands.inventory:
            tell_changes(self.hands.inventory, inventory)
        self.hands.inventory = inventory
        self.publisher.show(inventory)
        self.metrics.count(inventory)

    async def _plugins_changed(self) -> None:
        if self._seen.devices:
            self._offer()
        await warn_of_plugins(self._events, self._settings.node, self.plugins.offers or {})

    async def _sample(self, inventory: Inventory) -> None:
        """Who uses how much; what cannot be read is left out until the next look."""
        shares = [share for record in self.hands.checkpoint for share in record.shares if not share.admin]
        try:
            samples = await asyncio.to_thread(self._vendor.used)
        except FarthingError as error:
            self.metrics.blind.inc()
            _log.warning("cannot read the use of the devices", error=str(error))
            return
        self.metrics.use.uses = uses(samples, shares, inventory, _PROC)

    async def keep_looking(self) -> None:
        """Look now and then. Raises PermanentError where somebody removed a socket: kubelet finds only new ones."""
        while True:
            await asyncio.sleep(self._settings.look_seconds)
            if not self.service.sockets.there:
                raise PermanentError("somebody removed this driver's sockets; it ends, so that the next one is found")
            await self.look()

    async def keep_sweeping(self) -> None:
        """Search for what nothing holds any more: at once, since we may have been away, then now and then."""
        while True:
            try:
                gone = await self.preparer.sweep()
                self.metrics.swept.inc(len(gone))
                for name in gone:
                    _log.warning("undone, since nothing held it any more", claim=str(name))
            except FarthingError as error:
                _log.warning("sweeping interrupted", error=str(error))
            self.metrics.claims.set(len(self.hands.checkpoint))
            await asyncio.sleep(self._settings.sweep_seconds)

    async def keep_limiting(self) -> None:
        """Limit the containers of `hard` shares as soon as they are there, and say on the claim when that changes."""
        while limits := self._limits:
            records = {record.claim.uid: record for record in self.hands.checkpoint if record.state == "prepared"}
            changed = await asyncio.to_thread(limits.enforce, records.values(), self.hands.inventory)
            for uid in changed:
                self._prepared(records[uid])
            await asyncio.sleep(LOOK_SECONDS)

    async def finish(self) -> None:
        """Write the last reports, as far as there is time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while not self._reports.empty():
                    await self._report(*self._reports.get_nowait())

    async def _fetch(self, name: ClaimName) -> dict[str, Any]:
        return await self._connection.get(claim_path(Key(name.namespace, name.name)))

    def _registered(self, taken: bool, error: str) -> None:
        self.metrics.registered.set(int(taken))
        if taken:
            _log.info("kubelet has taken the driver")
            self.publisher.look_again()
        else:
            _log.error("kubelet has not taken the driver", error=error)

    def _prepared(self, record: Record) -> None:
        """Have the claim's status written, without letting the container wait for it."""
        self._reports.put_nowait((record, stamp()))

    async def keep_reporting(self) -> None:
        """One claim after another, and none while kubelet waits for us: containers go before reports."""
        while True:
            record, at = await self._reports.get()
            while self.service.busy:  # noqa: ASYNC110 -- a number, not an event
                await asyncio.sleep(_GIVE_WAY_SECONDS)
            await self._report(record, at)

    async def _report(self, record: Record, at: str) -> None:
        walled = record.claim.uid in self._limits.inside if self._limits else None
        node, inventory = self._settings.node, self.hands.inventory
        devices = device_status(record, OWN_DRIVER, node, inventory, at, walled=walled)
        await report(self._connection, record, devices)

    def _timer(self, call: str, outcome: str, seconds: float) -> None:
        self.metrics.calls.labels(call, outcome).observe(seconds)
        self.metrics.claims.set(len(self.hands.checkpoint))
