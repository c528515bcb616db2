"""Operators, and reaching into lists, maps and optionals. Source: common/types of github.com/google/cel-go."""

import math
from collections.abc import Mapping
from typing import Any, Final

from farthing.decide.cel.sight import Domains
from farthing.decide.cel.values import (
    NONE,
    EvaluationError,
    Optional,
    Uint,
    compare,
    equal,
    is_in,
    is_number,
    no_overload,
    type_of,
)

SIGNED: Final = range(-(1 << 63), 1 << 63)
UNSIGNED: Final = range(1 << 64)


def _within(value: int, like: int) -> int:
    """The integer in the type of `like`."""
    unsigned = isinstance(like, Uint)
    if value not in (UNSIGNED if unsigned else SIGNED):
        raise EvaluationError("unsigned integer overflow" if unsigned else "integer overflow")
    return Uint(value) if unsigned else value


def _alike(one: Any, other: Any) -> None:
    if type(one) is not type(other) or isinstance(one, bool):
        raise no_overload()


def add(one: Any, other: Any) -> Any:
    _alike(one, other)
    if isinstance(one, int):
        return _within(one + other, one)
    if isinstance(one, float | str | bytes | list):
        return one + other
    raise no_overload()


def _arithmetic(one: Any, other: Any) -> None:
    _alike(one, other)
    if not is_number(one):
        raise no_overload()


def subtract(one: Any, other: Any) -> Any:
    _arithmetic(one, other)
    return one - other if isinstance(one, float) else _within(int(one) - int(other), one)


def multiply(one: Any, other: Any) -> Any:
    _arithmetic(one, other)
    return one * other if isinstance(one, float) else _within(int(one) * int(other), one)


def divide(one: Any, other: Any) -> Any:
    _arithmetic(one, other)
    if isinstance(one, float):
        return _divide_float(one, other)
    if other == 0:
        raise EvaluationError("division by zero")
    size = abs(int(one)) // abs(int(other))
    return _within(size if (one < 0) == (other < 0) else -size, one)


def _divide_float(one: float, other: float) -> float:
    if other:
        return one / other
    return math.nan if not one or math.isnan(one) else math.copysign(math.inf, one) * math.copysign(1, other)


def modulo(one: Any, other: Any) -> Any:
    """The remainder has the sign of the first."""
    _arithmetic(one, other)
    if isinstance(one, float):
        raise no_overload()
    if other == 0:
        raise EvaluationError("modulus by zero")
    size = abs(int(one)) % abs(int(other))
    return _within(-size if one < 0 else size, one)


def negate(value: Any) -> Any:
    if not is_number(value) or isinstance(value, Uint):
        raise no_overload()
    return -value if isinstance(value, float) else _within(-value, value)


def inverse(value: Any) -> bool:
    if not isinstance(value, bool):
        raise no_overload()
    return not value


def differs(one: Any, other: Any) -> bool:
    """`!=`: what cannot be compared differs."""
    try:
        return not equal(one, other)
    except EvaluationError:
        return True


def less(one: Any, other: Any) -> bool:
    return compare(one, other) < 0


def less_or_equal(one: Any, other: Any) -> bool:
    return compare(one, other) <= 0


def greater(one: Any, other: Any) -> bool:
    return compare(one, other) > 0


def greater_or_equal(one: Any, other: Any) -> bool:
    return compare(one, other) >= 0


def member(value: Any, values: Any) -> bool:
    """`in`."""
    if isinstance(values, list):
        return is_in(value, values)
    if isinstance(values, Mapping):
        return _is_key(value) and value in values
    raise no_overload()


def _is_key(key: Any) -> bool:
    return isinstance(key, bool | int | float | str)


# Reaching into lists, maps and optionals --------------------------------------------------------------------------


def reach(value: Any, key: Any) -> Optional:
    """What `value[key]` finds. A domain that a device does not have is an empty map."""
    if isinstance(value, Optional):
        return reach(value.value, key) if value.there else NONE
    if isinstance(value, Domains) and isinstance(key, str):
        return Optional(value.reach(key), there=True)
    if isinstance(value, Mapping):
        if not _is_key(key):
            raise EvaluationError(f"unsupported key type: {type_of(key)}")
        return Optional(value[key], there=True) if key in value else NONE
    if isinstance(value, list):
        at = _place(key)
        return Optional(value[at], there=True) if 0 <= at < len(value) else NONE
    raise EvaluationError(f"no such key: {_key_text(key)}")


def _place(key: Any) -> int:
    if not is_number(key) or key != key // 1:
        raise EvaluationError(f"unsupported index type '{type_of(key)}' in list")
    return int(key)


def index(value: Any, key: Any) -> Any:
    """`value[key]`; of an optional value, an optional."""
    found = reach(value, key)
    if isinstance(value, Optional):
        return found
    if not found.there:
        missing = "index out of bounds" if isinstance(value, list) else "no such key"
        raise EvaluationError(f"{missing}: {_key_text(key)}")
    return found.value


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def has(value: Any, field: str) -> bool:
    """What the macro `has` asks of value.field. What has no fields at all has not this one."""
    if isinstance(value, Optional | Mapping):
        return reach(value, field).there
    if isinstance(value, list):
        raise EvaluationError("unsupported index type 'string' in list")
    return False


def value_of(optional: Any) -> Any:
    if not _optional(optional).there:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def of_non_zero(value: Any) -> Optional:
    """optional.ofNonZeroValue: none where the value is empty."""
    empty = not value if isinstance(value, bool | int | float | str | bytes | list | Mapping) else False
    return NONE if empty else Optional(value, there=True)


def _optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise no_overload()
    return value


def has_value(optional: Any) -> bool:
    return _optional(optional).there


def size(value: Any) -> int:
    if isinstance(value, str | bytes | list | Mapping):
        return len(value)
    raise no_overload()
