"""What is not settled: rated on the spot from what the meters have said, for any stretch of time.

Rating all devices of a large cluster takes seconds, so whoever is asked often keeps a `SoFar`, which remembers each day
for a short time.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cachetools import TTLCache
from sqlalchemy import Connection

from farthing.ledger.entry import charged
from farthing.ledger.interval import DAY
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import rate
from farthing.store.meters import known_of


class Line(NamedTuple):
    """What charges have in common that are summed up; `day` counts from 1970."""

    day: int
    cluster: str
    model: str
    kind: str
    team: str
    namespace: str
    workload: str
    isolation: str


class Sums(NamedTuple):
    """Micro-units, and quantities as in `Posting`."""

    amount: int
    milli_gpu_seconds: int
    mib_seconds: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some time of a cluster comes to; `unpriced` are sentences about devices without a price."""

    lines: tuple[tuple[Line, Sums], ...]
    unpriced: tuple[str, ...]


def rate_stretch(connection: Connection, prices: Prices, cluster: str, start: int, end: int) -> Stretch:
    """Rate a cluster from `start` to `end`, within one day."""
    sums: dict[Line, list[int]] = defaultdict(lambda: [0, 0, 0])
    unpriced: set[str] = set()
    for device, known in known_of(connection, cluster, None, start, end):
        try:
            rated = rate(start, end, known.supplies, known.intervals, prices)
        except UnpricedError as error:
            unpriced.add(f"{device}: {error}")
            continue
        for moved in charged(rated):
            named = (moved.kind, moved.team, moved.namespace, moved.workload, moved.isolation)
            found = sums[Line(start // DAY, cluster, rated.model if rated else "", *named)]
            for i, number in enumerate((moved.amount, moved.milli_gpu_seconds, moved.mib_seconds)):
                found[i] += number
    return Stretch(tuple((line, Sums(*numbers)) for line, numbers in sums.items()), tuple(sorted(unpriced)))


class SoFar:
    """Rates days, and remembers each for `keep_seconds` of the clock `steady`; by default not at all."""

    def __init__(self, keep_seconds: float = 0, steady: Callable[[], float] = lambda: 0.0) -> None:
        self._kept: TTLCache[tuple[str, int], Stretch] = TTLCache(maxsize=1000, ttl=keep_seconds, timer=steady)
        self._turn = threading.Lock()

    def day(self, connection: Connection, prices: Prices, cluster: str, day: int, watermark: int) -> Stretch:
        """What a day comes to, up to the watermark."""
        with self._turn:
            found = self._kept.get((cluster, day))
            if found is None:
                end = min((day + 1) * DAY, watermark)
                found = self._kept[cluster, day] = rate_stretch(connection, prices, cluster, day * DAY, end)
            return found
