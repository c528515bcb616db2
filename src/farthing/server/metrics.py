"""The ledger as Prometheus metrics: who holds what, what it costs an hour, what is left of budgets, how fresh it is.

However many teams there are, at most `MOST_SERIES` pairs of team and model are shown for a cluster, those that cost
most. The others are one, `(other)`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cachetools import TTLCache
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from farthing.ledger.budget import Account
from farthing.ledger.interval import DAY
from farthing.ledger.money import MICRO
from farthing.model.quantity import MILLI_GPU_HOUR
from farthing.store.ask import standing
from farthing.store.budgets import accounts, read_budgets
from farthing.store.ledger import Ledger, read_prices
from farthing.store.now import Held, look

MOST_SERIES: Final = 500
OTHER: Final = "(other)"
KEEP_SECONDS: Final = 15.0

_BY: Final = ("cluster", "team", "model")


Left = Mapping[tuple[str, str, str], float]
"""What is left, by budget, team and unit."""


def no_budgets() -> Left:
    """Where no budgets are kept."""
    return {}


def budgets_left(ledger: Ledger, at: int) -> Left:
    """What is left of the budgets that the ledger holds, at an instant; each team for itself, without the tree."""
    found = accounts(ledger.database, read_budgets(ledger.database), at, {}).accounts
    return dict(map(_left, found))


def _left(found: Account) -> tuple[tuple[str, str, str], float]:
    unit, size = ("GPU-hours", MILLI_GPU_HOUR) if found.budget.of_time else (found.currency, MICRO)
    return (found.budget.name, found.budget.team, unit), (found.budget.limit - found.spent) / size


class LedgerMetrics(Collector):
    """Looks at the ledger when it is scraped, at most every 15 seconds; `budgets` says what is left of them."""

    def __init__(
        self, ledger: Ledger | None, steady: Callable[[], float], budgets: Callable[[], Left] = no_budgets
    ) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._kept: TTLCache[str, list[GaugeMetricFamily]] = TTLCache(1, KEEP_SECONDS, steady)
        self._turn = threading.Lock()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Every metric without a value, so that nothing is read when it is registered."""
        yield from _Families().all()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric as it is now."""
        with self._turn:
            found = self._kept.get("")
            if found is None:
                found = self._kept[""] = self._look()
        yield from found

    def _look(self) -> list[GaugeMetricFamily]:
        families = _Families()
        if self._ledger is not None:
            with self._ledger.database.reading() as connection:
                prices = read_prices(connection)
                currency = prices.books[-1].currency if prices.books else ""
                for where in standing(connection):
                    if where.retired is not None:  # nothing is held, and nobody waits for news of it
                        continue
                    families.settled.add_metric([where.cluster], (where.settled_day + 1) * DAY)
                    families.heard.add_metric([where.cluster], where.watermark)
                    families.missing.add_metric([where.cluster], where.missing)
                    now = look(connection, prices, where.cluster)
                    families.unpriced.add_metric([where.cluster], now.unpriced)
                    for (team, model), held in bounded(now.held).items():
                        families.add([where.cluster, team, model], currency, held)
            for labels, left in sorted(self._budgets().items())[:MOST_SERIES]:
                families.budget.add_metric(labels, left)
        return families.all()


def bounded(held: Mapping[tuple[str, str], Held]) -> dict[tuple[str, str], Held]:
    """The dearest pairs of team and model, and the others summed up."""
    ordered = sorted(held.items(), key=lambda item: (-item[1].cost, item[0]))
    shown = dict(ordered[:MOST_SERIES])
    for _, more in ordered[MOST_SERIES:]:
        other = shown.setdefault((OTHER, OTHER), Held())
        other.cost += more.cost
        other.milli_gpus += more.milli_gpus
        other.mib += more.mib
        other.shares += more.shares
    return shown


class _Families:
    """The metrics, while they are filled."""

    def __init__(self) -> None:
        self.cost = GaugeMetricFamily(
            "farthing_cost_per_hour",
            "What is held costs so much an hour, if nothing changes; (idle) and (stranded) are of no team.",
            labels=[*_BY, "currency"],
        )
        self.gpus = GaugeMetricFamily(
            "farthing_allocated_gpus", "GPUs held, fractions by their dominant share.", labels=_BY
        )
        self.memory = GaugeMetricFamily("farthing_allocated_memory_bytes", "Memory held.", labels=_BY)
        self.shares = GaugeMetricFamily("farthing_allocated_shares", "Shares held.", labels=_BY)
        self.budget = GaugeMetricFamily(
            "farthing_budget_left",
            "What is left of a budget that the ledger holds; negative where too much was spent.",
            labels=["budget", "team", "unit"],
        )
        self.settled = GaugeMetricFamily(
            "farthing_ledger_settled_timestamp_seconds", "The books are settled up to here.", labels=["cluster"]
        )
        self.heard = GaugeMetricFamily(
            "farthing_ledger_heard_timestamp_seconds", "Everything up to here has been reported.", labels=["cluster"]
        )
        self.missing = GaugeMetricFamily(
            "farthing_ledger_missing_batches",
            "Batches that have not arrived although later ones have.",
            labels=["cluster"],
        )
        self.unpriced = GaugeMetricFamily(
            "farthing_ledger_unpriced_devices", "Devices that have no price now.", labels=["cluster"]
        )

    def all(self) -> list[GaugeMetricFamily]:
        return list(vars(self).values())

    def add(self, labels: list[str], currency: str, held: Held) -> None:
        self.cost.add_metric([*labels, currency], held.cost / MICRO)
        self.gpus.add_metric(labels, held.milli_gpus / 1000)
        self.memory.add_metric(labels, held.mib * 2**20)
        self.shares.add_metric(labels, held.shares)
