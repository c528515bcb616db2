"""The values of CEL, and when they are equal and which is less.

Booleans, integers, doubles, texts, bytes, lists and maps are Python's own; an unsigned integer, null, an optional, a
type, a quantity and a semantic version are the classes below. Source: common/types of github.com/google/cel-go.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final


class EvaluationError(Exception):
    """An evaluation failed; the text says why, in the words of Kubernetes where it has some."""


class Uint(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Null:
    """The value of `null`."""


NULL: Final = Null()


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be missing."""

    value: Any = None
    there: bool = False


NONE: Final = Optional()


@dataclass(frozen=True, slots=True)
class TypeName:
    """What type() answers."""

    name: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount. `whole`: Kubernetes holds it as an integer, so it can be read as one ("1000m" is not).

    `summed`: it came from add() or sub(); to Kubernetes such an amount on the right of `==` has another type.
    """

    amount: Fraction
    whole: bool
    summed: bool = False


@dataclass(frozen=True, slots=True)
class Semver:
    """A semantic version. `order` sorts as versions do; what is equal in order is equal."""

    order: tuple[int, int, int, tuple[tuple[int, int, str], ...]]


def no_overload() -> EvaluationError:
    """The function or operator is not there for values of these types."""
    return EvaluationError("no such overload")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_of(value: Any) -> str:
    """The name of a value's type."""
    return next(name for kind, name in _TYPES if isinstance(value, kind))


def equal(one: Any, other: Any) -> bool:
    """`==`. Values of different types differ, except numbers; a quantity or version bears only its own kind."""
    if isinstance(one, Null) or isinstance(other, Null):
        return one is other
    if isinstance(one, Quantity | Semver):
        return _equal_amount(one, other)
    if isinstance(one, list | Mapping | Optional):
        return _equal_inside(one, other)
    if is_number(one) and is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _equal_amount(one: Quantity | Semver, other: Any) -> bool:
    if isinstance(one, Quantity) and isinstance(other, Quantity) and not other.summed:
        return one.amount == other.amount
    if isinstance(one, Semver) and isinstance(other, Semver):
        return one.order == other.order
    raise no_overload()


def _equal_inside(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_not_unequal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return len(one) == len(other) and all(k in other and _not_unequal(v, other[k]) for k, v in one.items())
    if isinstance(one, Optional) and isinstance(other, Optional):
        return one.there == other.there and (not one.there or equal(one.value, other.value))
    return False


def _not_unequal(one: Any, other: Any) -> bool:
    """Inside lists and maps what cannot be compared does not count as different; that is how Kubernetes does it."""
    try:
        return equal(one, other)
    except EvaluationError:
        return True


def is_in(value: Any, values: list[Any]) -> bool:
    """`in` of a list; what cannot be compared is not it."""
    for other in values:
        try:
            if equal(value, other):
                return True
        except EvaluationError:
            continue
    return False


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1; EvaluationError where the two have no order."""
    if is_number(one) and is_number(other):
        if math.isnan(one) or math.isnan(other):
            raise EvaluationError("NaN values cannot be ordered")
    elif type(one) is not type(other) or not isinstance(one, bool | str | bytes):
        raise no_overload()
    return int(one > other) - int(one < other)


_TYPES: Final = (
    (bool, "bool"),
    (Uint, "uint"),
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (list, "list"),
    (Mapping, "map"),
    (Null, "null_type"),
    (TypeName, "type"),
    (Optional, "optional_type"),
    (Quantity, "kubernetes.Quantity"),
    (Semver, "kubernetes.Semver"),
)
