"""Who may meet on one device. A table, not an accident.

| level | may be joined by | teams on it |
|---|---|---|
| shared | shared | one: memory is not protected, so neighbours must trust each other |
| soft | soft | one: the limits belong to one MPS daemon, and a daemon to one team |
| hard | hard | one, for the same reason |
| partition | partition | any: the hardware keeps them apart |

A device has one level at a time; to change it, it must be empty. The plan keeps the table for all devices at once
(`decide.sharing`), the node for what it prepares (`node.check`).
"""

from typing import Final

from farthing.model.ask import Isolation

MANY_TEAMS: Final[frozenset[Isolation]] = frozenset({"partition"})
"""Levels at which shares of different teams may be neighbours."""


def may_meet(level: Isolation, team: str, other: Isolation, other_team: str) -> bool:
    """Whether a share may be beside another one."""
    return level == other and (level in MANY_TEAMS or team == other_team)
