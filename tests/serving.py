"""The cost server for tests: the real one, on a port that the system chooses."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from farthing.server.access import EVERY, Caller
from farthing.server.app import cost_app
from farthing.server.context import Context


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Any
    body: Any


class Known:
    """People by their tokens, and the teams that each may see."""

    def __init__(self, **teams: set[str]) -> None:
        self._teams = teams
        self.asked = 0

    async def caller(self, token: str) -> Caller | None:
        return Caller(token) if token in self._teams else None

    async def may_see(self, caller: Caller, team: str) -> bool:
        self.asked += 1
        return team in self._teams[caller.name] or EVERY in self._teams[caller.name]


@contextmanager
def serving(context: Context) -> Iterator[Callable[..., Answered]]:
    """A server; yields a way to ask it."""
    server = uvicorn.Server(uvicorn.Config(cost_app(context), port=0, access_log=False, log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield lambda path, token="": ask(f"http://127.0.0.1:{port}{path}", token)
    finally:
        server.should_exit = True
        thread.join()


def ask(url: str, token: str = "") -> Answered:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 -- our own
    try:
        with urllib.request.urlopen(request, timeout=30) as found:  # noqa: S310 -- our own
            return Answered(found.status, found.headers, json.load(found))
    except urllib.error.HTTPError as error:
        with error:
            return Answered(error.code, error.headers, json.load(error))
