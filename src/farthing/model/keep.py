"""Devices that are kept for one waiting pod while they are being freed: what is written on the pod, and read back.

A repack evicts pods one after the other, and their replacements are planned while others still leave. So the waiting
pod carries which devices are kept for it, and until when; whoever plans keeps everybody else off them. Nothing else
remembers it, and it ends by itself.

    farthing.dev/kept: "2026-11-25T07:10:03Z gpu.farthing.dev/n0/gpu-0 gpu.farthing.dev/n0/gpu-1"
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from farthing.model.cluster import DeviceId
from farthing.model.errors import InvalidError

KEPT: Final = "farthing.dev/kept"

KEPT_SECONDS: Final = 900.0
"""Nothing is kept for longer than this ahead; what claims to be is not believed."""

KEPT_LONGEST: Final = 16384
"""Characters; 32 devices with long names fit."""

_DEVICE: Final = "[a-z0-9.-]+/[a-z0-9./-]+/[a-z0-9-]+"
KEPT_PATTERN: Final = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}Z(?: {_DEVICE})+$"
KEPT_EXPECTED: Final = "expected an instant and devices, such as 2026-11-25T07:10:03Z gpu.farthing.dev/n0/gpu-0"
KEPT_REFUSED: Final = f"does not say what is kept until when; {KEPT_EXPECTED}"


@dataclass(frozen=True, slots=True)
class Keep:
    """`devices` of one node, kept until the instant `until` (seconds since 1970)."""

    until: float
    devices: tuple[DeviceId, ...]

    def __str__(self) -> str:
        """As the annotation says it."""
        return " ".join((stamp(self.until), *("/".join(device) for device in self.devices)))

    def stands(self, at: float) -> bool:
        """Whether it is to be believed at an instant."""
        return at < self.until <= at + KEPT_SECONDS


def stamp(instant: float) -> str:
    """An instant as Kubernetes writes it, to the second."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_keep(text: str) -> Keep:
    """What an annotation says is kept; InvalidError where it says nothing that can be read."""
    if len(text) > KEPT_LONGEST or not re.fullmatch(KEPT_PATTERN, text):
        raise InvalidError(KEPT, f"{text[:60]!r} {KEPT_REFUSED}")
    until, *devices = text.split(" ")
    try:
        instant = datetime.fromisoformat(until).timestamp()
    except ValueError as error:
        raise InvalidError(KEPT, f"{until!r} is no instant; {KEPT_EXPECTED}") from error
    return Keep(instant, tuple(_device(device) for device in devices))


def _device(text: str) -> DeviceId:
    """Pools may have slashes in their names, drivers and devices may not."""
    driver, _, rest = text.partition("/")
    pool, _, name = rest.rpartition("/")
    return DeviceId(driver, pool, name)
