"""What one client may take: how often it asks, how long a question is; and a line in the log for each."""

import time
from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from typing import Final

import structlog
from cachetools import LRUCache
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farthing.server.problems import RefusedError, problem

_log = structlog.get_logger(__name__)

LONGEST_QUERY: Final = 8192
MOST_CLIENTS: Final = 10_000


class Rate:
    """So many requests a second for each client, `burst` of them at once (a token bucket)."""

    def __init__(self, per_second: float, burst: int, steady: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._steady = steady
        self._left: LRUCache[str, tuple[float, float]] = LRUCache(MOST_CLIENTS)

    def take(self, client: str) -> None:
        """Count one request; RefusedError says when the next may come."""
        now = self._steady()
        left, at = self._left.get(client, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            seconds = str(ceil((1 - left) / self._per_second))
            message = f"too many requests; wait {seconds} s"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, message, {"Retry-After": seconds})


class Front:
    """Around the app: refuses what is too long, sets headers, logs what was asked, never a header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
            await send(message)

        if len(scope["query_string"]) > LONGEST_QUERY:
            too_long = problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"the query is longer than {LONGEST_QUERY} bytes")
            await too_long(scope, receive, send_and_note)
        else:
            await self._app(scope, receive, send_and_note)
        taken = round((time.perf_counter() - began) * 1000)
        who = scope.get("state", {}).get("caller", "")
        _log.info(
            "asked",
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            status=status,
            ms=taken,
            caller=who,
        )
