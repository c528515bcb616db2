"""Kubernetes' quantities in CEL.

A suffix or a sign without digits is zero. Kubernetes keeps a short amount as an integer with a decimal exponent, a long
one as a decimal number; only what is kept as an integer without places after the point can be read as one, and that is
what `whole` tells. Source: pkg/cel/library/quantity.go of k8s.io/apiserver, pkg/api/resource of k8s.io/apimachinery.
"""

import math
import re
from fractions import Fraction
from typing import Any, Final

from farthing.decide.cel.values import EvaluationError, Quantity, no_overload

_SHAPE: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i|))", re.ASCII)
_TENS: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_TWOS: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_NANO: Final = 10**9
_LARGEST: Final = (1 << 63) - 1
_LONGEST: Final = 4000
_LONGEST_EXPONENT: Final = 4
"""Digits; longer ones only cost time."""


def parse(text: str) -> Quantity:
    """The quantity of a text; EvaluationError where it is none."""
    match = _SHAPE.fullmatch(text)
    if match is None or not text or len(text) > _LONGEST:
        raise EvaluationError(_NONE)
    sign, digits, places, exponent, suffix = match[1], match[2], match[3] or "", match[4], match[5]
    if exponent and len(exponent.lstrip("eE+-")) > _LONGEST_EXPONENT:
        raise EvaluationError(_NONE)
    whole_digits = digits.lstrip("0") or "0"
    number = Fraction(int(whole_digits + places), 10 ** len(places)) * (-1 if sign == "-" else 1)
    if suffix in _TWOS:
        return _binary(number * 2 ** _TWOS[suffix], whole_digits, places, _TWOS[suffix])
    tens = int(exponent[1:]) if exponent else _TENS[suffix]
    short = 18 - len(whole_digits) - len(places) >= 0 and tens - len(places) >= -9
    value = number * Fraction(10) ** tens
    if short:
        return Quantity(value, whole=tens - len(places) >= 0 and abs(value) <= _LARGEST)
    return Quantity(_rounded(value), whole=False)


def _binary(value: Fraction, digits: str, places: str, exponent: int) -> Quantity:
    """Binary suffixes are capped at the largest integer of 64 bits."""
    short = not places and 15 - len(digits) - exponent * 3 // 10 - 1 >= 0
    capped = max(min(_rounded(value), Fraction(_LARGEST)), Fraction(-_LARGEST))
    return Quantity(value if short else capped, whole=short)


def _rounded(value: Fraction) -> Fraction:
    """To billionths, away from zero."""
    scaled = abs(value) * _NANO
    up = Fraction(-(-scaled.numerator // scaled.denominator), _NANO)
    return up if value >= 0 else -up


def _quantity(value: Any) -> Quantity:
    if not isinstance(value, Quantity):
        raise no_overload()
    return value


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1."""
    left, right = _quantity(one).amount, _quantity(other).amount
    return int(left > right) - int(left < right)


def add(one: Any, other: Any) -> Quantity:
    """The sum with another quantity or an integer."""
    return _sum(one, other, 1)


def sub(one: Any, other: Any) -> Quantity:
    """The difference to another quantity or an integer."""
    return _sum(one, other, -1)


def _sum(one: Any, other: Any, sign: int) -> Quantity:
    left = _quantity(one)
    right = Quantity(Fraction(other), whole=True) if type(other) is int else _quantity(other)
    total = left.amount + sign * right.amount
    if not right.amount:
        return Quantity(total, left.whole, summed=True)
    if not left.amount:
        return Quantity(total, right.whole, summed=True)
    return Quantity(total, left.whole and right.whole and abs(total) <= _LARGEST, summed=True)


def as_integer(value: Any) -> int:
    quantity = _quantity(value)
    if not quantity.whole:
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.amount)


def is_integer(value: Any) -> bool:
    return _quantity(value).whole


def as_float(value: Any) -> float:
    amount = _quantity(value).amount
    try:
        return float(amount)
    except OverflowError:
        return math.inf if amount > 0 else -math.inf


def sign(value: Any) -> int:
    amount = _quantity(value).amount
    return int(amount > 0) - int(amount < 0)


def is_quantity(text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


_NONE: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
