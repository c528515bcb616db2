"""Who may meet on one device, for many devices at once. The table is in `model.sharing`."""

from typing import Final

import numpy as np

from farthing.model.ask import Isolation
from farthing.model.sharing import MANY_TEAMS
from farthing.state.fleet import LEVEL_BIT, Bools
from farthing.state.snapshot import Free

ANY_TEAM: Final = -4
"""Stands for whichever team owns a device."""


def may_join(free: Free, isolation: Isolation, team: int, rows: slice) -> Bools:
    """For each device of `rows`, whether its neighbours there would let a share of this level and team in.

    `team` is an index into the snapshot's teams; -3 for one that holds nothing yet, ANY_TEAM for any.
    """
    empty = free.mode[rows] == 0
    same = free.mode[rows] == LEVEL_BIT[isolation]
    if isolation in MANY_TEAMS or team == ANY_TEAM:
        return np.asarray(empty | same)
    return np.asarray(empty | (same & (free.team[rows] == team)))
