"""A connection to one API server: requests in, JSON out, foreign errors turned into ours at the door.

Nothing is retried here but an expired login: whoever asked knows whether asking again still makes sense.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import msgspec

from farthing.kube.credentials import Credentials, load_credentials
from farthing.kube.reading import reader
from farthing.model.errors import (
    ConflictError,
    ExistsError,
    ExpiredError,
    FarthingError,
    InvalidError,
    NotFoundError,
    PermanentError,
    TransientError,
    UnansweredError,
)

Json = dict[str, Any]
PatchKind = Literal["merge-patch", "json-patch", "strategic-merge-patch", "apply-patch"]

PAGE = 500
"""Objects in one page of a list; the API server keeps the version stable over the pages."""

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
WATCH_SECONDS = 290
SILENCE_SECONDS = 320.0
"""A watch that says nothing for longer than the server would let it run is dead. A peer that vanished is noticed much
earlier, by TCP keepalive."""

_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Only where one is set does aiohttp look for a proxy: it would ask a thread for every single request."""

_encode = msgspec.json.Encoder().encode
_decode = reader()


class Connection:
    """Talks to one API server as one user. Use as an async context manager, or call `close`."""

    def __init__(self, credentials: Credentials, *, most_at_once: int = 64) -> None:
        self.credentials = credentials
        self.server = credentials.server
        self._bearer: str | None = None
        self._session = aiohttp.ClientSession(
            base_url=credentials.server,
            connector=aiohttp.TCPConnector(
                ssl=credentials.ssl or False, limit=most_at_once, keepalive_timeout=120, socket_factory=_kept_alive
            ),
            headers={"User-Agent": "farthing", "Accept": "application/json"},
            trust_env=any(os.environ.get(name) for name in _PROXY_VARIABLES),
        )

    @classmethod
    def from_kubeconfig(cls, kubeconfig: Path | None = None, context: str = "") -> Self:
        """A connection by kubeconfig; see `load_credentials`. Must be called inside a running event loop."""
        return cls(load_credentials(kubeconfig, context))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    # Requests -----------------------------------------------------------------------------------------------------

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        return self._json(await self.request("GET", path, params=params))

    async def create(self, path: str, body: Json | bytes, params: Mapping[str, str] | None = None) -> Json:
        return self._json(await self.request("POST", path, body, params=params))

    async def replace(self, path: str, body: Json | bytes, params: Mapping[str, str] | None = None) -> Json:
        return self._json(await self.request("PUT", path, body, params=params))

    async def patch(
        self,
        path: str,
        body: Json | list[Json] | bytes,
        kind: PatchKind = "merge-patch",
        params: Mapping[str, str] | None = None,
    ) -> Json:
        """`apply-patch` is server-side apply: give `params={"fieldManager": ..., "force": "true"}`."""
        form = "yaml" if kind == "apply-patch" else "json"
        return self._json(await self.request("PATCH", path, body, f"application/{kind}+{form}", params))

    async def delete(self, path: str, body: Json | None = None) -> Json:
        return self._json(await self.request("DELETE", path, body))

    async def list_all(self, path: str, params: Mapping[str, str] | None = None) -> tuple[list[Json], str]:
        """All objects under a path, page by page, and the resourceVersion that they are of."""
        items: list[Json] = []
        async for page in self.pages(path, params):
            content = _decode(page)
            items += content["items"]
        return items, content["metadata"]["resourceVersion"]

    async def pages(self, path: str, params: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        """The raw pages of a list, for whoever decodes them into something slimmer than dicts."""
        following = ""
        while True:
            asked = {**(params or {}), "limit": str(PAGE), **({"continue": following} if following else {})}
            page = await self.request("GET", path, params=asked)
            yield page
            following = _decode_page(page).metadata.following
            if not following:
                return

    async def request(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | bytes | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        *,
        seconds: float = REQUEST_SECONDS,
    ) -> bytes:
        """One request; the raw answer, within so many seconds. Raises what `errors.py` draws."""
        patience = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, CONNECT_SECONDS))
        data = body if body is None or isinstance(body, bytes) else _encoded(body)
        for attempt in range(2):
            headers = await self._headers(renew=attempt > 0)
            headers["Content-Type"] = content_type
            try:
                async with self._session.request(
                    method, path, data=data, headers=headers, params=params, timeout=patience
                ) as answer:
                    content = await answer.read()
                    if answer.status < 400:
                        return content
                    if answer.status == 401 and attempt == 0 and self.credentials.exec:
                        continue
                    raise _error(answer.status, content, f"{method} {path}", answer.headers.get("Retry-After"))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._unreachable(error) from error
        raise AssertionError("the second attempt returns or raises")

    async def watch(self, path: str, version: str, params: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        """The raw lines of a watch from `version` on, until the server ends it. The reader must not dawdle."""
        asked = {
            **(params or {}),
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        patience = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        try:
            async with self._session.get(path, params=asked, headers=await self._headers(), timeout=patience) as answer:
                if answer.status >= 400:
                    raise _error(answer.status, await answer.read(), f"watch {path}", answer.headers.get("Retry-After"))
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def _headers(self, *, renew: bool = False) -> dict[str, str]:
        if self._bearer is None or renew or self.credentials.token_file is not None:
            self._bearer = await self.credentials.bearer(renew=renew)
        return {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}

    def _unreachable(self, error: BaseException) -> UnansweredError:
        said = str(error) or type(error).__name__
        return UnansweredError(f"the API server at {self.server} cannot be reached: {said}; is the cluster running?")

    @staticmethod
    def _json(content: bytes) -> Json:
        found: Json = _decode(content)
        return found


def _encoded(body: Json | list[Json]) -> bytes:
    """The body as JSON. Raises InvalidError where it is too deep, such as by what somebody else wrote into it."""
    try:
        return _encode(body)
    except RecursionError as error:
        raise InvalidError("", "the object is too deep to be written") from error


def _kept_alive(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within a minute that nobody is at the other end any more."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


class _ListMeta(msgspec.Struct):
    following: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMeta


_decode_page = reader(_Page)


class _Status(msgspec.Struct):
    """The part of Kubernetes' Status that we use."""

    message: str = ""
    reason: str = ""


def _error(status: int, content: bytes, what: str, retry_after: str | None) -> FarthingError:
    """Our error for the API server's answer."""
    try:
        said = msgspec.json.decode(content, type=_Status)
    except msgspec.DecodeError:
        said = _Status(message=content[:200].decode(errors="replace"))
    message = said.message or f"{what} was answered with status {status}"
    match status:
        case 404:
            return NotFoundError(message)
        case 409:
            return ExistsError(message) if said.reason == "AlreadyExists" else ConflictError(message)
        case 410:
            return ExpiredError(message)
        case 400 | 422:
            return InvalidError("", message)
        case 429 | 500 | 502 | 503 | 504:
            wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
            return TransientError(message, wait)
        case _:
            return PermanentError(message)


async def sleep_after(error: TransientError, otherwise: float) -> None:
    """Wait as long as the server asked us to, or `otherwise` seconds."""
    await asyncio.sleep(otherwise if error.retry_after is None else error.retry_after)
