"""A connection that goes wrong: a proxy on loopback between a spoke and the real API server.

It refuses writes, loses the answers of writes that were carried out, delays, breaks watches off, answers them with 410
Gone, and repeats old events of a watch.
"""

import asyncio
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from farthing.kube.credentials import load_credentials
from tests.clusters import Cluster


@dataclass(frozen=True)
class Faults:
    """How often, from 0 to 1, each thing happens: to a write, to an answer, to an event of a watch, to a watch."""

    refuse: float = 0.0
    statuses: tuple[int, ...] = ()
    lose_answer: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 0.0
    cut_watch: float = 0.0
    expire_watch: float = 0.0
    repeat: float = 0.0


class FaultyServer:
    """Serves what the real API server answers, with faults. `injected` counts them."""

    def __init__(self, cluster: Cluster, faults: Faults) -> None:
        self._credentials = load_credentials(cluster.kubeconfig)
        self._faults = faults
        self._random = random.Random(7)
        self.injected = 0
        self.address = ""

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._credentials.ssl or False)
        self._session = aiohttp.ClientSession(self._credentials.server, connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def _happens(self, chance: float) -> bool:
        happens = self._random.random() < chance
        self.injected += happens
        return happens

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        faults, writes = self._faults, request.method != "GET" and "leases" not in request.path
        if self._happens(faults.delay):
            await asyncio.sleep(faults.delay_seconds)
        if writes and self._happens(faults.refuse):
            status = self._random.choice(faults.statuses)
            body = {"kind": "Status", "code": status, "message": f"injected {status}", "reason": "Injected"}
            return web.json_response(body, status=status, headers={"Retry-After": "1"} if status == 429 else {})
        async with self._forward(request, await request.read()) as answer:
            content = await answer.read()
            if writes and self._happens(faults.lose_answer):
                transport = request.transport
                if transport is not None:
                    transport.close()
            kind = answer.headers.get("Content-Type", "application/json")
            return web.Response(body=content, status=answer.status, headers={"Content-Type": kind})

    def _forward(self, request: web.Request, body: bytes | None) -> "aiohttp.client._RequestContextManager":
        passed = ("Authorization", "Content-Type", "Accept", "User-Agent")
        headers = {name: request.headers[name] for name in passed if name in request.headers}
        timeout = aiohttp.ClientTimeout(total=None)
        return self._session.request(request.method, request.path_qs, data=body, headers=headers, timeout=timeout)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        faults = self._faults
        if self._happens(faults.expire_watch):
            return web.json_response({"kind": "Status", "code": 410, "message": "injected: too old"}, status=410)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        old: list[bytes] = []
        async with self._forward(request, None) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    await response.write(line + b"\n")
                    old.append(line)
                    if self._happens(faults.repeat):
                        await response.write(self._random.choice(old[-50:]) + b"\n")
                    if self._happens(faults.cut_watch):
                        return response
        return response
