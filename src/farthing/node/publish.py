"""Telling the cluster what this node has, and telling it again when somebody takes it away.

Kubelet deletes a node's slices when it starts, and when its driver has been away for long. A change is a new
generation of the pool; slices are written at most once in `PAUSE_SECONDS`, however often devices change.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from farthing.kube.connection import Connection
from farthing.kube.resources import SLICES, slice_path
from farthing.model.errors import ConflictError, ExpiredError, FarthingError, NotFoundError
from farthing.node.devices import Inventory
from farthing.node.slices import same, slices_of

_log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 5.0

Json = dict[str, Any]


@dataclass
class Publisher:
    """Keeps the slices of one node's pool. `show` says what they shall be; `run` works until it is cancelled."""

    connection: Connection
    node: str
    driver: str
    _inventory: Inventory | None = None
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _owner: Json | None = None
    _generation: int = 0

    def show(self, inventory: Inventory) -> None:
        if inventory != self._inventory:
            self._inventory = inventory
            self._dirty.set()

    def look_again(self) -> None:
        """Compare again, though nothing changed here: kubelet was started."""
        self._dirty.set()

    async def run(self) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                await self._dirty.wait()
                self._dirty.clear()
                try:
                    await self.publish()
                except FarthingError as error:
                    _log.warning("slices not published; trying again", error=str(error))
                    self._dirty.set()
                    await asyncio.sleep(_AGAIN_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def publish(self) -> None:
        """Make the slices what they shall be. Raises FarthingError where that did not work out."""
        if self._inventory is None:
            return
        there, _ = await self.connection.list_all(SLICES.path, self._mine)
        wanted = slices_of(self._inventory, self.node, self.driver, await self._node())
        if same(there, wanted):
            return
        generation = 1 + max((found["spec"]["pool"]["generation"] for found in there), default=self._generation)
        versions = {found["metadata"]["name"]: found["metadata"]["resourceVersion"] for found in there}
        for one in wanted:
            one["spec"]["pool"] = {**one["spec"]["pool"], "generation": generation}
            version = versions.pop(one["metadata"]["name"], None)
            await self._write(one, version)
        self._generation = generation
        for stale in versions:
            await self._drop(stale)
        _log.info("slices published", generation=generation, slices=len(wanted), devices=len(self._inventory.devices))

    async def _write(self, one: Json, version: str | None) -> None:
        if version is None:
            await self.connection.create(SLICES.path, one)
            return
        one["metadata"]["resourceVersion"] = version
        await self.connection.replace(slice_path(one["metadata"]["name"]), one)

    async def _drop(self, name: str) -> None:
        try:
            await self.connection.delete(slice_path(name))
        except NotFoundError:
            _log.debug("slice is gone already", slice=name)

    @property
    def _mine(self) -> dict[str, str]:
        return {"fieldSelector": f"spec.nodeName={self.node},spec.driver={self.driver}"}

    async def _node(self) -> Json:
        """The node as owner: when it goes, its slices go."""
        if self._owner is None:
            meta = (await self.connection.get(f"/api/v1/nodes/{self.node}"))["metadata"]
            self._owner = {"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": meta["uid"]}
        return self._owner

    async def _watch(self) -> None:
        """Whatever happens to our slices is a reason to compare."""
        while True:
            try:
                _, version = await self.connection.list_all(SLICES.path, self._mine)
                self._dirty.set()
                async for line in self.connection.watch(SLICES.path, version, self._mine):
                    if json.loads(line)["type"] in ("DELETED", "ERROR"):
                        self._dirty.set()
                        self._owner = None
            except (ExpiredError, ConflictError):
                continue
            except FarthingError as error:
                _log.warning("watch of slices interrupted", error=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
