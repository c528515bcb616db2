"""The arrays that scoring works on: what nodes and devices have left, the mix of asks, and what follows from both.

One plain tuple of numpy arrays, so that compiled and uncompiled kernels (`kernels`, `vectors`) share it. N nodes,
D devices in node order, S shapes of devices, M typical asks. Amounts of a device come in pairs, compute and memory, in
the driver's own units (`left`, `size`) or in thousandths of the device (`rest`).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from farthing.state.fleet import Ints

NEVER: Final = 1 << 20
"""Thousandths of a device that no device has left: marks shapes that an ask of the mix can not use."""

IMPOSSIBLE: Final = -(1 << 31)
"""The score of a node that cannot take an ask."""

SCALE: Final = 1 << 16
"""The weights of a mix add up to this; gains are in thousandths of a GPU times this."""

BLOCK: Final = 64
"""So many nodes share one entry of `Rows.best`."""

# The fields of one ask, as kernels read them.
COUNT, WHOLE, LEVEL, ANY_TEAM, TEAM, CPU, MEMORY, MILLI = range(8)


class Board(NamedTuple):
    """The state of a fleet for scoring.

    Constant: `first[n]` is the first device of node n, `shape` [D] its shape, `size` [2, S] what a shape has,
    `usable` [D] whether anybody can be given a part of it, `multi` [D] whether several can.
    State: `left` [2, D], `on` [3, D] users, mode and team, `room` [3, N] cpu (milli), memory (bytes), pods.
    Mix: `least` [M, S] thousandths that a typical ask needs on a device, `wants` [3, M] devices, cpu, weight;
    `price` [S] of a device's scarcity, in 1/SCALE.
    Derived: `rest` [2, D], `enough` [N, M] devices that a typical ask could use, `slivers` [N, M] thousandths on those
    that it could not, `free` [N] thousandths in all, `waste` [N] weighted fragmentation.
    `knobs`: see `scoring.Knobs`. `steps`: thresholds of gain between scores; empty for equal steps.
    """

    first: Ints
    shape: Ints
    size: Ints
    usable: NDArray[np.uint8]
    multi: NDArray[np.uint8]
    left: Ints
    on: Ints
    room: Ints
    least: Ints
    wants: Ints
    price: Ints
    rest: Ints
    enough: Ints
    slivers: Ints
    free: Ints
    waste: Ints
    knobs: Ints
    steps: Ints


class Rows(NamedTuple):
    """Scores [K rows of asks, N nodes], brought up to date when they are looked at.

    `best` [K, N / BLOCK] is the highest score of each block of nodes. `seen` [K, 2] how far a row has read the
    `log` of changed nodes (a ring), and the epoch of the mix that it was scored with. `clock` is the position in the
    log, the epoch, and a counter for `stamp` [N], which marks nodes that were rescored already.
    """

    scores: NDArray[np.int32]
    best: NDArray[np.int32]
    seen: Ints
    log: Ints
    clock: Ints
    stamp: Ints
