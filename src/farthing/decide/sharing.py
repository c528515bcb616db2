"""Who may meet on one device. A table, not an accident.

| level | may be joined by | teams on it |
|---|---|---|
| shared | shared | one: memory is not protected, so neighbours must trust each other |
| soft | soft | one: the limits belong to one MPS daemon, and a daemon to one team |
| hard | hard | one, for the same reason |
| partition | partition | any: the hardware keeps them apart |

A device has one level at a time; to change it, it must be empty.
"""

from typing import Final

import numpy as np

from farthing.model.ask import Isolation
from farthing.state.fleet import LEVEL_BIT, Bools
from farthing.state.snapshot import Free

ANY_TEAM: Final = -4
"""Stands for whichever team owns a device."""

MANY_TEAMS: Final[frozenset[Isolation]] = frozenset({"partition"})
"""Levels at which shares of different teams may be neighbours."""


def may_join(free: Free, isolation: Isolation, team: int, rows: slice) -> Bools:
    """For each device of `rows`, whether its neighbours there would let a share of this level and team in.

    `team` is an index into the snapshot's teams; -3 for one that holds nothing yet, ANY_TEAM for any.
    """
    empty = free.mode[rows] == 0
    same = free.mode[rows] == LEVEL_BIT[isolation]
    if isolation in MANY_TEAMS or team == ANY_TEAM:
        return np.asarray(empty | same)
    return np.asarray(empty | (same & (free.team[rows] == team)))
