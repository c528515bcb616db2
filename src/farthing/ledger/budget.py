"""Budgets: what a team may spend in a period, how it stands, and whether it is spent too fast.

A budget counts what the team and the teams below it are charged, in money or GPU time, by whole days in UTC.

Too fast is said as site reliability engineers alert on error budgets: where 2 % of the whole is spent within an hour,
or 5 % within six, and a twelfth of that time says so too, so that the alert ends soon after the spending. For 30 days
that is 14.4 and 6 times the even pace; for other lengths the pace scales with the period, and is never less than even.
Source: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, get_args

from farthing.ledger.fleet import physicals
from farthing.ledger.interval import DAY, Supply
from farthing.ledger.money import HOUR, MICRO, format_exact
from farthing.ledger.period import first_day, next_period, period_of
from farthing.ledger.price import Prices, UnpricedError
from farthing.model.budget import Allowance, OnExhausted, line_of
from farthing.model.quantity import MILLI_GPU_HOUR
from farthing.state.fleet import Fleet

Length = Literal["Month", "Quarter", "Days"]
LENGTHS: Final[tuple[Length, ...]] = get_args(Length)


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` is in micro-units of the ledger's currency, or, where `of_time`, in thousandths of a GPU times seconds.

    A period is a calendar month, a calendar quarter, or `days` days counted from the day `since` (since 1970). From
    the part `warn_at`, in millionths, on it warns.
    """

    name: str
    team: str
    limit: int
    of_time: bool = False
    length: Length = "Month"
    days: int = 0
    since: int = 0
    on_exhausted: OnExhausted = "Hold"
    forecast: bool = True
    warn_at: int = 800_000

    def period(self, day: int) -> tuple[int, int]:
        """The first day of the period that a day is in, and the first day after it."""
        if self.length == "Days":
            first = self.since + (day - self.since) // self.days * self.days
            return first, first + self.days
        months = 3 if self.length == "Quarter" else 1
        begin = period_of(day)
        begin = f"{begin[:4]}-{(int(begin[5:]) - 1) // months * months + 1:02d}"
        end = begin
        for _ in range(months):
            end = next_period(end)
        return first_day(begin), first_day(end)


class Sum(NamedTuple):
    """What was charged: micro-units, and thousandths of a GPU times seconds."""

    amount: int = 0
    milli_gpu_seconds: int = 0

    def plus(self, other: "Sum") -> "Sum":
        return Sum(self.amount + other.amount, self.milli_gpu_seconds + other.milli_gpu_seconds)


def of_budget(budget: Budget, by_team: Mapping[str, Sum], parents: Mapping[str, str]) -> int:
    """What teams were charged, as far as it counts for a budget, in its unit."""
    counted = (found for team, found in by_team.items() if budget.team in line_of(team, parents))
    return sum(found.milli_gpu_seconds if budget.of_time else found.amount for found in counted)


# Burning ----------------------------------------------------------------------------------------------------------


class Burn(NamedTuple):
    """Spending `part` (in millionths) of a budget within `seconds` is too fast."""

    name: str
    seconds: int
    part: int

    @property
    def short(self) -> int:
        """The end of the window that must say so too."""
        return self.seconds // 12


BURNS: Final = (Burn("fast", HOUR, 20_000), Burn("slow", 6 * HOUR, 50_000))

WINDOWS: Final = tuple(sorted({seconds for burn in BURNS for seconds in (burn.seconds, burn.short)}))
"""Seconds back from now for which it must be known what was spent."""


def burning(budget: Budget, length: int, spent: Mapping[int, int]) -> tuple[str, ...]:
    """The burns that go on; `length` of the period in seconds, `spent` within each of the `WINDOWS`."""
    return tuple(
        burn.name
        for burn in BURNS
        if budget.limit and all(_too_fast(budget, burn, length, window, spent) for window in (burn.seconds, burn.short))
    )


