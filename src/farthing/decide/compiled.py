"""The kernels as a table calls them: with the addresses of arrays.

Handing thirty arrays to compiled code takes 4 microseconds, a quarter of a decision; handing it one array with their
addresses, a fifth of one. Whoever holds arrays keeps them for as long as their addresses are in use.
"""

from typing import Any, Final

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from farthing.decide import choosing, kernels
from farthing.decide.board import Asked, Board, Rows
from farthing.decide.jit import kernel
from farthing.state.fleet import Ints

refresh = kernels.refresh

_TABLE: Final = "qqqBBqqqqiddqqdqqiiqd" + "iiqqqqqiqi"
_ASKED: Final = "qqqBqq"
"""What the fields of a Board and its Rows hold, and those of an Asked, in numpy's letters: readers rely on it."""


def hold(*arrays: Any) -> Ints:
    """Address and size of each array of a Board and Rows, or of an Asked; the second size of a single axis is 1."""
    kinds = _ASKED if len(arrays) == len(_ASKED) else _TABLE
    found = np.zeros((len(arrays), 3), dtype=np.int64)
    for i, (array, kind) in enumerate(zip(arrays, kinds, strict=True)):
        if array.dtype != kind or not array.flags.c_contiguous:
            raise ValueError(
                f"array {i} of {len(arrays)} is of {array.dtype}, or in pieces; expected a whole one of {kind}"
            )
        found[i] = (array.__array_interface__["data"][0], *array.shape, 1)[:3]
    return found


def _as_pointer(typing: Any, address: Any) -> Any:  # noqa: ARG001 -- the signature is numba's
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 -- numba's too
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


_pointer: Any = intrinsic(_as_pointer)


@kernel
def _row(held: Ints, i: int, of: Any) -> Any:
    return carray(_pointer(held[i, 0]), (held[i, 1],), of)


@kernel
def _rows(held: Ints, i: int, of: Any) -> Any:
    return carray(_pointer(held[i, 0]), (held[i, 1], held[i, 2]), of)


@kernel
def _board(h: Ints) -> Board:
    """A Board that was held; its fields in their order."""
    return Board(
        _row(h, 0, np.int64),
        _row(h, 1, np.int64),
        _rows(h, 2, np.int64),
        _row(h, 3, np.uint8),
        _row(h, 4, np.uint8),
        _rows(h, 5, np.int64),
        _rows(h, 6, np.int64),
        _rows(h, 7, np.int64),
        _rows(h, 8, np.int64),
        _rows(h, 9, np.int32),
        _rows(h, 10, np.float64),
        _row(h, 11, np.float64),
        _row(h, 12, np.int64),
        _row(h, 13, np.int64),
        _row(h, 14, np.float64),
        _row(h, 15, np.int64),
        _rows(h, 16, np.int64),
        _rows(h, 17, np.int32),
        _rows(h, 18, np.int32),
        _row(h, 19, np.int64),
        _row(h, 20, np.float64),
    )


@kernel
def _scores(h: Ints) -> Rows:
    """The Rows that were held after a Board."""
    return Rows(
        _rows(h, 21, np.int32),
        _rows(h, 22, np.int32),
        _rows(h, 23, np.int64),
        _row(h, 24, np.int64),
        _row(h, 25, np.int64),
        _row(h, 26, np.int64),
        _row(h, 27, np.int64),
        _row(h, 28, np.int32),
        _row(h, 29, np.int64),
        _row(h, 30, np.int32),
    )


@kernel
def _asked(h: Ints) -> Asked:
    return Asked(
        _row(h, 0, np.int64),
        _rows(h, 1, np.int64),
        _rows(h, 2, np.int64),
        _row(h, 3, np.uint8),
        _row(h, 4, np.int64),
        _rows(h, 5, np.int64),
    )


# What `vectors` has too -----------------------------------------------------------------------------------------------


@kernel
def touch(table: Ints, n: int) -> None:
    choosing.touch(_board(table), _scores(table), n)


@kernel
def renew(table: Ints) -> None:
    choosing.renew(_board(table), _scores(table))


@kernel
def update(table: Ints, asked: Ints, k: int, even: bool, out: Ints) -> None:
    choosing.update(_board(table), _scores(table), _asked(asked), k, even, out)


@kernel
def choose(table: Ints, asked: Ints, k: int, joined: bool, even: bool, out: Ints) -> int:
    return choosing.choose(_board(table), _scores(table), _asked(asked), k, joined, even, out)


@kernel
def place(table: Ints, asked: Ints, k: int, joined: bool, even: bool, out: Ints) -> int:
    return choosing.place(_board(table), _scores(table), _asked(asked), k, joined, even, out)


@kernel
def pick(table: Ints, asked: Ints, n: int, out: Ints) -> int:
    a = _asked(asked)
    return choosing.pick(_board(table), _scores(table), n, a.ask, a.wants, a.ok, out)


@kernel
def take(table: Ints, asked: Ints, n: int, devices: Ints, sign: int) -> None:
    a = _asked(asked)
    choosing.take(_board(table), _scores(table), n, a.ask, a.takes, devices, sign)
