"""The arrays that scoring works on: what nodes and devices have left, the mix of asks, and what follows from both.

Plain tuples of numpy arrays, so that compiled kernels (`kernels`) and numpy (`vectors`) share them. N nodes, D devices
in the order of their nodes, S shapes of devices, M typical asks. A *part* is in thousandths of a device; amounts come
in pairs, compute and memory.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from farthing.state.fleet import Ints

Floats = NDArray[np.float64]
Scores = NDArray[np.int32]
Flags = NDArray[np.uint8]

NOBODY_CAN: Final = 1 << 20
"""A part that no device has: of shapes that an ask cannot use."""

IMPOSSIBLE: Final = -(1 << 31)
"""The score of a node that cannot take an ask."""

SCALE: Final = 1 << 16
"""The weights of a mix add up to about this, and gains are in parts times this: all are whole numbers below 2^53."""

BLOCK: Final = 64
"""So many nodes share one entry of `Rows.best`."""

RANKS: Final = 16
"""Scores count steps of gain times this; what is between two steps tells devices of different sizes apart."""

MOST_CPU: Final = 1 << 50
"""Thousandths of a core; nodes that claim more are reckoned to have this, so that products fit 64 bits."""

COUNT, WHOLE, LEVEL, ANY_TEAM, TEAM, CPU, MEMORY = range(7)
"""The fields of an ask as kernels read it: devices; whether they must be empty; the bit of its isolation; whether any
team may be beside it there; its own team; thousandths of a core and bytes of its pod."""

CPU_PER_GPU, STRAND, STEP = range(3)
"""The fields of `Board.knobs`: thousandths of a core that a GPU needs, the price of a stranded part, the size of a
step between scores (the latter two times SCALE)."""


class Board(NamedTuple):
    """The state of a fleet for scoring.

    Of the fleet: `first` [N + 1] the first device of each node, `shape` [D], `size` [2, S] what a shape has, `usable`
    [D] whether anybody can be given a part, `multi` [D] whether several can, `domains` [L, D] which devices are close
    to each other, closest first (-1: not known).
    What is left: `left` [2, D], `on` [3, D] users, mode and team as in `Free`, `room` [3, N] cpu, memory, pods.
    Of the mix: `least` [S, M] the part that a typical ask needs of a device, `wants` [3, M] its devices, cpu, weight,
    `price` [S] of a part, `rank` [S]: of equal gains those of the highest rank go first, `knobs`,
    `steps` the gains from which each higher score starts (empty: equal steps).
    `alike` [N]: nodes with one number are in one state, as those of one make are before anybody comes; -1: none is.
    Derived: `rest` [2, D] the parts left, `enough` [N, M] devices that a typical ask could use, `slivers` [N, M] the
    parts on those that it could not, `free` [N] the parts in all, `waste` [N] those that are of no use, by weight.
    """

    first: Ints
    shape: Ints
    size: Ints
    usable: Flags
    multi: Flags
    domains: Ints
    left: Ints
    on: Ints
    room: Ints
    least: NDArray[np.int32]
    wants: Floats
    price: Floats
    rank: Ints
    knobs: Ints
    steps: Floats
    alike: Ints
    rest: Ints
    enough: NDArray[np.int32]
    slivers: NDArray[np.int32]
    free: Ints
    waste: Floats


class Rows(NamedTuple):
    """Scores of asks on nodes [K, N], each row brought up to date when it is looked at.

    `best` [K, N / BLOCK] is the highest score in each block of nodes. `log` is a ring of the nodes that changed;
    `clock` how much was ever written to it, the epoch of the mix, and a counter for `stamp` [N], which keeps nodes from
    being rescored twice. `seen` [K, 2] is what a row has read of log and epoch. `todo`, `fresh`, `chosen` and `same`
    [N] are scratch: nodes to rescore, their scores, the devices, and the scores of nodes that are alike.
    """

    scores: Scores
    best: Scores
    seen: Ints
    log: Ints
    clock: Ints
    stamp: Ints
    todo: Ints
    fresh: Scores
    chosen: Ints
    same: Scores


class Asked(NamedTuple):
    """One ask, and the one that its row of scores is for, which may stand for several.

    `ask` [7] are the fields above. `wants` [4, S] is what it takes of a device of each shape, in the driver's units and
    as parts; `takes` [2, S] the former with devices that only one can use taken entirely. `ok` [D] says which devices
    it may have at all.
    """

    ask: Ints
    wants: Ints
    takes: Ints
    ok: Flags
    row_ask: Ints
    row_wants: Ints
