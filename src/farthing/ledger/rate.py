"""What one device costs over some time, and who owes which part: pure arithmetic on integers.

At every instant the device's price is shared out among everything on it, to the micro-unit:

    allocated + reserved + stranded + idle == capacity

A share's part is its dominant share, the larger of its parts of the device's compute and memory. Where the parts come
to more than the device (shares that want much of different things), all are reduced in proportion. What is reserved or
stranded takes of what the shares leave; idle is the rest. GPU time is shared out by the same rule.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from farthing.ledger.interval import USES, Interval, IntervalId, Supply
from farthing.ledger.money import MICRO, accrued, apportion
from farthing.ledger.price import PriceBook, Prices
from farthing.model.quantity import MIB

Kind = Literal["share", "reserved", "stranded", "idle"]


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


@dataclass(slots=True)
class _Account:
    """One device's rating while it grows."""

    sums: dict[IntervalId | None, _Sum] = field(default_factory=dict)
    cost: int = 0
    books: set[int] = field(default_factory=set)

    def add(self, held: Sequence[Interval], supply: Supply, piece: tuple[int, int, int, PriceBook]) -> None:
        """Share out a piece of time in which nothing changes."""
        start, end, rate, book = piece
        cost, seconds = accrued(rate, start, end), end - start
        self.cost += cost
        self.books.add(book.version)
        weights = _weights(held, supply)
        amounts, millis = apportion(cost, weights), apportion(1000 * seconds, weights)
        mib_left = supply.memory // MIB
        for interval, amount, milli in zip(held, amounts, millis, strict=False):
            found = self._sum(interval.use, interval)
            mib = interval.memory // MIB if interval.use == "share" else min(interval.memory // MIB, mib_left)
            mib_left = max(0, mib_left - mib)
            found.amount += amount
            found.seconds += seconds
            found.milli += milli
            found.mib += mib * seconds
            if interval.use == "share" and (factor := book.factor(interval.isolation)) != MICRO:
                found.adjustment += amount * (factor - MICRO) // MICRO
        idle = self._sum("idle", None)
        idle.amount += amounts[-1]
        idle.seconds += seconds
        idle.milli += millis[-1]
        idle.mib += mib_left * seconds

    def _sum(self, kind: Kind, interval: Interval | None) -> _Sum:
        key = interval.id if interval else None
        found = self.sums.get(key)
        if found is None:
            found = self.sums[key] = _Sum(kind, interval)
        return found


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
        for piece in prices.rates(supply, begin, until):
            for a, b in _cut(piece[0], piece[1], cuts):
                held = [i for i in ordered if i.start <= a and (i.end is None or i.end >= b)]
                account.add(held, supply, (a, b, *piece[2:]))
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
    inner = [cut for cut in cuts if start < cut < end]
    return zip([start, *inner], [*inner, end], strict=True)


def _weights(held: Sequence[Interval], supply: Supply) -> list[int]:
    """What each interval weighs, and last what is idle; together the device, or more where shares want more."""
    whole = (supply.compute or 1) * (supply.memory or 1)
    left = whole
    weights = []
    for interval in held:
        wanted = _dominant(interval, supply, whole)
        weight = wanted if interval.use == "share" else min(wanted, left)
        left = max(0, left - weight)
        weights.append(weight)
    return [*weights, left]


def _dominant(interval: Interval, supply: Supply, whole: int) -> int:
    """The larger of an interval's parts of compute and memory, as parts of `whole`; all where the device says none."""
    if not (supply.compute or supply.memory):
        return whole
    compute = interval.compute * (supply.memory or 1) if supply.compute else 0
    memory = interval.memory * (supply.compute or 1) if supply.memory else 0
    return min(whole, max(compute, memory))
