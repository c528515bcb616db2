"""How much each share uses: samples by process, joined to shares by the pod whose cgroup the process is in.

A process outside of all pods, or of a pod that has no share of the device, is nobody's: it is counted as stray.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from farthing.model.quantity import MIB
from farthing.node.devices import Device, Inventory, Sample
from farthing.node.limits import compute_of, memory_of
from farthing.node.share import Share

_POD: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_GENERATED: Final = re.compile(r"(?:-[bcdf-hj-np-tv-xz2456789]{5,10})?-[bcdf-hj-np-tv-xz2456789]{5}$|-\d+$")
LABELS: Final = ("namespace", "claim", "share", "team", "workload", "device", "uuid", "isolation")
DCGM_LABELS: Final = ("gpu", "UUID", "device", "modelName", "Hostname", "namespace", "pod")
MOST: Final = 512
"""Shares of a node that are shown, so that thousands of small ones cannot flood who reads the metrics."""


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


def workload_of(pods: Sequence[str]) -> str:
    """What pods of these names belong to: their name without what Kubernetes adds to a workload's.

    Names are made of an alphabet of consonants and digits (apimachinery's `rand`), so that `chat-b74c75468-4rv5k` is
    of `chat`, `train-wl6jb` of `train` and `index-0` of `index`. Pods of several workloads are of none.
    """
    found = {_GENERATED.sub("", pod) for pod in pods}
    return found.pop() if len(found) == 1 else ""


class UseCollector:
    """The last uses, as Prometheus reads them: one series for each share of this node and metric, `MOST` at most.

    With `dcgm`, the same under the names and labels that NVIDIA's dcgm-exporter uses, for dashboards that know those.
    """

    def __init__(self, *, dcgm: bool = False, node: str = "") -> None:
        self.uses: tuple[Use, ...] = ()
        self._dcgm = dcgm
        self._node = node

    def collect(self) -> Iterator[Metric]:
        shown = self.uses[:MOST]
        for name, says, value in _OWN:
            yield _family(name, says, LABELS, ((_labels(use), value(use)) for use in shown))
        unshown = "Shares of this node that have no series, since there are too many."
        yield GaugeMetricFamily("farthing_node_unshown_shares", unshown, value=len(self.uses) - len(shown))
        for name, says, value in _DCGM if self._dcgm else ():
            yield _family(name, says, DCGM_LABELS, ((self._dcgm_labels(use), value(use)) for use in shown))

    def _dcgm_labels(self, use: Use) -> tuple[str, ...]:
        a, share = use.device.attributes, use.share
        minor = str(a.get("minor", ""))
        pod = share.users[0] if share.users else ""
        of_gpu = (minor, _uuid(use), f"nvidia{minor}", str(a.get("productName", a.get("model", ""))), self._node)
        return (*of_gpu, share.claim.namespace, pod)


def _family(
    name: str, says: str, labels: Sequence[str], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, amount in samples:
        family.add_metric(values, amount)
    return family


def _busy(use: Use) -> float:
    return use.busy / 1000


def _compute(use: Use) -> float:
    return compute_of(use.share, use.device) / 1000


def _uuid(use: Use) -> str:
    return str(use.device.attributes.get("uuid", ""))


def _labels(use: Use) -> tuple[str, ...]:
    share = use.share
    whose = (share.claim.namespace, share.claim.name, share.share_id, share.team, workload_of(share.users))
    return (*whose, share.device, _uuid(use), share.level)


_OWN: Final[tuple[tuple[str, str, Callable[[Use], float]], ...]] = (
    ("farthing_share_memory_used_bytes", "Device memory that a share uses.", lambda use: use.memory),
    ("farthing_share_memory_bytes", "Device memory that a share has.", lambda use: memory_of(use.share, use.device)),
    ("farthing_share_busy_ratio", "Part of the time in which a share kept its device busy.", _busy),
    ("farthing_share_compute_ratio", "Part of the device's compute that a share has.", _compute),
)
_DCGM: Final[tuple[tuple[str, str, Callable[[Use], float]], ...]] = (
    ("DCGM_FI_DEV_FB_USED", "Device memory that a share uses, in MiB.", lambda use: use.memory / MIB),
    ("DCGM_FI_DEV_GPU_UTIL", "Time in which a share kept its device busy, in percent.", lambda use: use.busy / 10),
)
