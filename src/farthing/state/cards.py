"""Physical devices that are cut into partitions, which draw on the counters of their card."""

from collections import defaultdict
from typing import Final

from farthing.state.fleet import Fleet

CARD: Final = 1_000_000
"""The compute of a card that is cut into partitions."""


def drawn(fleet: Fleet, i: int) -> int:
    """The largest part of a counter that a device draws, in millionths, rounded down so that all fit the card.

    Counters that differ by a number only (`memory-slice-0` and so on) are one: each is a place on the card.
    """
    series: dict[str, int] = defaultdict(int)
    for counter, amount in fleet.consumes[i]:
        series[_series(fleet.counters[counter][3])] += amount
    sizes = _card_sizes(fleet, fleet.counters[fleet.consumes[i][0][0]][:3])
    return max((CARD * amount // sizes[name] for name, amount in series.items() if sizes.get(name)), default=CARD)


def _card_sizes(fleet: Fleet, card: tuple[str, ...]) -> dict[str, int]:
    """How much a card has of each series of counters."""
    key = ("card sizes", card)
    if key not in fleet.memo:
        sizes: dict[str, int] = defaultdict(int)
        for (*owner, counter), size in zip(fleet.counters, fleet.counter_size, strict=True):
            if tuple(owner) == card:
                sizes[_series(counter)] += int(size)
        fleet.memo[key] = dict(sizes)
    found: dict[str, int] = fleet.memo[key]
    return found


def _series(counter: str) -> str:
    return counter.rstrip("0123456789")
