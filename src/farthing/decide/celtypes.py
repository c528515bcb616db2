"""Kubernetes' CEL types `quantity` and `semver`, as maps with a tag, and their functions.

A map is the only structured value that our CEL library lets Python make. Its texts are canonical, so that `==` works.
Sources: k8s.io/apiserver/pkg/cel/library quantity.go and semverlib.go, semver.org.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from cel_expr_python import cel

from farthing.model.errors import InvalidError
from farthing.model.quantity import parse_quantity

Tagged = dict[str, Any]

QUANTITY: Final = "quantity"
SEMVER: Final = "semver"

_SEMVER: Final = re.compile(
    r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)


def quantity_value(amount: Decimal | int) -> Tagged:
    """A quantity as CEL sees it."""
    return {"type": QUANTITY, "text": format(Decimal(amount).normalize(), "f")}


def semver_value(text: str) -> Tagged:
    """A version as CEL sees it; InvalidError where it is none."""
    match = _SEMVER.fullmatch(text) if len(text) <= 256 else None
    if match is None or any(_bad_identifier(part) for part in (match[4] or "0").split(".")):
        raise InvalidError("", f"{text[:40]!r} is not a semantic version")
    return {"type": SEMVER, "text": text.split("+", maxsplit=1)[0]}


def _bad_identifier(part: str) -> bool:
    return not part or (part.isdecimal() and len(part) > 1 and part[0] == "0")


def _number(value: Tagged) -> Decimal:
    if value.get("type") != QUANTITY:
        raise InvalidError("", "expected a quantity")
    return Decimal(value["text"])


def _version(value: Tagged) -> tuple[int, int, int, tuple[tuple[int, int, str], ...]]:
    """A key that sorts as semantic versions do: a pre-release comes before its release, numbers before words."""
    match = _SEMVER.fullmatch(value["text"]) if value.get("type") == SEMVER else None
    if match is None:
        raise InvalidError("", "expected a semantic version")
    parts = match[4].split(".") if match[4] else []
    pre = tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts) or ((2, 0, ""),)
    return int(match[1]), int(match[2]), int(match[3]), pre


def _compare(one: Tagged, other: Tagged) -> int:
    if one.get("type") == SEMVER:
        mine, theirs = _version(one), _version(other)
        return (mine > theirs) - (mine < theirs)
    left, right = _number(one), _number(other)
    return (left > right) - (left < right)


def _add(sign: int) -> Callable[[Tagged, Any], Tagged]:
    def run(one: Tagged, other: Any) -> Tagged:
        amount = Decimal(other) if isinstance(other, int) else _number(other)
        return quantity_value(_number(one) + sign * amount)

    return run


def _as_integer(value: Tagged) -> int:
    number = _number(value)
    if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise InvalidError("", f"{number} is not a 64-bit integer")
    return int(number)


def _is_integer(value: Tagged) -> bool:
    try:
        _as_integer(value)
    except InvalidError:
        return False
    return True


def _sign(value: Tagged) -> int:
    number = _number(value)
    return (number > 0) - (number < 0)


def _is(make: Callable[[str], Any]) -> Callable[[str], bool]:
    def run(text: str) -> bool:
        try:
            make(text)
        except InvalidError:
            return False
        return True

    return run


def _make_quantity(text: str) -> Tagged:
    return quantity_value(parse_quantity(text))


_DYN, _TXT, _INT, _YES = cel.Type.DYN, cel.Type.STRING, cel.Type.INT, cel.Type.BOOL


def _function(
    name: str, parameters: list[Any], result: Any, run: Callable[..., Any], *, member: bool = True
) -> cel.FunctionDecl:
    overload = cel.Overload(f"k8s_{name}", return_type=result, parameters=parameters, is_member=member, impl=run)
    return cel.FunctionDecl(name, [overload])


LIBRARY: Final = cel.CelExtension(
    "kubernetes",
    [
        _function("quantity", [_TXT], _DYN, _make_quantity, member=False),
        _function("isQuantity", [_TXT], _YES, _is(parse_quantity), member=False),
        _function("semver", [_TXT], _DYN, semver_value, member=False),
        _function("isSemver", [_TXT], _YES, _is(semver_value), member=False),
        _function("compareTo", [_DYN, _DYN], _INT, _compare),
        _function("isGreaterThan", [_DYN, _DYN], _YES, lambda one, other: _compare(one, other) > 0),
        _function("isLessThan", [_DYN, _DYN], _YES, lambda one, other: _compare(one, other) < 0),
        _function("add", [_DYN, _DYN], _DYN, _add(1)),
        _function("sub", [_DYN, _DYN], _DYN, _add(-1)),
        _function("asInteger", [_DYN], _INT, _as_integer),
        _function("isInteger", [_DYN], _YES, _is_integer),
        _function("asApproximateFloat", [_DYN], cel.Type.DOUBLE, lambda value: float(_number(value))),
        _function("sign", [_DYN], _INT, _sign),
        _function("major", [_DYN], _INT, lambda value: _version(value)[0]),
        _function("minor", [_DYN], _INT, lambda value: _version(value)[1]),
        _function("patch", [_DYN], _INT, lambda value: _version(value)[2]),
    ],
)
