"""Conversions between types. Source: common/types of github.com/google/cel-go, strconv of Go."""

import math
import re
from decimal import Decimal
from typing import Any, Final

from farthing.decide.cel.operators import SIGNED, UNSIGNED
from farthing.decide.cel.values import EvaluationError, TypeName, Uint, is_number, type_of

_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII
)
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def _no_conversion(value: Any, wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{type_of(value)}' to '{wanted}'")


def to_int(value: Any) -> int:
    return int(_integer(value, "int", SIGNED))


def to_uint(value: Any) -> Uint:
    return Uint(_integer(value, "uint", UNSIGNED))


def _integer(value: Any, wanted: str, limits: range) -> int:
    if isinstance(value, str):
        good = _DIGITS.fullmatch(value) and (wanted == "int" or value[0] not in "+-")
        if not good or int(value) not in limits:
            raise _no_conversion(value, wanted)
        return int(value)
    if not is_number(value):
        raise _no_conversion(value, wanted)
    if not math.isfinite(value) or int(value) not in limits or (isinstance(value, float) and abs(value) >= limits[-1]):
        raise EvaluationError("integer overflow" if wanted == "int" else "unsigned integer overflow")
    return int(value)


def to_double(value: Any) -> float:
    if is_number(value):
        return float(value)
    if not (isinstance(value, str) and _FLOAT.fullmatch(value)):
        raise _no_conversion(value, "double")
    found = float(value)
    if math.isinf(found) and "n" not in value.lower():
        raise _no_conversion(value, "double")
    return found


def to_text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(int(value))
        case float():
            return _float_text(value)
        case bytes():
            return _decoded(value)
    raise _no_conversion(value, "string")


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from error


def _float_text(value: float) -> str:
    """The shortest text, with an exponent where Go writes one."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    point = len(digits) + int(exponent)
    if value and not -4 <= point - 1 < 6:
        mantissa = "".join(map(str, digits))
        return f"{'-' * sign}{mantissa[0]}{'.' * (len(mantissa) > 1)}{mantissa[1:]}e{point - 1:+03d}"
    return format(Decimal(repr(value)).normalize(), "f")


def to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise _no_conversion(value, "bytes")


def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise _no_conversion(value, "bool")


def type_name(value: Any) -> TypeName:
    return TypeName(type_of(value))
