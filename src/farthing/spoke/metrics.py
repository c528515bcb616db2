"""What Prometheus may read of a spoke. Names and meanings are listed in the reference, printed from here."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from farthing.ledger.budget import BURNS, Account
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Free

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one spoke, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.leading = Gauge("farthing_leading", "1 where this spoke decides, 0 where it stands by.", registry=registry)
        self.effects = Counter(
            "farthing_effects", "Effects carried out, by kind and outcome.", ["kind", "outcome"], registry=registry
        )
        self.cycle = Histogram("farthing_cycle_seconds", "Time to make one plan.", buckets=_FAST, registry=registry)
        self.apply = Histogram(
            "farthing_apply_seconds",
            "Time to carry out one effect, by kind.",
            ["kind"],
            buckets=_FAST,
            registry=registry,
        )
        self.requests = Histogram(
            "farthing_request_seconds",
            "Time of one write to the API server, by call.",
            ["call"],
            buckets=_FAST,
            registry=registry,
        )
        self.waiting = Gauge(
            "farthing_waiting_pods", "Pods that wait, by the reason's name.", ["why"], registry=registry
        )
        self.devices = Gauge("farthing_devices", "Devices that Farthing plans.", registry=registry)
        self.idle = Gauge("farthing_devices_idle", "Devices that nobody is on.", registry=registry)
        self.compute = Gauge("farthing_compute", "Compute, all devices together.", ["part"], registry=registry)
        self.memory = Gauge("farthing_memory_bytes", "Memory, all devices together.", ["part"], registry=registry)
        self.differences = Gauge(
            "farthing_audit_differences",
            "What the last audit found wrong with the books; 0 when all is well.",
            registry=registry,
        )
        self.faults = Gauge("farthing_inventory_faults", "Pools and devices left out as unusable.", registry=registry)
        self.log_bytes = Gauge(
            "farthing_meter_log_bytes", "Bytes of the meter's log that the ledger does not have yet.", registry=registry
        )
        self.unmetered = Gauge(
            "farthing_meter_blocked", "1 where the meter cannot write its log, as on a full disk.", registry=registry
        )
        self.budget_left = Gauge(
            "farthing_budget_left_ratio",
            "Part of a budget that is left in its period; negative where too much was spent.",
            ["budget", "team"],
            registry=registry,
        )
        self.budget_burning = Gauge(
            "farthing_budget_burning",
            "1 where a budget is spent too fast: by its last hour (fast) or its last six (slow).",
            ["budget", "team", "burn"],
            registry=registry,
        )
        self.budgets_unknown = Gauge(
            "farthing_budgets_unknown",
            "1 where the ledger could not be asked how budgets stand; they count as they were last known.",
            registry=registry,
        )
        self.unread_pages = Counter(
            "farthing_unread_pages", "Pages of metrics of pods that could not be read.", registry=registry
        )
        self.compiled = Gauge(
            "farthing_kernels_compiled",
            "1 where plans are made by compiled kernels, 0 where by numpy.",
            registry=registry,
        )
        self.unreadable = Counter("farthing_unreadable_objects", "Objects that could not be read.", registry=registry)

    def request_timer(self, call: str, seconds: float) -> None:
        """Note how long one write took."""
        self.requests.labels(call).observe(seconds)

    def show_budgets(self, accounts: Sequence[Account]) -> None:
        """Set the gauges about budgets."""
        self.budget_left.clear()
        self.budget_burning.clear()
        for account in accounts:
            names = account.budget.name, account.budget.team
            limit = account.budget.limit
            self.budget_left.labels(*names).set((limit - account.spent) / limit if limit else 0.0)
            for burn in BURNS:
                self.budget_burning.labels(*names, burn.name).set(burn.name in account.burns)

    def show_fleet(self, fleet: Fleet, free: Free) -> None:
        """Set the gauges about capacity."""
        self.devices.set(len(fleet.devices))
        self.idle.set(int((free.users == 0).sum()))
        self.faults.set(len(fleet.faults))
        for gauge, has, left in ((self.compute, fleet.compute, free.compute), (self.memory, fleet.memory, free.memory)):
            gauge.labels("capacity").set(int(has.sum()))
            gauge.labels("given").set(int(has.sum() - left.sum()))