def _too_fast(budget: Budget, burn: Burn, length: int, window: int, spent: Mapping[int, int]) -> bool:
    """Whether so much was spent within a window as is too fast, or more than the even pace where that is faster."""
    if burn.part * length > burn.seconds * MICRO:
        return spent.get(window, 0) >= budget.limit * burn.part * window // (burn.seconds * MICRO)
    return spent.get(window, 0) > budget.limit * window // length


def pace(budget: Budget, length: int, window: int, spent: int) -> float:
    """How many times the even pace it is, to spend so much within a window."""
    return spent * length / (budget.limit * window) if budget.limit else 0.0


# How it stands ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """A budget at an instant: what is spent of the period from `starts` until `resets` (seconds since 1970).

    `burns` names the burns that go on, `paces` is how many times the even pace each of the `BURNS` is at. `forecast` is
    what will be spent when it resets, if the pace of the longest window goes on.
    """

    budget: Budget
    currency: str
    spent: int
    starts: int
    resets: int
    burns: tuple[str, ...] = ()
    paces: tuple[float, ...] = ()
    forecast: int = 0

    def exact(self, number: int) -> str:
        """An amount in the budget's unit as exact decimal text, GPU time in hours."""
        return format_exact(number * MICRO // MILLI_GPU_HOUR if self.budget.of_time else number)

    @property
    def state(self) -> Literal["ok", "warning", "exhausted"]:
        if self.spent >= self.budget.limit:
            return "exhausted"
        return "warning" if self.spent * MICRO >= self.budget.limit * self.budget.warn_at else "ok"

    @property
    def allowance(self) -> Allowance:
        """As decisions see it."""
        budget = self.budget
        return Allowance(
            name=budget.name,
            team=budget.team,
            currency="" if budget.of_time else self.currency,
            limit=budget.limit,
            spent=self.spent,
            starts=self.starts,
            resets=self.resets,
            on_exhausted=budget.on_exhausted,
            forecast=budget.forecast,
        )


def account(
    budget: Budget,
    currency: str,
    at: int,
    spent: Mapping[str, Sum],
    windows: Mapping[int, Mapping[str, Sum]],
    parents: Mapping[str, str],
) -> Account:
    """How a budget stands: what each team was charged in its period, and within each of the `WINDOWS`."""
    first, end = budget.period(at // DAY)
    length = (end - first) * DAY
    longest = WINDOWS[-1]
    recent = {window: of_budget(budget, by_team, parents) for window, by_team in windows.items()}
    return Account(
        budget=budget,
        currency=currency,
        spent=(so_far := of_budget(budget, spent, parents)),
        starts=first * DAY,
        resets=end * DAY,
        burns=burning(budget, length, recent),
        paces=tuple(round(pace(budget, length, burn.seconds, recent.get(burn.seconds, 0)), 2) for burn in BURNS),
        forecast=so_far + recent.get(longest, 0) * max(0, end * DAY - at) // longest,
    )


# Prices -----------------------------------------------------------------------------------------------------------


def prices_now(fleet: Fleet, cluster: str, prices: Prices, at: int) -> dict[tuple[str, str], int]:
    """What a device costs an hour at an instant, in micro-units, by node and model; without what has no price."""
    found: dict[tuple[str, str], int] = {}
    for supply in _kinds(fleet):
        key = (supply.node, supply.model)
        try:
            found[key] = next(iter(prices.rates(replace(supply, cluster=cluster), at, at + 1)))[2]
        except UnpricedError:
            continue
    return found


def factors_now(prices: Prices, at: int) -> dict[str, int]:
    """The factors of the levels of isolation at an instant, in millionths; none where no book is in force."""
    try:
        return {level: factor for _, _, book in prices.in_force(at, at + 1) for level, factor in book.isolation}
    except UnpricedError:
        return {}


def _kinds(fleet: Fleet) -> Iterable[Supply]:
    """One supply of each model on each node."""
    return {(p.supply.node, p.supply.model): p.supply for p in physicals(fleet)}.values()
