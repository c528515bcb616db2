"""How much each share uses: samples by process, joined to shares by the pod whose cgroup the process is in.

A process outside of all pods, or of a pod that has no share of the device, is nobody's: it is counted as stray.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from farthing.node.devices import Device, Inventory, Sample
from farthing.node.limits import compute_of, memory_of
from farthing.node.share import Share

_POD: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
LABELS: Final = ("namespace", "claim", "share", "device", "uuid", "team", "isolation")


@dataclass(frozen=True)
class Use:
    """What one share uses: memory in bytes, time on the multiprocessors in thousandths of the device."""

    share: Share
    device: Device
    memory: int
    busy: int


def uses(samples: Iterable[Sample], shares: Sequence[Share], inventory: Inventory, proc: Path) -> tuple[Use, ...]:
    """The use of each share; one that uses nothing has zeros. `proc` is /proc of the host."""
    memory: dict[Share, int] = defaultdict(int)
    busy: dict[Share, int] = defaultdict(int)
    for sample in samples:
        pod = pod_of(sample.process, proc)
        owner = next((s for s in shares if s.device == sample.device and pod and pod in s.pods), None)
        if owner is not None:
            memory[owner] += sample.memory
            busy[owner] += sample.busy
    found = ((share, inventory.device(share.device)) for share in shares)
    return tuple(Use(share, device, memory[share], busy[share]) for share, device in found if device)


def pod_of(process: int, proc: Path) -> str:
    """The uid of the pod that a process belongs to, by its cgroup; empty where it is in none, or gone."""
    try:
        text = (proc / str(process) / "cgroup").read_text(encoding="utf-8")
    except OSError:
        return ""
    match = _POD.search(text)
    return match[1].replace("_", "-") if match else ""


class UseCollector:
    """The last uses, as Prometheus reads them: one series for each share of this node and metric."""

    def __init__(self) -> None:
        self.uses: tuple[Use, ...] = ()

    def collect(self) -> Iterator[Metric]:
        families = (
            ("farthing_share_memory_used_bytes", "Device memory that a share uses.", lambda u: u.memory),
            ("farthing_share_memory_bytes", "Device memory that a share has.", lambda u: memory_of(u.share, u.device)),
            ("farthing_share_busy_ratio", "Part of the time in which a share kept its device busy.", _busy),
            ("farthing_share_compute_ratio", "Part of the device's compute that a share has.", _compute),
        )
        for name, says, value in families:
            family = GaugeMetricFamily(name, says, labels=LABELS)
            for use in self.uses:
                family.add_metric(_labels(use), value(use))
            yield family


def _busy(use: Use) -> float:
    return use.busy / 1000


def _compute(use: Use) -> float:
    return compute_of(use.share, use.device) / 1000


def _labels(use: Use) -> tuple[str, ...]:
    share = use.share
    uuid = str(use.device.attributes.get("uuid", ""))
    return (share.claim.namespace, share.claim.name, share.share_id, share.device, uuid, share.team, share.level)
