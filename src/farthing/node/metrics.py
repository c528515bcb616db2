"""What Prometheus may read of a node driver."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from farthing.node.devices import Device, Inventory
from farthing.node.plugins import TAKEN
from farthing.node.use import UseCollector

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class NodeMetrics:
    """The metrics of one driver, in a registry of its own."""

    def __init__(self, *, dcgm: bool = False, node: str = "") -> None:
        self.registry = CollectorRegistry()
        self.calls = Histogram(
            "farthing_node_call_seconds",
            "Time of one claim in a call of kubelet, by call and outcome.",
            ["call", "outcome"],
            buckets=_FAST,
            registry=self.registry,
        )
        self.registered = Gauge(
            "farthing_node_registered", "1 where kubelet has taken the driver.", registry=self.registry
        )
        self.claims = Gauge("farthing_node_prepared_claims", "Claims that are prepared.", registry=self.registry)
        self.devices = Gauge(
            "farthing_node_devices",
            "Devices of the node, by state (well, warned, broken; taken: a device plugin has them, too).",
            ["state"],
            registry=self.registry,
        )
        self.blind = Counter("farthing_node_look_failures", "Looks at the devices that failed.", registry=self.registry)
        self.swept = Counter(
            "farthing_node_swept_claims", "Claims undone because nothing held them any more.", registry=self.registry
        )
        self.use = UseCollector(dcgm=dcgm, node=node)
        self.registry.register(self.use)

    def count(self, inventory: Inventory) -> None:
        """Count the devices by state."""
        states = [_state(device) for device in inventory.devices]
        for state in ("well", "warned", "broken", "taken"):
            self.devices.labels(state).set(states.count(state))


def _state(device: Device) -> str:
    if device.broken:
        return "taken" if device.broken.name == TAKEN else "broken"
    return "warned" if device.troubles else "well"
