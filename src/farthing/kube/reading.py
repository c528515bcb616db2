"""Decoding what the API server sends, whatever anybody wrote into it.

Kubernetes lets parameters of other people's drivers through that are thousands of lists within each other; decoders
here go as deep as Python's stack. One such object must not keep anybody from reading all the others.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

import msgspec

T = TypeVar("T")

DEEPEST: Final = 200
"""Levels that are read. No object that Farthing knows has a tenth of it."""

_MARKS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


@overload
def reader() -> Callable[[bytes | msgspec.Raw], Any]: ...
@overload
def reader(shape: type[T]) -> Callable[[bytes | msgspec.Raw], T]: ...
def reader(shape: Any = Any) -> Callable[[bytes | msgspec.Raw], Any]:
    """A decoder of JSON into a shape. What lies too deep is read as null. Raises msgspec.DecodeError for no JSON."""
    decode = msgspec.json.Decoder(shape).decode

    def read(text: bytes | msgspec.Raw) -> Any:
        try:
            return decode(text)
        except RecursionError:
            return decode(shallow(bytes(text)))

    return read


def shallow(text: bytes) -> bytes:
    """JSON with null in place of every list and object that lies deeper than `DEEPEST`."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return text
    kept, depth, start = [], 0, 0
    for mark in _MARKS.finditer(text):
        token = mark[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth == DEEPEST + 1:
                kept += [text[start : mark.start()], b"null"]
        elif token in (b"]", b"}"):
            if depth == DEEPEST + 1:
                start = mark.end()
            depth -= 1
    return b"".join([*kept, text[start:]])
