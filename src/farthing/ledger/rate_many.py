"""The rating of `rate`, for many devices at once: the same numbers to the last unit, in arrays of 64 bits.

A *piece* is some time of one device in which nothing changes, a *stay* one interval's part in one piece. Devices that
are rare are left to `rate`: those with more than one supply, with capacity that is reserved or stranded, or with
numbers so large that products of them do not fit. A property test holds the two together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from farthing.ledger.interval import Interval, Supply
from farthing.ledger.money import HOUR, MICRO
from farthing.ledger.price import PriceBook, Prices, UnpricedError
from farthing.ledger.rate import Charge, Rated, dominant, mib_of, rate

Ints = NDArray[np.int64]

_LARGEST: Final = 2**62
_FEW: Final = 8
"""Devices for which arrays are not worth their making."""


class Device(NamedTuple):
    """All that is known of one device in the time to be rated."""

    name: str
    supplies: Sequence[Supply]
    intervals: Sequence[Interval]


class _Plain(NamedTuple):
    """A device that fits into the arrays: one supply all the time, shares only, and what each weighs."""

    place: int
    supply: Supply
    shares: list[Interval]
    weights: list[int]
    whole: int
    price: int


def rate_many(start: int, end: int, devices: Sequence[Device], prices: Prices) -> list[Rated | UnpricedError | None]:
    """What `rate` says of each device from `start` to `end`; an UnpricedError stands where a price is missing."""
    tariffs = _Tariffs(prices, start, end)
    plain = [one for i, device in enumerate(devices) if (one := _plain(i, device, tariffs)) is not None]
    found: list[Rated | UnpricedError | None] = [None] * len(devices)
    if len(plain) < _FEW:
        plain = []
    for one, rated in zip(plain, _rate(plain, tariffs), strict=True):
        found[one.place] = rated
    done = {one.place for one in plain}
    for i, device in enumerate(devices):
        if i not in done:
            found[i] = _alone(start, end, device, prices)
    return found


def _alone(start: int, end: int, device: Device, prices: Prices) -> Rated | UnpricedError | None:
    try:
        return rate(start, end, device.supplies, device.intervals, prices)
    except UnpricedError as error:
        return error


# What fits --------------------------------------------------------------------------------------------------------


class _Tariff(NamedTuple):
    """What a kind of device costs over the time: begins of pieces, their rates and books, by place."""

    starts: Ints
    rates: Ints
    books: tuple[PriceBook, ...]


class _Tariffs:
    """The tariffs that a rating needs, each worked out once; devices of a kind share one."""

    def __init__(self, prices: Prices, start: int, end: int) -> None:
        self.prices, self.start, self.end = prices, start, end
        self.known: list[_Tariff | None] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def of(self, supply: Supply) -> int:
        """The place of a supply's tariff; -1 where it is for `rate` to say what is wrong, or numbers are too large."""
        key = (supply.model, supply.cluster, supply.commitment, supply.spot)
        if key not in self._places:
            self._places[key] = len(self.known)
            self.known.append(self._made(supply))
        place = self._places[key]
        return -1 if self.known[place] is None else place

    def book(self, book: PriceBook) -> int:
        """The place of a book among all."""
        return self.prices.books.index(book)

    def factors(self, isolations: Sequence[str]) -> Ints:
        """What each book makes of each share, in millionths; of what is idle, after them, nothing."""
        kinds = sorted(set(isolations))
        kind_of = _array(kinds.index(isolation) for isolation in isolations)
        table = np.array([[book.factor(kind) for kind in kinds] for book in self.prices.books], np.int64)
        return np.hstack([table[:, kind_of], np.full((len(self.prices.books), 1), MICRO, np.int64)])

    def _made(self, supply: Supply) -> _Tariff | None:
        try:
            pieces = list(self.prices.rates(supply, self.start, self.end))
        except UnpricedError:
            return None
        if max(rate for _, _, rate, _ in pieces) * self.end >= _LARGEST:
            return None
        starts, rates = ([piece[i] for piece in pieces] for i in (0, 2))
        return _Tariff(np.array(starts, np.int64), np.array(rates, np.int64), tuple(piece[3] for piece in pieces))


