"""Budgets in the database, and how they stand: what teams were charged in their periods, and lately.

Days that are settled are read from their sums; what came after them is rated on the spot, and only on devices that the
teams in question were on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from farthing.ledger.budget import WINDOWS, Account, Budget, Sum, account
from farthing.ledger.entry import charged
from farthing.ledger.interval import DAY
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import rate
from farthing.model.budget import line_of
from farthing.store.ask import Standing, standing
from farthing.store.database import Database
from farthing.store.ledger import read_prices
from farthing.store.meters import Known, known_of
from farthing.store.schema import budgets, daily, intervals

_AT_ONCE: Final = 1_000
"""Devices in one query."""

LAG_SECONDS: Final = 180
"""A meter speaks every minute at least. What was open when it spoke last is taken to go on for so long after that."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """All budgets, and up to when what was spent on each cluster is counted.

    `unpriced` are sentences about what has no price, and is not counted.
    """

    accounts: tuple[Account, ...]
    counted: Mapping[str, int]
    prices: Prices
    unpriced: tuple[str, ...]


def set_budgets(database: Database, wanted: Sequence[Budget]) -> None:
    """Let these be the budgets that the ledger holds, and no others."""
    rows = [{"name": budget.name, "content": msgspec.json.encode(budget).decode()} for budget in wanted]
    with database.writing() as connection:
        connection.execute(delete(budgets))
        if rows:
            connection.execute(insert(budgets), rows)


def read_budgets(database: Database) -> tuple[Budget, ...]:
    with database.reading() as connection:
        found = connection.scalars(select(budgets.c.content).order_by(budgets.c.name)).all()
    return tuple(msgspec.json.decode(content, type=Budget) for content in found)


def accounts(database: Database, wanted: Sequence[Budget], at: int, parents: Mapping[str, str]) -> Accounts:
    """How budgets stand at an instant, in order of their names."""
    with database.reading() as connection:
        asked = _Asked(connection, wanted, at, parents)
        found = tuple(
            account(budget, asked.currency, at, asked.since(budget.period(at // DAY)), asked.recent(), parents)
            for budget in sorted(wanted, key=lambda budget: budget.name)
        )
        return Accounts(found, asked.counted, asked.prices, tuple(sorted(asked.unpriced)))


class _Asked:
    """What one reading of the books has found out: what several budgets need is looked up once."""

    def __init__(self, connection: Connection, wanted: Iterable[Budget], at: int, parents: Mapping[str, str]) -> None:
        self._connection = connection
        self._named = {budget.team for budget in wanted}
        self._parents = parents
        self.prices = read_prices(connection)
        self.currency = self.prices.books[-1].currency if self.prices.books else ""
        self._standing = tuple(standing(connection))
        self.counted = {one.cluster: max(one.watermark, min(at, one.watermark + LAG_SECONDS)) for one in self._standing}
        self.unpriced: set[str] = set()
        self._known = {found.cluster: dict(self._lately(found)) for found in self._standing}
        self._periods: dict[tuple[int, int], Mapping[str, Sum]] = {}
        self._recent: Mapping[int, Mapping[str, Sum]] | None = None

    def since(self, period: tuple[int, int]) -> Mapping[str, Sum]:
        """What each team was charged in a period so far."""
        if period not in self._periods:
            first, end = period
            total = self._settled(first, end - 1)
            for found in self._standing:
                begin = max(first, found.settled_day + 1) * DAY
                self._rate(total, found.cluster, begin, min(end * DAY, self.counted[found.cluster]))
            self._periods[period] = total
        return self._periods[period]

    def recent(self) -> Mapping[int, Mapping[str, Sum]]:
        """What each team was charged within each window, back from where its cluster's counting ends."""
        if self._recent is None:
            self._recent = {window: self._within(window) for window in WINDOWS}
        return self._recent

    def _within(self, window: int) -> Mapping[str, Sum]:
        total: defaultdict[str, Sum] = defaultdict(Sum)
        for cluster, until in self.counted.items():
            self._rate(total, cluster, max(0, until - window), until)
        return total

    def _settled(self, first: int, last: int) -> defaultdict[str, Sum]:
        numbers = (func.sum(daily.c.amount), func.sum(daily.c.milli_gpu_seconds))
        query = select(daily.c.team, *numbers).where(daily.c.day >= first, daily.c.day <= last, daily.c.team != "")
        total: defaultdict[str, Sum] = defaultdict(Sum)
        for team, amount, milli in self._connection.execute(query.group_by(daily.c.team)):
            total[team] = Sum(int(amount), int(milli))
        return total

    def _lately(self, found: Standing) -> Iterator[tuple[str, Known]]:
        """All that is known, of what is not settled and of the longest window, of devices that the teams were on."""
        end = self.counted[found.cluster]
        start = min((found.settled_day + 1) * DAY, end - max(WINDOWS))
        devices = self._devices(found.cluster, start, end)
        for i in range(0, len(devices), _AT_ONCE):
            yield from known_of(self._connection, found.cluster, devices[i : i + _AT_ONCE], start, end)

    def _devices(self, cluster: str, start: int, end: int) -> list[str]:
        """The devices that the teams were on; found by when intervals end, which only few do after `start`."""
        query = select(intervals.c.cluster, intervals.c.device, intervals.c.team).where(intervals.c.start < end)
        still, since = query.where(intervals.c.end.is_(None)), query.where(intervals.c.end > start)
        found = set()
        for row in self._connection.execute(still.union(since)):
            if row.cluster == cluster and self._named.intersection(line_of(row.team, self._parents)):
                found.add(row.device)
        return sorted(found)

    def _rate(self, total: defaultdict[str, Sum], cluster: str, start: int, end: int) -> None:
        """Add what each team was charged in a piece of time, as if it ended with what is known."""
        for device, known in self._known[cluster].items() if start < end else ():
            try:
                rated = rate(start, end, known.supplies, known.intervals, self.prices)
            except UnpricedError as error:
                self.unpriced.add(f"{device}: {error}")
                continue
            for moved in charged(rated):
                total[moved.team] = total[moved.team].plus(Sum(moved.amount, moved.milli_gpu_seconds))
