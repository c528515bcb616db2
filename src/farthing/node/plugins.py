"""A device plugin beside us: while kubelet has a vendor's GPUs from one, none of that vendor's are ours to give away.

Kubelet says on the node what plugins offer. The capacity counts as well as what is allocatable: it stays for five
minutes when a plugin goes, so that one which is only started anew, while pods use its GPUs, has not gone.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import structlog

from farthing.kube.connection import Connection
from farthing.kube.watch import EventMeta, read_event
from farthing.model.errors import FarthingError
from farthing.node.devices import Device, Inventory, Trouble

_log = structlog.get_logger(__name__)

TAKEN: Final = "device-plugin"
"""The name of the taint."""

_AGAIN_SECONDS: Final = 5.0
_NODES: Final = "/api/v1/nodes"
_RESOURCES: Final = {
    "nvidia": re.compile(r"nvidia\.com/(gpu|mig-).*"),
    "amd": re.compile(r"amd\.com/(gpu|[a-z]+_nps\d).*"),
}
"""What the vendors' plugins call their resources: whole GPUs, replicas (`gpu.shared`), partitions."""

_UNREAD: Final = "this node was not read yet, and a device plugin may have it"


@dataclass(frozen=True)
class Offer:
    """What the device plugin of one vendor offers on a node, and since when that was seen."""

    resources: tuple[str, ...]
    since: str

    @property
    def sentence(self) -> str:
        return f"a device plugin gives it away, too ({', '.join(self.resources)}); take it off this node"


Offers = Mapping[str, Offer]
"""By vendor, as devices name theirs."""


class _Status(msgspec.Struct):
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}


class _Node(msgspec.Struct):
    """What is kept of the node."""

    metadata: EventMeta
    status: _Status = msgspec.field(default_factory=_Status)


_node = msgspec.json.Decoder(_Node).decode


def resources_of(status: _Status) -> dict[str, tuple[str, ...]]:
    """By vendor, what plugins offer; a plugin that has gone for good leaves a zero."""
    amounts = [*status.capacity.items(), *status.allocatable.items()]
    names = sorted({name for name, amount in amounts if amount != "0"})
    found = {vendor: tuple(filter(shape.fullmatch, names)) for vendor, shape in _RESOURCES.items()}
    return {vendor: resources for vendor, resources in found.items() if resources}


def marked(inventory: Inventory, offers: Offers | None, start: str) -> Inventory:
    """The devices, with taints on what plugins have; on all from the start on while nobody read the node (None)."""
    return replace(inventory, devices=tuple(_marked(device, offers, start) for device in inventory.devices))


def _marked(device: Device, offers: Offers | None, start: str) -> Device:
    vendor = str(device.attributes.get("vendor", ""))
    if offers is None:
        mark = Trouble(TAKEN, "unknown", "NoSchedule", start, _UNREAD)
    elif offer := offers.get(vendor):
        mark = Trouble(TAKEN, vendor, "NoSchedule", offer.since, offer.sentence)
    else:
        return device
    return replace(device, troubles=(*device.troubles, mark))


@dataclass
class PluginWatch:
    """What plugins offer on one node; `offers` is None before the node was read. `changed` is told of every change.

    Where the API server is away, what was read last counts.
    """

    connection: Connection
    node: str
    stamp: Callable[[], str]
    changed: Callable[[], Awaitable[None]]
    offers: Offers | None = field(default=None, init=False)

    async def run(self) -> None:
        """Follow the node until cancelled."""
        mine = {"fieldSelector": f"metadata.name={self.node}"}
        while True:
            try:
                version = await self.read()
                async for line in self.connection.watch(_NODES, version, mine):
                    event, _ = read_event(line)
                    if event.type in ("ADDED", "MODIFIED"):
                        await self._take(_node(event.object))
                continue
            except FarthingError as error:
                _log.warning("watch of this node interrupted; it is read again", error=str(error))
            await asyncio.sleep(_AGAIN_SECONDS)

    async def read(self) -> str:
        """Read the node now; the version that was read."""
        node = _node(await self.connection.request("GET", f"{_NODES}/{self.node}"))
        await self._take(node)
        return node.metadata.resource_version

    async def _take(self, node: _Node) -> None:
        known = self.offers or {}
        offers = {
            vendor: known[vendor]
            if vendor in known and known[vendor].resources == resources
            else Offer(resources, self.stamp())
            for vendor, resources in resources_of(node.status).items()
        }
        if offers != self.offers:
            self.offers = offers
            await self.changed()
