"""What teams may still spend, as decisions see it: allowances and the prices of devices, as of one instant.

Money is micro-units of one currency, GPU time thousandths of a GPU times seconds, both whole numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, get_args

from farthing.model.quantity import MILLI_GPU_HOUR

OnExhausted = Literal["Warn", "Hold", "Stop"]
"""What an exhausted budget does: say so, hold new work, or hold new work and stop what runs."""

ON_EXHAUSTED: Final[tuple[OnExhausted, ...]] = get_args(OnExhausted)

MICRO: Final = 1_000_000

DEEPEST: Final = 64
"""Teams above one another; what goes on further is a circle."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What `team`, with the teams below it, may spend from `starts` until `resets` (seconds since 1970).

    `limit` and `spent` are micro-units of `currency`, or thousandths of a GPU times seconds where that is empty.
    `forecast`: work that by its hint would cost more than is left is not started.
    """

    name: str
    team: str
    currency: str
    limit: int
    spent: int
    starts: int
    resets: int
    on_exhausted: OnExhausted = "Hold"
    forecast: bool = True

    @property
    def left(self) -> int:
        """What is not spent; negative where too much was."""
        return self.limit - self.spent

    @property
    def holds(self) -> bool:
        """Whether it ever keeps work from starting."""
        return self.on_exhausted != "Warn"

    def as_of(self, at: float) -> "Allowance":
        """The allowance at a later instant: once its period is over it is whole again, for as long as before."""
        over = int(at) - self.resets
        if over < 0:
            return self
        length = self.resets - self.starts
        starts = self.resets + over // length * length
        return replace(self, spent=0, starts=starts, resets=starts + length)

    def amount(self, number: int) -> str:
        """So much of it, for a person: 12.50 GBP, or 3.2 GPU hours."""
        if self.currency:
            return f"{Decimal(number) / MICRO:,.2f} {self.currency}"
        return f"{Decimal(number) / MILLI_GPU_HOUR:,.1f} GPU hours"

    def until(self) -> str:
        """When it resets, for a person."""
        return datetime.fromtimestamp(self.resets, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True, eq=False)
class Budgets:
    """All allowances, with what decisions need to reckon with them.

    What was spent is counted up to the instant `counted`. `prices` are micro-units an hour by node and model of device,
    `factors` those of the levels of isolation, in millionths. `parents` is the tree of teams: each team's parent.
    """

    allowances: tuple[Allowance, ...]
    counted: float
    prices: Mapping[tuple[str, str], int] = field(default_factory=dict)
    factors: Mapping[str, int] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    def line(self, team: str) -> Iterator[str]:
        """The team, and those above it."""
        return line_of(team, self.parents)


def line_of(team: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A team, and those above it in the tree."""
    for _ in range(DEEPEST):
        yield team
        if team not in parents:
            return
        team = parents[team]
