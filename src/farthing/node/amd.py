"""AMD's GPUs, from sysfs of the amdgpu driver. Whole devices and `shared`; AMD has no daemon that would limit a share.

Read are, below /sys/class/drm/cardN/device: vendor, unique_id, mem_info_vram_total, product_name and
current_compute_partition. A GPU that is cut (DPX, CPX, ...) shows as several cards. Whether one is well, `amd_health`
says.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from farthing.model.cluster import Attribute
from farthing.model.errors import TransientError
from farthing.model.quantity import MIB
from farthing.node.amd_health import Health
from farthing.node.devices import Device, Edits, Inventory, Sample
from farthing.node.share import Share
from farthing.node.topology import place_of

_AMD: Final = "0x1002"
_CARD: Final = re.compile(r"card\d+")


class Amd:
    """The GPUs of this machine. `root` stands for `/` in tests."""

    def __init__(self, stamp: Callable[[], str], root: Path = Path("/")) -> None:
        self._root = root
        self._health = Health(stamp)
        self._seen = Inventory()

    def look(self) -> Inventory:
        cards = sorted((self._root / "sys/class/drm").glob("card*"), key=lambda path: (len(path.name), path.name))
        found = [self._device(card) for card in cards if _CARD.fullmatch(card.name)]
        here = tuple(device for device in found if device)
        gone = (one for one in self._seen.devices if one.name not in {device.name for device in here})
        lost = tuple(replace(one, troubles=(self._health.lost(one.name),)) for one in gone)
        self._seen = Inventory(here + lost)
        return self._seen

    def open(self, shares: tuple[Share, ...]) -> Edits:
        devices = [self._seen.device(share.device) for share in shares]
        nodes = [str(device.attributes["renderNode"]) for device in devices if device]
        return Edits(nodes=("/dev/kfd", *nodes))

    def close(self, shares: tuple[Share, ...], others: tuple[Share, ...]) -> None:
        """A share leaves nothing behind."""

    def tidy(self, opened: tuple[Share, ...]) -> tuple[str, ...]:  # noqa: ARG002 -- as the seam has it
        return ()

    def used(self) -> tuple[Sample, ...]:
        return ()

    def _device(self, card: Path) -> Device | None:
        """A card of AMD with memory of its own, else None. Raises TransientError where sysfs is not as it should be."""
        device = card / "device"
        if _read(device / "vendor") != _AMD:
            return None
        memory = _read(device / "mem_info_vram_total")
        render = next(_render_nodes(device), None)
        if not memory or render is None:
            return None
        try:
            size = int(memory) // MIB * MIB
        except ValueError as error:
            raise TransientError(f"{device}/mem_info_vram_total holds {memory!r}, which is no number") from error
        name = _read(device / "product_name")
        attributes: dict[str, Attribute] = {
            "vendor": "amd",
            "type": "amdgpu",
            "productName": name or "unknown",
            "model": _model(name),
            "uuid": _read(device / "unique_id") or card.name,
            "renderNode": render,
            "partitionProfile": _read(device / "current_compute_partition").lower() or "spx",
            **place_of(device.resolve().name, self._root),
        }
        called = f"gpu-{card.name.removeprefix('card')}"
        troubles = self._health.of(device, called)
        return Device(called, size, frozenset(("shared",)), attributes, troubles=troubles)


def _render_nodes(device: Path) -> Iterator[str]:
    yield from (f"/dev/dri/{path.name}" for path in sorted((device / "drm").glob("renderD*")))


def _model(name: str) -> str:
    found = re.search(r"\b(MI\d+[A-Z]?|W\d+|RX ?\d+\w*)\b", name)
    return found[1].replace(" ", "") if found else (name.replace(" ", "-")[:63] or "unknown")


def _read(path: Path) -> str:
    """A file of sysfs, empty where it is not there."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
