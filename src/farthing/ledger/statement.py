"""A statement: what one team owes for one month, broken down by several things."""

from dataclasses import dataclass
from typing import Final

PARTS: Final = ("kind", "workload", "model", "cluster", "day")
"""What a statement is broken down by, each part adding up to the total."""


@dataclass(frozen=True)
class StatementLine:
    """One line. `cost` is exact decimal text; `gpu_hours` counts a device that is taken whole for an hour as 1."""

    name: str
    cost: str
    gpu_hours: float


@dataclass(frozen=True)
class StatementPart:
    """The whole amount, broken down by one thing: what kind of charge, workload, model, cluster or day."""

    by: str
    lines: tuple[StatementLine, ...]


@dataclass(frozen=True)
class Statement:
    """What a team owes for a month, corrections of closed months included.

    `closed`: the month is closed, and this is what will always be said of it. Of what is not settled yet, `not_settled`
    is the part of `total` that may change.
    """

    team: str
    month: str
    currency: str
    closed: bool
    total: str
    not_settled: str
    parts: tuple[StatementPart, ...]
