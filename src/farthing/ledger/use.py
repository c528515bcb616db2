"""What is used of what was granted, and what comes of it: samples of metrics, folded into sums by workload and day.

A node's driver says how much of each share is in use; what lies between two samples counts as the later one says. A
server of models counts tokens and requests; a counter that went back began anew. Nothing is made up: time for which
nobody said anything is granted and not measured.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple

from farthing.ledger.interval import DAY, USED_NUMBERS, Used
from farthing.model.quantity import MIB

LONGEST_GAP: Final = 120
"""Seconds; what lies between samples further apart is not known."""

LARGEST: Final = 1e15
"""No counter is believed beyond this."""

MEMORY_USED: Final = "farthing_share_memory_used_bytes"
MEMORY: Final = "farthing_share_memory_bytes"
BUSY: Final = "farthing_share_busy_ratio"
COMPUTE: Final = "farthing_share_compute_ratio"
OF_SHARES: Final = (MEMORY_USED, MEMORY, BUSY, COMPUTE)
"""What the node driver says of each share."""

OF_SERVERS: Final[Mapping[str, str]] = {
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generated_tokens",
    "vllm:request_success_total": "requests",
    "sglang:prompt_tokens_total": "prompt_tokens",
    "sglang:generation_tokens_total": "generated_tokens",
    "sglang:num_requests_total": "requests",
    "tgi_request_input_length_sum": "prompt_tokens",
    "tgi_request_generated_tokens_sum": "generated_tokens",
    "tgi_request_count": "requests",
}
"""Counters of servers of models, and what they count: vLLM, SGLang, Text Generation Inference."""


class Sample(NamedTuple):
    """One line of a page of metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


class Owner(NamedTuple):
    """Whose work it is."""

    team: str
    namespace: str
    workload: str


@dataclass(slots=True)
class _Sums:
    """As in `Used`, before rounding."""

    busy: float = 0.0
    granted: float = 0.0
    used_mib: float = 0.0
    granted_mib: float = 0.0
    prompt_tokens: float = 0.0
    generated_tokens: float = 0.0
    requests: float = 0.0


class UseMeter:
    """Sums what samples say, for one cluster. `shares`, `server`, `take` and `give_back` change it."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._sums: dict[tuple[int, Owner], _Sums] = defaultdict(_Sums)
        self._seen: dict[str, float] = {}
        self._counted: dict[tuple[str, str], float] = {}

    def shares(
        self, source: str, samples: Iterable[Sample], owners: Mapping[tuple[str, str], Owner], at: float
    ) -> None:
        """A node's driver said how its shares are used; `owners` by namespace and name of the claim."""
        before, self._seen[source] = self._seen.get(source), at
        if before is None or not 0 < at - before <= LONGEST_GAP:
            return
        seconds = at - before
        for sample in samples:
            owner = owners.get((sample.labels.get("namespace", ""), sample.labels.get("claim", "")))
            if owner is not None and _believable(sample.value):
                sums = self._sums[int(at) // DAY, owner]
                match sample.name:
                    case "farthing_share_busy_ratio":
                        sums.busy += min(1.0, sample.value) * 1000 * seconds
                    case "farthing_share_compute_ratio":
                        sums.granted += min(1.0, sample.value) * 1000 * seconds
                    case "farthing_share_memory_used_bytes":
                        sums.used_mib += sample.value / MIB * seconds
                    case "farthing_share_memory_bytes":
                        sums.granted_mib += sample.value / MIB * seconds

    def server(self, source: str, samples: Iterable[Sample], owner: Owner, at: float) -> None:
        """A server of models, the pod with the uid `source`, told its counters; series of one name are added up."""
        totals: dict[str, float] = defaultdict(float)
        for sample in samples:
            if sample.name in OF_SERVERS and _believable(sample.value):
                totals[sample.name] += sample.value
        for name, total in totals.items():
            before = self._counted.get((source, name))
            self._counted[source, name] = total
            if before is not None:
                more = total - before if total >= before else total
                sums, field = self._sums[int(at) // DAY, owner], OF_SERVERS[name]
                setattr(sums, field, getattr(sums, field) + more)

    def forget(self, sources: Iterable[str]) -> None:
        """Forget pods that are gone: keep only these sources."""
        kept = set(sources)
        self._seen = {source: at for source, at in self._seen.items() if source in kept}
        self._counted = {key: total for key, total in self._counted.items() if key[0] in kept}

    def take(self) -> tuple[Used, ...]:
        """What was summed since it was taken last, in whole units; what is left over stays."""
        found = []
        for (day, owner), sums in self._sums.items():
            whole = [int(getattr(sums, name)) for name in USED_NUMBERS]
            if any(whole):
                found.append(Used(self._cluster, day, owner.team, owner.namespace, owner.workload, *whole))
            for name, number in zip(USED_NUMBERS, whole, strict=True):
                setattr(sums, name, getattr(sums, name) - number)
        latest = max((day for day, _ in self._sums), default=0)
        self._sums = defaultdict(_Sums, {key: sums for key, sums in self._sums.items() if key[0] == latest})
        return tuple(found)

    def give_back(self, used: Iterable[Used]) -> None:
        """Take back what could not be written."""
        for one in used:
            sums = self._sums[one.day, Owner(one.team, one.namespace, one.workload)]
            for name in USED_NUMBERS:
                setattr(sums, name, getattr(sums, name) + getattr(one, name))


def _believable(value: float) -> bool:
    return isfinite(value) and 0 <= value <= LARGEST
