"""Reading pages of metrics, as Prometheus does: of node drivers what shares use, of servers of models what they did.

A pod says where its page is by the annotations prometheus.io/scrape, port and path. Of the use of shares only pods in
Farthing's own namespace are believed, of tokens each pod that holds a share, for itself. Pages are plain GETs without
any credentials, bounded in size and time, and never follow redirects.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import aiohttp
import structlog
from prometheus_client.parser import text_string_to_metric_families

from farthing.ledger.use import OF_SERVERS, OF_SHARES, Owner, Sample, UseMeter
from farthing.model.cluster import Claim, Pod
from farthing.spoke.metrics import Metrics
from farthing.state.residents import residents
from farthing.state.world import World

_log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 30.0
PAGE_SECONDS: Final = 3.0
LARGEST_PAGE: Final = 8 << 20
AT_ONCE: Final = 32

_WANTED: Final = tuple(name.encode() for name in (*OF_SHARES, *OF_SERVERS))


class Scraper:
    """Reads all pages of one cluster now and then, and tells the meter of use."""

    def __init__(self, use: UseMeter, metrics: Metrics, namespace: str, now: Callable[[], float]) -> None:
        self._use = use
        self._metrics = metrics
        self._namespace = namespace
        self._now = now
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, world: World) -> None:
        """Read until cancelled."""
        patience = aiohttp.ClientTimeout(total=PAGE_SECONDS)
        async with aiohttp.ClientSession(timeout=patience, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                await self.once(world, session)
                await asyncio.sleep(EVERY_SECONDS)

    async def once(self, world: World, session: aiohttp.ClientSession) -> None:
        """Read every page once."""
        nodes = [pod for pod in world.all(Pod) if pod.metrics and pod.key.namespace == self._namespace]
        servers = [(one.pod, one.team) for one in residents(world) if one.pod.metrics]
        self._use.forget(pod.uid for pod in (*nodes, *(pod for pod, _ in servers)))
        owners = dict(_owners(world)) if nodes else {}
        pages = await asyncio.gather(*(self._page(session, pod) for pod in (*nodes, *(pod for pod, _ in servers))))
        at = self._now()
        for pod, samples in zip(nodes, pages, strict=False):
            self._use.shares(pod.uid, samples, owners, at)
        for (pod, team), samples in zip(servers, pages[len(nodes) :], strict=True):
            self._use.server(pod.uid, samples, _owner(pod, team), at)

    async def _page(self, session: aiohttp.ClientSession, pod: Pod) -> tuple[Sample, ...]:
        """What a page says that we want to know; nothing where it cannot be read."""
        try:
            async with self._slots, session.get(pod.metrics, allow_redirects=False) as answer:
                page = await answer.content.read(LARGEST_PAGE) if answer.status == 200 else b""
            return await asyncio.to_thread(samples_of, page)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._metrics.unread_pages.inc()
            _log.debug("page of metrics not read", pod=str(pod.key), url=pod.metrics, error=str(error))
            return ()


def samples_of(page: bytes) -> tuple[Sample, ...]:
    """The samples of a page that we want to know of; ValueError where one of them cannot be read."""
    lines = b"\n".join(line for line in page.split(b"\n") if line.startswith(_WANTED))
    text = lines.decode("utf-8", "replace") + "\n"
    return tuple(
        Sample(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in OF_SHARES or sample.name in OF_SERVERS
    )


def _owners(world: World) -> Iterator[tuple[tuple[str, str], Owner]]:
    """Whose each claim is that a pod holds, by namespace and name."""
    for one in residents(world):
        for claim in one.claims:
            yield (claim.key.namespace, claim.key.name), _owner(one.pod, _team(claim, one.team))


def _team(claim: Claim, team: str) -> str:
    return claim.allocation.team if claim.allocation and claim.allocation.team else team


def _owner(pod: Pod, team: str) -> Owner:
    return Owner(team, pod.key.namespace, pod.owners[-1] if pod.owners else f"Pod/{pod.key.name}")
