"""Which function is which: the table of all that an expression can call, by name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from farthing.decide.cel import conversions, lists, operators, quantities, semver, texts
from farthing.decide.cel.values import NONE, EvaluationError, Optional, Semver, equal, no_overload

_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "s": lambda value: isinstance(value, str),
    "i": lambda value: type(value) is int,
    "b": lambda value: isinstance(value, bool),
    "l": lambda value: isinstance(value, list),
    "*": lambda _: True,
}
"""Text, integer, bool, list, anything."""


def _typed(kinds: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arguments of these kinds. What is not known before may turn out to be something else."""

    def checked(*arguments: Any) -> Any:
        if not all(_KINDS[kind](value) for kind, value in zip(kinds, arguments, strict=False)):
            raise no_overload()
        return run(*arguments)

    return checked


def _either(of_text: Callable[..., Any], of_list: Callable[..., Any]) -> Callable[..., Any]:
    text = _typed("ssi", of_text)
    return lambda first, *rest: of_list(first, rest[0]) if isinstance(first, list) else text(first, *rest)


def _compare(one: Any, other: Any) -> int:
    return semver.compare(one, other) if isinstance(one, Semver) else quantities.compare(one, other)


def _sum(values: list[Any]) -> Any:
    total = values[0] if values else 0
    for value in values[1:]:
        total = operators.add(total, value)
    return total


def _insert(values: Any, *entries: Any) -> dict[Any, Any]:
    """How transformMap grows its map: by a key and a value, or by the entries of another."""
    new = dict(entries[0]) if len(entries) == 1 else {entries[0]: entries[1]}
    for key in new:
        if key in values:
            raise EvaluationError(f"insert failed: key {key} already exists")
    return {**values, **new}


def _unwrap(values: list[Any]) -> list[Any]:
    return [value.value for value in values if operators.has_value(value)]


def _same(value: Any) -> Any:
    return value


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "_==_": equal,
    "_!=_": operators.differs,
    "_<_": operators.less,
    "_<=_": operators.less_or_equal,
    "_>_": operators.greater,
    "_>=_": operators.greater_or_equal,
    "_+_": operators.add,
    "_-_": operators.subtract,
    "_*_": operators.multiply,
    "_/_": operators.divide,
    "_%_": operators.modulo,
    "-_": operators.negate,
    "!_": operators.inverse,
    "@in": operators.member,
    "_[_]": operators.index,
    "_[?_]": operators.reach,
    "_?._": operators.reach,
    "size": operators.size,
    "int": conversions.to_int,
    "uint": conversions.to_uint,
    "double": conversions.to_double,
    "string": conversions.to_text,
    "bytes": conversions.to_bytes,
    "bool": conversions.to_bool,
    "type": conversions.type_name,
    "dyn": _same,
    "optional.of": lambda value: Optional(value, there=True),
    "optional.none": lambda: NONE,
    "optional.ofNonZeroValue": operators.of_non_zero,
    "optional.unwrap": _typed("l", _unwrap),
    "first": _typed("l", lambda values: Optional(values[0], there=True) if values else NONE),
    "last": _typed("l", lambda values: Optional(values[-1], there=True) if values else NONE),
    "unwrapOpt": _typed("l", _unwrap),
    "hasValue": operators.has_value,
    "value": operators.value_of,
    "contains": _typed("ss", lambda text, part: part in text),
    "startsWith": _typed("ss", lambda text, part: text.startswith(part)),
    "endsWith": _typed("ss", lambda text, part: text.endswith(part)),
    "matches": _typed("ss", texts.matches),
    "find": _typed("ss", texts.find),
    "findAll": _typed("ssi", texts.find_all),
    "charAt": _typed("si", texts.char_at),
    "indexOf": _either(texts.index_of, lists.index_of),
    "lastIndexOf": _either(texts.last_index_of, lists.last_index_of),
    "lowerAscii": _typed("s", texts.lower_ascii),
    "upperAscii": _typed("s", texts.upper_ascii),
    "replace": _typed("sssi", texts.replace),
    "split": _typed("ssi", texts.split),
    "substring": _typed("sii", texts.substring),
    "trim": _typed("s", texts.trim),
    "strings.quote": _typed("s", texts.quote),
    "format": _typed("sl", texts.format_text),
    "join": _typed("ls", texts.join),
    "isSorted": _typed("l", lists.is_sorted),
    "sum": _typed("l", _sum),
    "min": _typed("l", lists.least),
    "max": _typed("l", lists.greatest),
    "includes": lists.includes,
    "slice": _typed("lii", lists.slice_of),
    "flatten": _typed("li", lists.flatten),
    "sort": _typed("l", lists.sort),
    "@sortByAssociatedKeys": _typed("ll", lists.sort_by),
    "lists.range": _typed("i", lambda count: list(range(count))),
    "reverse": _typed("l", lambda values: values[::-1]),
    "distinct": _typed("l", lists.distinct),
    "sets.contains": _typed("ll", lists.contains),
    "sets.equivalent": _typed("ll", lists.equivalent),
    "sets.intersects": _typed("ll", lists.intersects),
    "quantity": _typed("s", quantities.parse),
    "isQuantity": _typed("s", quantities.is_quantity),
    "sign": quantities.sign,
    "add": quantities.add,
    "sub": quantities.sub,
    "asInteger": quantities.as_integer,
    "isInteger": quantities.is_integer,
    "asApproximateFloat": quantities.as_float,
    "semver": _typed("sb", semver.parse),
    "isSemver": _typed("sb", semver.is_semver),
    "major": semver.part(0),
    "minor": semver.part(1),
    "patch": semver.part(2),
    "compareTo": _compare,
    "isGreaterThan": lambda one, other: _compare(one, other) > 0,
    "isLessThan": lambda one, other: _compare(one, other) < 0,
    "cel.@mapInsert": _insert,
}
