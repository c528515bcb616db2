"""The syntax tree of a checked expression, read from the library's serialised form.

Source: cel/expr/syntax.proto and checked.proto of github.com/google/cel-spec; the numbers below are its field numbers.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from farthing.decide.cel.values import NULL, Uint


@dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable; `device.driver` is one name."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or has(operand.field) where `test`."""

    operand: "Node"
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator over `args`; the target of a method is the first."""

    function: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list literal; `optional` are the places of elements written with a question mark."""

    elements: tuple["Node", ...]
    optional: frozenset[int]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map literal: keys, values, and whether the entry was written with a question mark."""

    entries: tuple[tuple["Node", "Node", bool], ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """A comprehension, which is what macros become: `step` makes the next `accu` while `condition` holds."""

    item: str
    second: str
    range: "Node"
    accu: str
    init: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Const | Ident | Select | Call | ListOf | MapOf | Fold

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Mixed(Exception):  # noqa: N818 (news for one caller, not a failure)
    """A list or map literal mixes types, which Kubernetes does not allow."""


class Reader:
    """Builds nodes out of the serialised tree; raises Mixed where a literal mixes types."""

    def __init__(self, serialised: bytes) -> None:
        checked = _fields(_only(_fields(serialised), 2))
        self._names = {_number(entry, 1): _text(_fields(_only(entry, 2)), 1) for entry in _each(checked, 2)}
        self._types = {_number(entry, 1): _only(entry, 2) for entry in _each(checked, 3)}
        self._formatting = 0
        self.root = self._node(_only(checked, 4))

    def _node(self, raw: bytes) -> Node:
        expr = _fields(raw)
        known = self._names.get(_number(expr, 2))
        for number, value in expr:
            if number == 3:
                return Const(_literal(value))
            if known and number in (4, 5):
                return Ident(known)
            if number in self._BUILD:
                return self._BUILD[number](self, _fields(value))
        return Const(NULL)

    def _ident(self, fields: "_Fields") -> Node:
        return Ident(_text(fields, 1))

    def _select(self, fields: "_Fields") -> Node:
        return Select(self._node(_only(fields, 1)), _text(fields, 2), bool(_number(fields, 3)))

    def _call(self, fields: "_Fields") -> Node:
        name = _text(fields, 2)
        self._formatting += name == "format"
        arguments = tuple(self._node(value) for number, value in fields if number in (1, 3))
        self._formatting -= name == "format"
        return Call(name, arguments)

    def _list(self, fields: "_Fields") -> Node:
        raw = [value for number, value in fields if number == 1]
        optional = frozenset(_packed(fields, 2))
        self._alike(value for i, value in enumerate(raw) if i not in optional)
        return ListOf(tuple(self._node(value) for value in raw), optional)

    def _map(self, fields: "_Fields") -> Node:
        entries = _each(fields, 2)
        self._alike(_only(entry, 3) for entry in entries)
        self._alike(_only(entry, 4) for entry in entries if not _number(entry, 5))
        return MapOf(tuple((self._node(_only(e, 3)), self._node(_only(e, 4)), bool(_number(e, 5))) for e in entries))

    def _fold(self, fields: "_Fields") -> Node:
        return Fold(
            item=_text(fields, 1),
            second=_text(fields, 8),
            range=self._node(_only(fields, 2)),
            accu=_text(fields, 3),
            init=self._node(_only(fields, 4)),
            condition=self._node(_only(fields, 5)),
            step=self._node(_only(fields, 6)),
            result=self._node(_only(fields, 7)),
        )

    def _alike(self, raw: Iterator[bytes]) -> None:
        """Kubernetes' validator of literals; the arguments of `format` are exempt."""
        if not self._formatting and len({self._types.get(_number(_fields(value), 2)) for value in raw}) > 1:
            raise Mixed

    _BUILD: Final = {4: _ident, 5: _select, 6: _call, 7: _list, 8: _map, 9: _fold}


# The wire format of protocol buffers ------------------------------------------------------------------------------

_Fields = list[tuple[int, Any]]


def _fields(raw: bytes) -> _Fields:
    """Field numbers and values: integers, or bytes of what is nested."""
    found: _Fields = []
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(raw, at)
            found.append((tag >> 3, value))
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if size is None:
            size, at = _varint(raw, at)
        found.append((tag >> 3, raw[at : at + size]))
        at += size
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _only(fields: _Fields, number: int) -> bytes:
    return next((value for found, value in fields if found == number), b"")


def _each(fields: _Fields, number: int) -> list[_Fields]:
    return [_fields(value) for found, value in fields if found == number]


def _number(fields: _Fields, number: int) -> int:
    return next((value for found, value in fields if found == number), 0)


def _text(fields: _Fields, number: int) -> str:
    return _only(fields, number).decode()


def _packed(fields: _Fields, number: int) -> Iterator[int]:
    for found, value in fields:
        if found == number and isinstance(value, int):
            yield value
        elif found == number:
            at = 0
            while at < len(value):
                index, at = _varint(value, at)
                yield index


def _literal(raw: bytes) -> Any:
    (number, value), *_ = _fields(raw)
    return _LITERALS[number](value)


_LITERALS: Final[dict[int, Callable[[Any], Any]]] = {
    1: lambda _: NULL,
    2: bool,
    3: lambda value: value - (1 << 64) if value >> 63 else value,
    4: Uint,
    5: lambda value: struct.unpack("<d", value)[0],
    6: lambda value: value.decode(),
    7: bytes,
}
"""By field number: null, bool, int64, uint64, double, string, bytes."""