def _plain(place: int, device: Device, tariffs: _Tariffs) -> _Plain | None:
    start, end = tariffs.start, tariffs.end
    if len(device.supplies) != 1:
        return None
    supply = device.supplies[0]
    if supply.start > start or (supply.end is not None and supply.end < end):
        return None
    price = tariffs.of(supply)
    shares = [i for i in device.intervals if i.start < end and (i.end is None or i.end > start)]
    if price < 0 or any(share.use != "share" for share in shares):
        return None
    shares.sort(key=lambda share: share.id)
    whole = (supply.compute or 1) * (supply.memory or 1)
    wanted = [dominant(share, supply, whole) for share in shares]
    unit = gcd(whole, *wanted)
    weights, whole = [weight // unit for weight in wanted], whole // unit
    if not _fits(tariffs, price, supply, shares, max(whole, sum(weights))):
        return None
    return _Plain(place, supply, shares, weights, whole, price)


def _fits(tariffs: _Tariffs, price: int, supply: Supply, shares: Sequence[Interval], whole: int) -> bool:
    tariff = tariffs.known[price]
    seconds = tariffs.end - tariffs.start
    most = int(tariff.rates.max()) * seconds // HOUR + 1 if tariff else 0
    books = tariff.books if tariff else ()
    factor = max((abs(factor - MICRO) for book in books for _, factor in book.isolation), default=0)
    mib = max([mib_of(supply), *map(mib_of, shares)])
    return max(most * max(whole, factor), 1000 * seconds * whole, mib * seconds * (len(shares) + 1)) < _LARGEST


# Arrays -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Pieces in the order of their devices and of time: whose, from when to when, cost, and the book by its place."""

    device: Ints
    start: Ints
    end: Ints
    cost: Ints
    book: Ints


@dataclass(frozen=True, slots=True)
class _Stays:
    """Who stays in which piece, in the order of pieces; the last stay of each is what is idle, the share `len(shares)`.

    `first` is where each piece's stays begin, `weight` what each weighs of its piece's `whole`.
    """

    piece: Ints
    share: Ints
    first: Ints
    weight: Ints
    whole: Ints

    def apportion(self, total: Ints) -> Ints:
        """Each piece's total shared out as `money.apportion` does it."""
        of_stay = total[self.piece]
        parts = of_stay * self.weight // self.whole[self.piece]
        rest = of_stay * self.weight - parts * self.whole[self.piece]
        short = total - np.add.reduceat(parts, self.first)
        order = np.lexsort((-rest, self.piece))  # stable: ties go to the first
        rank = np.arange(len(order)) - self.first[self.piece[order]]
        parts[order] += rank < short[self.piece[order]]
        return parts


def _rate(plain: Sequence[_Plain], tariffs: _Tariffs) -> Iterable[Rated]:
    if not plain:
        return []
    shares = [share for one in plain for share in one.shares]
    owner = np.repeat(np.arange(len(plain)), [len(one.shares) for one in plain])
    begins = _array(max(share.start, tariffs.start) for share in shares)
    ends = _array(tariffs.end if share.end is None else min(share.end, tariffs.end) for share in shares)
    pieces = _pieces(plain, tariffs, (owner, begins, ends))
    first, stays = _stays(plain, tariffs, pieces, (owner, begins, ends))
    sums = _sums(plain, shares, tariffs, pieces, stays)
    return _rated(plain, tariffs, shares, first, sums)


def _pieces(plain: Sequence[_Plain], tariffs: _Tariffs, stays: tuple[Ints, Ints, Ints]) -> _Pieces:
    owner, begins, ends = stays
    start, span = tariffs.start, tariffs.end - tariffs.start + 1
    price = _array(one.price for one in plain)
    cuts = [owner * span + begins - start, owner * span + ends - start, np.arange(len(plain)) * span + span - 1]
    for place, tariff in enumerate(tariffs.known):
        if tariff is not None:
            mine = np.flatnonzero(price == place)
            cuts.append((mine[:, None] * span + tariff.starts - start).ravel())
    keys = np.unique(np.concatenate(cuts))
    device, at = keys // span, keys % span + start
    inside = device[:-1] == device[1:]
    device, begin, until = device[:-1][inside], at[:-1][inside], at[1:][inside]
    rate, book = np.zeros_like(begin), np.zeros_like(begin)
    for place, tariff in enumerate(tariffs.known):
        if tariff is not None:
            mine = price[device] == place
            where = np.searchsorted(tariff.starts, begin[mine], side="right") - 1
            rate[mine] = tariff.rates[where]
            book[mine] = _array(tariffs.book(book) for book in tariff.books)[where]
    return _Pieces(device, begin, until, rate * until // HOUR - rate * begin // HOUR, book)


def _stays(
    plain: Sequence[_Plain], tariffs: _Tariffs, pieces: _Pieces, stays: tuple[Ints, Ints, Ints]
) -> tuple[Ints, _Stays]:
    """The first piece of each share, -1 where it has none; and all stays."""
    owner, begins, ends = stays
    start, span, count = tariffs.start, tariffs.end - tariffs.start + 1, len(pieces.device)
    keys = pieces.device * span + pieces.start - start
    first = np.searchsorted(keys, owner * span + begins - start)
    number = np.searchsorted(keys, owner * span + ends - start) - first
    share = np.concatenate([np.repeat(np.arange(len(owner)), number), np.full(count, len(owner))])
    offsets = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    piece = np.concatenate([np.repeat(first, number) + offsets, np.arange(count)])
    order = np.argsort(piece, kind="stable")
    piece, share = piece[order], share[order]
    begin = np.searchsorted(piece, np.arange(count))
    weight = np.append(_array(weight for one in plain for weight in one.weights), 0)[share]
    taken = np.add.reduceat(weight, begin)
    left = np.maximum(0, _array(one.whole for one in plain)[pieces.device] - taken)
    weight[share == len(owner)] = left
    return np.where(number > 0, first, -1), _Stays(piece, share, begin, weight, taken + left)


def _sums(
    plain: Sequence[_Plain], shares: Sequence[Interval], tariffs: _Tariffs, pieces: _Pieces, stays: _Stays
) -> list[Ints]:
    """For each share, and after them for what is idle on each device: money, adjustment, seconds, milli, MiB."""
    idle = stays.share == len(shares)
    slot = np.where(idle, len(shares) + pieces.device[stays.piece], stays.share)
    seconds = (pieces.end - pieces.start)[stays.piece]
    amount = stays.apportion(pieces.cost)
    factor = tariffs.factors([share.isolation for share in shares])[pieces.book[stays.piece], stays.share]
    mib = np.append(_array(mib_of(share) for share in shares), 0)[stays.share]
    memory = _array(mib_of(one.supply) for one in plain)[pieces.device]
    mib[idle] = np.maximum(0, memory - np.add.reduceat(mib, stays.first))
    milli = stays.apportion(1000 * (pieces.end - pieces.start))
    found = []
    for values in (amount, amount * (factor - MICRO) // MICRO, seconds, milli, mib * seconds):
        sums = np.zeros(len(shares) + len(plain), np.int64)
        np.add.at(sums, slot, values)
        found.append(sums)
    return found


def _rated(
    plain: Sequence[_Plain], tariffs: _Tariffs, shares: Sequence[Interval], first: Ints, sums: list[Ints]
) -> Iterable[Rated]:
    """Charges in the order in which they first appear; what is idle appears with the first piece, after its shares."""
    amounts, *others = (values.tolist() for values in sums)
    rows = list(zip(amounts, *others, strict=True))
    firsts: list[int] = first.tolist()
    begin = 0
    for place, one in enumerate(plain):
        mine = [i for i in range(begin, begin + len(one.shares)) if firsts[i] >= 0]
        begin += len(one.shares)
        mine.sort(key=firsts.__getitem__)
        charges = [Charge("share", shares[i], *rows[i]) for i in mine]
        at_once = sum(shares[i].start <= tariffs.start for i in mine)
        charges.insert(at_once, Charge("idle", None, *rows[len(shares) + place]))
        supply, tariff = one.supply, tariffs.known[one.price]
        books = tuple(sorted({book.version for book in tariff.books})) if tariff else ()
        cost = sum(charge.amount for charge in charges)
        yield Rated(
            supply.cluster, supply.device, tariffs.start, tariffs.end, supply.model, cost, tuple(charges), books
        )


def _array(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
