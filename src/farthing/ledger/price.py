"""What a device costs an hour: price books, their versions and windows.

A book is never edited. A later version takes its place from its `since` on, also where that lies in the past; what was
charged by the old one is then reversed and charged anew. Where several lines speak of a device, the one for its
commitment goes before the one for its cluster, that before the one for its model, and one with a window before one
without. Two that are equally narrow may not speak of the same minute.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from farthing.ledger.interval import DAY, Supply
from farthing.ledger.money import MICRO
from farthing.model.errors import NotFoundError

ANY: Final = ""
"""A line that names no model, cluster or commitment speaks of every model and cluster, and of uncommitted devices."""

MINUTES: Final = DAY // 60
"""Of a day."""

_THURSDAY: Final = 3
"""The weekday of 1970-01-01."""


class UnpricedError(NotFoundError):
    """No price book in force has a line for a device."""


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of the day in UTC, on some weekdays (0 is Monday). `start` > `end` goes on into the next day."""

    start: int = 0
    end: int = MINUTES
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Seconds of the week, from Monday's midnight, in which it is open."""
        for day in self.weekdays:
            begin = day * DAY + self.start * 60
            length = (self.end - self.start) % MINUTES * 60 or DAY
            for offset in (0, -7 * DAY):
                if begin + offset + length > 0 and begin + offset < 7 * DAY:
                    yield max(0, begin + offset), min(7 * DAY, begin + offset + length)


@dataclass(frozen=True, slots=True)
class Line:
    """`price` is micro-units a device and hour."""

    price: int
    model: str = ANY
    cluster: str = ANY
    commitment: str = ANY
    window: Window | None = None

    @property
    def narrow(self) -> tuple[bool, bool, bool, bool]:
        return (self.commitment != ANY, self.cluster != ANY, self.model != ANY, self.window is not None)

    def speaks_of(self, supply: Supply) -> bool:
        return (
            self.model in (ANY, supply.model)
            and self.cluster in (ANY, supply.cluster)
            and self.commitment in (ANY, supply.commitment)
        )


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices from `since` on. `spot` is the part of the price, in millionths, that devices of spot nodes cost.

    `isolation` are factors in millionths on what a share at that level is charged; the difference from what its part
    of the device costs is posted as an adjustment of its own.
    """

    version: int
    since: int
    currency: str
    lines: tuple[Line, ...]
    spot: int = MICRO
    isolation: tuple[tuple[str, int], ...] = ()

    def factor(self, isolation: str) -> int:
        """The factor of a level, in millionths."""
        return dict(self.isolation).get(isolation, MICRO)


@dataclass(frozen=True)
class Prices:
    """All versions of the price book, and what holds when."""

    books: tuple[PriceBook, ...] = ()
    _memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def in_force(self, start: int, end: int) -> Iterator[tuple[int, int, PriceBook]]:
        """The pieces of an interval and the book that holds in each: of those begun, the highest version."""
        cuts = sorted({start, end, *(book.since for book in self.books if start < book.since < end)})
        for begin, until in pairwise(cuts):
            begun = [book for book in self.books if book.since <= begin]
            if not begun:
                raise UnpricedError(f"no price book is in force on {instant_text(begin)}; add one that begins earlier")
            yield begin, until, max(begun, key=lambda book: book.version)

    def rates(self, supply: Supply, start: int, end: int) -> Iterator[tuple[int, int, int, PriceBook]]:
        """The pieces of an interval in which the price stands still: begin, end, micro-units an hour, the book."""
        for begin, until, book in self.in_force(start, end):
            week = self._week(book, supply)
            yield from ((a, b, rate, book) for a, b, rate in _unrolled(week, begin, until))

    def _week(self, book: PriceBook, supply: Supply) -> tuple[tuple[int, int, int], ...]:
        key = (book.version, supply.model, supply.cluster, supply.commitment, supply.spot)
        if key not in self._memo:
            self._memo[key] = _week(book, supply)
        return self._memo[key]  # type: ignore[no-any-return]


def _week(book: PriceBook, supply: Supply) -> tuple[tuple[int, int, int], ...]:
    """A week's pieces and their rates, neighbours of the same rate in one."""
    lines = sorted((line for line in book.lines if line.speaks_of(supply)), key=lambda line: line.narrow)
    if not lines or lines[0].window is not None:
        raise UnpricedError(
            f"price book {book.version} has no price for {supply.model or 'a device without a model'} in "
            f"{supply.cluster}{' at all hours' if lines else ''}; add a line without a window for it"
        )
    pieces = [(start, end, line.price) for line in lines for start, end in (line.window or Window()).pieces()]
    cuts = sorted({0, 7 * DAY, *(cut for start, end, _ in pieces for cut in (start, end))})
    week: list[tuple[int, int, int]] = []
    for start, end in pairwise(cuts):
        price = next(price for a, b, price in reversed(pieces) if a <= start and end <= b)
        rate = price * book.spot // MICRO if supply.spot else price
        if week and week[-1][2] == rate:
            start = week.pop()[0]  # noqa: PLW2901 -- the piece begins where its neighbour began
        week.append((start, end, rate))
    return tuple(week)


def _unrolled(week: tuple[tuple[int, int, int], ...], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """A week's pieces laid along the calendar from `start` to `end`."""
    if len(week) == 1:
        yield start, end, week[0][2]
        return
    shift = _THURSDAY * DAY
    monday = (start + shift) // (7 * DAY) * 7 * DAY - shift
    while monday < end:
        for a, b, rate in week:
            begin, until = max(start, monday + a), min(end, monday + b)
            if begin < until:
                yield begin, until, rate
        monday += 7 * DAY


def instant_text(at: int) -> str:
    """Seconds since 1970 as text, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
