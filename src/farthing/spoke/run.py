"""Putting a spoke together and keeping it running: connection, watches, lease, loop, auditor, metrics.

A spoke that loses its leadership forgets everything and starts over, so that nothing it believed while it could not
see enters a decision.
"""

import asyncio
import contextlib
import datetime as dt
import gc
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import start_http_server

from farthing.kube.apply import Applier
from farthing.kube.budgets import write_standing
from farthing.kube.connection import Connection
from farthing.kube.events import Events
from farthing.kube.resources import METERED, WATCHED
from farthing.kube.watch import Inbox, follow
from farthing.model.errors import FarthingError
from farthing.spoke.audit import Auditor
from farthing.spoke.compiling import use_compiled
from farthing.spoke.governing import Governing
from farthing.spoke.lease import Lease
from farthing.spoke.loop import Loop
from farthing.spoke.metrics import Metrics
from farthing.spoke.remembering import Remembering
from farthing.spoke.scraping import Scraper
from farthing.spoke.settings import LedgerSettings, Settings
from farthing.state.world import World

if TYPE_CHECKING:
    from farthing.spoke.metering import Metering
    from farthing.spoke.treasury import Treasury

_log = structlog.get_logger(__name__)

COLLECTED_AFTER: Final = 10_000
"""So many more objects than went, before some are searched for cycles; hardly any form some. What is there for long
(modules, kernels, the world as it was listed) is frozen: looking through all of it stops a spoke for 0.2 s."""


class SystemClocks:
    """The machine's clocks. `now` is the wall clock of the start, carried on by the steady one, so it never jumps."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        return self._start + time.monotonic()

    def steady(self) -> float:
        return time.monotonic()

    def stamp(self) -> str:
        return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def second_stamp(self) -> str:
        """Without fractions, as conditions have it."""
        return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def run(settings: Settings) -> None:
    """Be a spoke until told to stop (SIGTERM, SIGINT)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.set_threshold(COLLECTED_AFTER)
    metrics = Metrics()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host, registry=metrics.registry)
    compiling = asyncio.create_task(use_compiled(metrics))
    try:
        while not stop.is_set():
            await _one_term(settings, metrics, stop)
    finally:
        await _end([compiling])


async def _one_term(settings: Settings, metrics: Metrics, stop: asyncio.Event) -> None:
    """From the first list to the loss of the leadership, or to the end."""
    clocks = SystemClocks()
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(Connection.from_kubeconfig(settings.kubeconfig, settings.context))
        lease = Lease(
            connection,
            settings.namespace,
            identity,
            steady=clocks.steady,
            stamp=clocks.stamp,
            duration=settings.lease_seconds,
        )
        loop = _assemble(connection, lease, metrics, clocks, identity, settings.half_life)
        besides = _besides(settings.ledger, settings.namespace, connection, loop, clocks) if settings.ledger else ()
        watched = (*WATCHED, *METERED) if settings.ledger else WATCHED
        listed = [asyncio.Event() for _ in watched]
        follows = (follow(connection, kind, loop.inbox, event) for kind, event in zip(watched, listed, strict=True))
        auditor = Auditor(connection, loop, loop.events, settings.audit_seconds)
        governing = Governing(connection, loop)
        remembering = Remembering(connection, loop, settings.half_life)
        tasks = [
            asyncio.create_task(work)
            for work in (*follows, lease.hold(), _lead(loop, lease, listed, remembering, (auditor, governing), besides))
        ]
        stack.push_async_callback(_end, tasks)
        ending = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        metrics.leading.set(0)
        gc.unfreeze()
        if stop.is_set():
            with contextlib.suppress(FarthingError):
                await lease.give_up()
        for task in done & set(tasks):
            task.result()


def _assemble(
    connection: Connection, lease: Lease, metrics: Metrics, clocks: SystemClocks, identity: str, half_life: float
) -> Loop:
    def complain(sentence: str) -> None:
        metrics.unreadable.inc()
        _log.warning("unreadable", problem=sentence)

    world = World(half_life)
    return Loop(
        world=world,
        inbox=Inbox(complain, world.knows),
        applier=Applier(connection, clocks.second_stamp, lease.may_write, lease.safety - 0.5, metrics.request_timer),
        events=Events(connection, identity, clocks.stamp),
        metrics=metrics,
        clocks=clocks,
        leading=lease.may_write,
    )


_Work = Callable[[], Coroutine[None, None, None]]


def _besides(
    ledger: LedgerSettings, namespace: str, connection: Connection, loop: Loop, clocks: SystemClocks
) -> tuple[_Work, ...]:
    """What a leader with a ledger does beside placing pods: it meters, scrapes, and looks after budgets."""
    from farthing.spoke.metering import Metering  # noqa: PLC0415 -- SQL takes most of a second to import
    from farthing.spoke.treasury import Treasury  # noqa: PLC0415 -- as above

    loop.meter = metering = Metering(ledger, loop.metrics, clocks.now)
    treasury = Treasury(ledger, loop.metrics, loop.events, partial(write_standing, connection), clocks.now)
    may_write = loop.leading
    loop.leading = lambda: may_write() and treasury.ready
    scraper = Scraper(metering.use, loop.metrics, namespace, clocks.now)
    return (
        lambda: _meter(metering, loop),
        lambda: _budget(treasury, loop),
        lambda: _scrape(scraper, loop),
    )


async def _lead(
    loop: Loop,
    lease: Lease,
    listed: list[asyncio.Event],
    remembering: Remembering,
    always: tuple[Auditor, Governing],
    besides: tuple[_Work, ...],
) -> None:
    """Listen until everything is listed and the lease is ours, then decide until it no longer is."""
    for event in listed:
        await event.wait()
    _log.info("everything is listed")
    await lease.held.wait()
    await remembering.recall()
    loop.metrics.leading.set(1)
    gc.freeze()
    runs = (loop.run(), remembering.run(), *(one.run() for one in always), *(begin() for begin in besides))
    work = [asyncio.create_task(one) for one in runs]
    try:
        while lease.held.is_set():
            done, _ = await asyncio.wait(work, timeout=lease.duration / 8)
            for task in done:
                task.result()
    finally:
        await _end(work)
        await loop.end()


async def _meter(metering: "Metering", loop: Loop) -> None:
    """Meter until cancelled. What goes wrong with it is said, and does not keep pods from being placed."""
    try:
        await metering.run(loop.world, caught_up=lambda: not len(loop.inbox))
    except Exception:  # noqa: BLE001 -- whatever it is, pods must be placed
        loop.metrics.unmetered.set(1)
        _log.exception("metering has stopped; pods are placed, and not billed until the spoke is started anew")
        await asyncio.Event().wait()


async def _scrape(scraper: Scraper, loop: Loop) -> None:
    """Read pages of metrics until cancelled. What goes wrong with it is said, and shares are billed all the same."""
    try:
        await scraper.run(loop.world)
    except Exception:  # noqa: BLE001 -- as above
        _log.exception("use is not measured until the spoke is started anew; shares are billed as before")
        await asyncio.Event().wait()


async def _budget(treasury: "Treasury", loop: Loop) -> None:
    """Keep budgets up to date until cancelled. What goes wrong is said, and does not keep pods from being placed."""
    try:
        await treasury.run(loop.world, caught_up=lambda: not len(loop.inbox), steady=loop.clocks.steady)
    except Exception:  # noqa: BLE001 -- whatever it is, pods must be placed
        treasury.ready = True
        loop.metrics.budgets_unknown.set(1)
        _log.exception(
            "budgets are no longer looked at; they count as they were last known until the spoke starts anew"
        )
        await asyncio.Event().wait()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
