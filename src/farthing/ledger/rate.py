"""What one device costs over some time, and who owes which part: pure arithmetic on integers.

At every instant the device's price is shared out among everything on it, to the micro-unit:

    allocated + reserved + stranded + idle == capacity

A share's part is its dominant share, the larger of its parts of the device's compute and memory. Where the parts come
to more than the device (shares that want much of different things), all are reduced in proportion. What is reserved or
stranded takes of what the shares leave; idle is the rest. GPU time is shared out by the same rule.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import gcd
from typing import Final, Literal, NamedTuple

from farthing.ledger.interval import USES, Interval, IntervalId, Supply
from farthing.ledger.money import MICRO, accrued, apportion
from farthing.ledger.price import PriceBook, Prices
from farthing.model.quantity import MIB

Kind = Literal["share", "reserved", "stranded", "idle"]

_MOST_MIB: Final = 1 << 30
"""A PiB. A driver that says that a device has more is wrong, and sums of a day must fit the database."""

_IDLE: Final = -1
"""The place of what is idle among the sums; intervals have theirs in their order."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One part of a device's cost, in micro-units. `interval` is None where it is idle.

    `adjustment` comes on top where the price book has a factor for the level of isolation. `seconds` is how long it
    was there, `milli_gpu_seconds` its part of the device times that, `mib_seconds` its memory times that.
    """

    kind: Kind
    interval: Interval | None
    amount: int
    adjustment: int
    seconds: int
    milli_gpu_seconds: int
    mib_seconds: int


@dataclass(frozen=True, slots=True)
class Rated:
    """A device from `start` to `end`: what it cost, and the charges that add up to that."""

    cluster: str
    device: str
    start: int
    end: int
    model: str
    cost: int
    charges: tuple[Charge, ...]
    books: tuple[int, ...]


@dataclass(slots=True)
class _Sum:
    kind: Kind
    interval: Interval | None
    amount: int = 0
    adjustment: int = 0
    seconds: int = 0
    milli: int = 0
    mib: int = 0


class _Part(NamedTuple):
    """What an interval wants of a device while it lasts: `weight` of the device's, and MiB."""

    place: int
    start: int
    end: int
    weight: int
    mib: int
    interval: Interval


@dataclass(slots=True)
class _Account:
    """One device's rating while it grows. Months have millions of pieces of time, so this is written to be quick."""

    sums: dict[int, _Sum] = field(default_factory=dict)
    cost: int = 0
    books: set[int] = field(default_factory=set)

    def add(self, held: Sequence[_Part], whole: tuple[int, int], piece: tuple[int, int, int, PriceBook]) -> None:
        """Share out a piece of time in which nothing changes; `whole` is the device's weight and MiB."""
        start, end, rate, book = piece
        cost, seconds = accrued(rate, start, end), end - start
        self.cost += cost
        self.books.add(book.version)
        left, mib_left = whole
        weights = []
        for _, _, _, wanted, _, interval in held:
            weight = wanted if interval.use == "share" else min(wanted, left)
            left = max(0, left - weight)
            weights.append(weight)
        weights.append(left)
        amounts, millis = apportion(cost, weights), apportion(1000 * seconds, weights)
        for i, (place, _, _, _, mib, interval) in enumerate(held):
            found = self.sums.get(place)
            if found is None:
                found = self.sums[place] = _Sum(interval.use, interval)
            if interval.use != "share":
                mib = min(mib, mib_left)  # noqa: PLW2901 -- of what is left only
            elif book.isolation and (factor := book.factor(interval.isolation)) != MICRO:
                found.adjustment += amounts[i] * (factor - MICRO) // MICRO
            mib_left = max(0, mib_left - mib)
            found.amount += amounts[i]
            found.seconds += seconds
            found.milli += millis[i]
            found.mib += mib * seconds
        idle = self.sums.get(_IDLE)
        if idle is None:
            idle = self.sums[_IDLE] = _Sum("idle", None)
        idle.amount += amounts[-1]
        idle.seconds += seconds
        idle.milli += millis[-1]
        idle.mib += mib_left * seconds


def rate(
    start: int, end: int, supplies: Sequence[Supply], intervals: Iterable[Interval], prices: Prices
) -> Rated | None:
    """Rate one device from `start` to `end`; None where it was not there at all.

    All supplies and intervals are of the one device; an `end` of None means until `end`. Of supplies that overlap the
    one that began last counts. Time in which a share is held but no device is there costs nobody anything.
    UnpricedError where a price is missing.
    """
    account = _Account()
    ordered = sorted((i for i in intervals if i.start < end and (i.end is None or i.end > start)), key=_order)
    cuts = sorted({cut for i in ordered for cut in (i.start, i.end) if cut is not None and start < cut < end})
    for begin, until, supply in supplied(supplies, start, end):
        parts, whole = _parts(ordered, supply, end)
        for first, after, hourly, book in prices.rates(supply, begin, until):
            for a, b in _cut(first, after, cuts):
                held = [part for part in parts if part[1] <= a and part[2] >= b]
                account.add(held, whole, (a, b, hourly, book))
    if not account.sums:
        return None
    last = max(supplies, key=lambda supply: supply.start)
    charges = tuple(
        Charge(s.kind, s.interval, s.amount, s.adjustment, s.seconds, s.milli, s.mib) for s in account.sums.values()
    )
    return Rated(last.cluster, last.device, start, end, last.model, account.cost, charges, tuple(sorted(account.books)))


def supplied(supplies: Iterable[Supply], start: int, end: int) -> Iterator[tuple[int, int, Supply]]:
    """The pieces of time in which the device was there, each with the supply that counts."""
    here = [s for s in supplies if s.start < end and (s.end is None or s.end > start)]
    cuts = sorted({start, end, *(c for s in here for c in (s.start, s.end) if c is not None and start < c < end)})
    for a, b in pairwise(cuts):
        there = [s for s in here if s.start <= a and (s.end is None or s.end >= b)]
        if there:
            yield a, b, max(there, key=lambda s: s.start)


def _order(interval: Interval) -> tuple[int, IntervalId]:
    return USES.index(interval.use), interval.id


def _cut(start: int, end: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    return zip([start, *inner], [*inner, end], strict=True)


def _parts(ordered: Sequence[Interval], supply: Supply, end: int) -> tuple[list[_Part], tuple[int, int]]:
    """What each interval wants of the device, and what the device is: weights have no common divisor, to be small."""
    whole = (supply.compute or 1) * (supply.memory or 1)
    wanted = [dominant(interval, supply, whole) for interval in ordered]
    unit = gcd(whole, *wanted)
    parts = [
        _Part(
            i,
            interval.start,
            end if interval.end is None else interval.end,
            weight // unit,
            mib_of(interval),
            interval,
        )
        for i, (interval, weight) in enumerate(zip(ordered, wanted, strict=True))
    ]
    return parts, (whole // unit, mib_of(supply))


def mib_of(thing: Interval | Supply) -> int:
    """Its memory in MiB, as far as it can be believed."""
    return min(thing.memory // MIB, _MOST_MIB)


def dominant(interval: Interval, supply: Supply, whole: int) -> int:
    """The larger of an interval's parts of compute and memory, as parts of `whole`; all where the device says none."""
    if not (supply.compute or supply.memory):
        return whole
    compute = interval.compute * (supply.memory or 1) if supply.compute else 0
    memory = interval.memory * (supply.compute or 1) if supply.memory else 0
    return min(whole, max(compute, memory))
