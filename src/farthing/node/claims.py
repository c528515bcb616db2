"""What this node's claims were given, known before kubelet asks, so that a burst of pods costs no request.

Kubernetes selects no claims by node, so the watch is of all; those of other nodes are dropped as they come. It starts
at now: what was allocated before, and what a silent watch may have missed, is asked for one by one.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from farthing.kube.connection import Connection, Json
from farthing.kube.resources import CLAIMS
from farthing.kube.watch import EventMeta, read_event
from farthing.model.errors import ExpiredError, FarthingError
from farthing.node.share import ClaimName

_log = structlog.get_logger(__name__)

TRUST_SECONDS: Final = 90.0
"""The API server speaks up about once a minute. A watch that is silent for longer is not believed."""

_AGAIN_SECONDS: Final = 5.0


class _Claim(msgspec.Struct, gc=False):
    """What is kept of a claim."""

    metadata: EventMeta
    status: Json | None = None


_claim = msgspec.json.Decoder(_Claim).decode


class ClaimWatch:
    """The allocated claims of one node, as far as they were seen. `steady` is a clock that never goes back."""

    def __init__(self, connection: Connection, node: str, steady: Callable[[], float]) -> None:
        self._connection = connection
        self._mark = msgspec.json.encode({"pool": node})[1:-1]
        self._steady = steady
        self._known: dict[str, _Claim] = {}
        self._heard = float("-inf")

    def get(self, name: ClaimName) -> Json | None:
        """The claim with its allocation, None where it has to be asked for."""
        found = self._known.get(name.uid)
        if found is None or self._steady() - self._heard > TRUST_SECONDS:
            return None
        meta = found.metadata
        shown = {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
        return {"metadata": shown, "status": found.status}

    def __len__(self) -> int:
        return len(self._known)

    async def run(self) -> None:
        """Follow the claims until cancelled. Without the right to, nothing is known and everything asked for."""
        version = ""
        while True:
            try:
                version = version or await self._now()
                async for line in self._connection.watch(CLAIMS.path, version):
                    version = self.take(line) or version
                continue
            except ExpiredError:
                version = ""
                self._known.clear()
            except FarthingError as error:
                _log.warning("watch of claims interrupted; they are asked for one by one", error=str(error))
            self._heard = float("-inf")
            await asyncio.sleep(_AGAIN_SECONDS)

    def take(self, line: bytes) -> str:
        """Believe one line of the watch; the version that it is of."""
        event, meta = read_event(line)
        self._heard = self._steady()
        if event.type != "DELETED" and self._mark in bytes(event.object):
            self._known[meta.uid] = _claim(event.object)
        else:
            self._known.pop(meta.uid, None)
        return meta.resource_version

    async def _now(self) -> str:
        page = await self._connection.get(CLAIMS.path, {"limit": "1"})
        return str(page["metadata"]["resourceVersion"])
