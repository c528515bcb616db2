"""What a call costs beside its one step, known before it is made.

Ten characters of a text that is read or made cost 1; lists and maps cost what is looked at inside them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from farthing.decide.cel.values import Optional

_READ: Final = 100
"""What a device's attributes count as; they are bounded, and counting them would be looking at them."""

_FREE: Final = frozenset(
    {"_[_]", "_[?_]", "_?._", "size", "first", "last", "dyn", "type", "hasValue", "value", "optional.of"}
)


def price(function: str, arguments: list[Any], most: int) -> int:
    """The cost of a call; `most` or a little more where it is more than that."""
    if function in _FREE:
        return 0
    special = _SPECIAL.get(function)
    return special(arguments) if special else sum(_weight(argument, most) for argument in arguments)


def _weight(value: Any, most: int) -> int:
    """How much there is to look at in a value. One list may be inside it many times over, hence the end at `most`."""
    total, waiting = 0, [value]
    while waiting and total <= most:
        value = waiting.pop()
        if isinstance(value, str | bytes):
            total += len(value) // 10
        elif isinstance(value, list | dict):
            total += len(value)
            parts = value.values() if isinstance(value, dict) else value
            waiting.extend(part for part in parts if isinstance(part, _LARGE))
        elif isinstance(value, Mapping):
            total += _READ
        elif isinstance(value, Optional):
            waiting.append(value.value)
    return total


_LARGE: Final = (str, bytes, list, Mapping, Optional)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list) else 0


def _range(arguments: list[Any]) -> int:
    return max(arguments[0], 0) if isinstance(arguments[0], int) else 0


def _replace(arguments: list[Any]) -> int:
    text, old, new, *_ = arguments
    if not (isinstance(text, str) and isinstance(old, str) and isinstance(new, str)):
        return 0
    return (len(text) + text.count(old) * len(new)) // 10


def _join(arguments: list[Any]) -> int:
    separator = _length(arguments[1]) if len(arguments) > 1 else 0
    return sum(separator + _length(text) for text in arguments[0]) // 10 if isinstance(arguments[0], list) else 0


def _format(arguments: list[Any]) -> int:
    return _length(arguments[0]) + _weight(arguments[1], _MUCH)


def _pairs(arguments: list[Any]) -> int:
    """Every element may be compared with every other, whatever is in them."""
    sizes = [_weight(value, _MUCH) for value in arguments]
    return sizes[0] * sizes[-1]


def _sort(arguments: list[Any]) -> int:
    return 20 * _weight(arguments[-1], _MUCH)


_MUCH: Final = 1_000_000


def _copy(arguments: list[Any]) -> int:
    """Texts are made anew; of a list only the references are."""
    return sum(_length(value) // (100 if isinstance(value, list) else 10) for value in arguments)


def _insert(arguments: list[Any]) -> int:
    return len(arguments[0]) // 50 if isinstance(arguments[0], Mapping) else 0


_SPECIAL: Final[Mapping[str, Callable[[list[Any]], int]]] = {
    "lists.range": _range,
    "replace": _replace,
    "join": _join,
    "format": _format,
    "distinct": _pairs,
    "sets.contains": _pairs,
    "sets.equivalent": _pairs,
    "sets.intersects": _pairs,
    "sort": _sort,
    "@sortByAssociatedKeys": _sort,
    "_+_": _copy,
    "slice": _copy,
    "reverse": _copy,
    "cel.@mapInsert": _insert,
}
