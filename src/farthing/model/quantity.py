"""Kubernetes quantities, exactly.

Kubernetes writes amounts as text: "80Gi", "250m", "1e3". Here they become exact integers in a unit that the name of
the function says. Sums of integers are exact, so an account of a device can be compared with `==`.
Source: the Quantity type of k8s.io/apimachinery.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final, NewType

from farthing.model.errors import InvalidError

MilliGpu = NewType("MilliGpu", int)
"""Thousandths of one device's compute; 1000 is a whole device."""

Bytes = NewType("Bytes", int)

MIB: Final = 1 << 20
WHOLE_DEVICE: Final = MilliGpu(1000)
MILLI_GPU_HOUR: Final = WHOLE_DEVICE * 3600
"""A whole device for an hour, in thousandths of a device times seconds."""

LARGEST: Final = (1 << 62) - 1
"""No amount may be larger: sums of a node's devices must fit 64 bits."""

_SUFFIX: Final = {
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_SHAPE: Final = re.compile(
    r"([+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?|[+-]?\.[0-9]{1,30})(?:([eE][+-]?[0-9]{1,2})|([numkMGTPE]i?|Ki|))"
)


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Decimal:
    """The exact number behind a Kubernetes quantity; InvalidError where it is none."""
    match = _SHAPE.fullmatch(text) if len(text) <= 64 else None
    if match is None or (match[3] or "") not in _SUFFIX:
        shown = text if len(text) <= 64 else f"{text[:60]}..."
        raise InvalidError("", f"{shown!r} is not a quantity; expected a number with an optional suffix, such as 80Gi")
    return Decimal(match[1] + match[2]) if match[2] else Decimal(match[1]) * _SUFFIX[match[3]]


@lru_cache(maxsize=4096)
def whole_units(text: str) -> int:
    """A quantity as an integer of its own unit (bytes, milli-GPU), rounded up as Kubernetes does."""
    return _within(parse_quantity(text).to_integral_value(ROUND_CEILING), text)


@lru_cache(maxsize=4096)
def floor_units(text: str) -> int:
    """A quantity as an integer of its own unit, rounded down: right for what a device *has*."""
    return _within(parse_quantity(text).to_integral_value(ROUND_FLOOR), text)


@lru_cache(maxsize=4096)
def milli_units(text: str) -> int:
    """A quantity in thousandths, rounded up: cpu "250m" is 250."""
    return _within((parse_quantity(text) * 1000).to_integral_value(ROUND_CEILING), text)


def _within(number: Decimal, text: str) -> int:
    if abs(number) > LARGEST:
        raise InvalidError("", f"{text!r} is beyond what any machine has; the limit is {LARGEST}")
    return int(number)


def format_bytes(amount: int) -> str:
    """Bytes as the shortest exact quantity: 85899345920 is "80Gi"."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIX[suffix])
        if amount and amount % unit == 0:
            return f"{amount // unit}{suffix}"
    return str(amount)


def format_gib(amount: int) -> str:
    """Bytes for a person: at most one decimal, in GiB."""
    return f"{amount / (1 << 30):.1f}".removesuffix(".0") + " GiB"
