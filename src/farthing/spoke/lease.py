"""Who of several spokes decides: the holder of a Lease.

The holder renews it all the time; whoever sees no renewal for `duration` seconds by its own steady clock takes over. A
holder that could not renew stops writing early enough that a write of its last moment has ended by then: `may_write`
turns False `safety` seconds before anybody else may take the lease, and a write takes less than that. Wall clocks are
written for people and never compared, so they may jump.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from farthing.kube.connection import Connection, Json
from farthing.model.errors import ConflictError, FarthingError, NotFoundError

_log = structlog.get_logger(__name__)

DURATION_SECONDS: Final = 15
SHORTEST_SECONDS: Final = 2
NAME: Final = "farthing-spoke"


class Lease:
    """One spoke's view of the lease.

    `steady` is a clock in seconds that never jumps, `stamp` the time as Kubernetes writes it, `duration` how many
    seconds of silence end a leadership.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        identity: str,
        *,
        steady: Callable[[], float],
        stamp: Callable[[], str],
        duration: int = DURATION_SECONDS,
    ) -> None:
        self.duration = max(duration, SHORTEST_SECONDS)
        self.safety = self.duration * 0.4
        self._connection = connection
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._identity = identity
        self._steady = steady
        self._stamp = stamp
        self._renewed = float("-inf")
        self._seen = ("", "")
        self._seen_at = float("-inf")
        self.held = asyncio.Event()

    def may_write(self) -> bool:
        """True while nobody else can have become the holder, nor will for as long as a write takes."""
        return self._steady() - self._renewed < self.duration - self.safety

    async def hold(self) -> None:
        """Try to get the lease and keep it, until cancelled."""
        while True:
            asked = self._steady()
            try:
                if await self._try():
                    self._renewed = asked
                    if not self.held.is_set():
                        _log.info("leading", identity=self._identity)
                    self.held.set()
            except ConflictError:
                _log.debug("lease was taken by another")
            except FarthingError as error:
                _log.warning("lease not renewed", error=str(error))
            if not self.may_write() and self.held.is_set():
                _log.warning("no longer leading", identity=self._identity)
                self.held.clear()
            await asyncio.sleep(self.duration / 8)

    async def give_up(self) -> None:
        """Let another take over at once, at a clean end."""
        if not self.may_write():
            return
        self._renewed = float("-inf")
        self.held.clear()
        lease = await self._ask("GET", f"{self._path}/{NAME}")
        if lease["spec"].get("holderIdentity") == self._identity:
            lease["spec"]["holderIdentity"] = ""
            await self._ask("PUT", f"{self._path}/{NAME}", lease)

    async def _try(self) -> bool:
        """One attempt; True when we hold it afterwards. The resourceVersion makes sure that only one can win."""
        try:
            lease = await self._ask("GET", f"{self._path}/{NAME}")
        except NotFoundError:
            await self._ask("POST", self._path, {"metadata": {"name": NAME}, "spec": self._spec({})})
            return True
        spec = lease["spec"]
        if spec.get("holderIdentity") not in (self._identity, "", None) and not self._expired(spec):
            return False
        lease["spec"] = self._spec(spec)
        await self._ask("PUT", f"{self._path}/{NAME}", lease)
        return True

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """A request that gives up soon: a late answer is of no use."""
        found: Json = msgspec.json.decode(await self._connection.request(method, path, body, seconds=self.safety / 2))
        return found

    def _expired(self, spec: Json) -> bool:
        """Whether the holder's last sign of life is too long ago, by when *we* saw it."""
        sign = (spec.get("holderIdentity", ""), spec.get("renewTime", ""))
        if sign != self._seen:
            self._seen, self._seen_at = sign, self._steady()
        return self._steady() - self._seen_at > float(spec.get("leaseDurationSeconds") or DURATION_SECONDS)

    def _spec(self, old: Json) -> Json:
        new = old.get("holderIdentity") != self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self.duration,
            "acquireTime": self._stamp() if new else old.get("acquireTime"),
            "renewTime": self._stamp(),
            "leaseTransitions": old.get("leaseTransitions", 0) + (1 if new else 0),
        }
