"""When running work ends, as far as anything is known: by what it says itself, or by what its team's work took before.

A pod that says how long it runs (`farthing.dev/duration`) is believed until that time is over. Of one that says
nothing, earlier pods of its team tell: those that ran longer than it has by now. Pods that serve (of a Deployment or a
StatefulSet) do not end by themselves.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from farthing.model.cluster import Pod
from farthing.state.residents import Finished

SERVING: Final = frozenset({"ReplicaSet", "StatefulSet", "ReplicationController", "DaemonSet"})
"""Controllers whose pods run until somebody ends them."""

FEWEST: Final = 3
"""So many earlier pods that ran longer say something; fewer do not."""


class Basis(StrEnum):
    """What an ending rests on."""

    HINT = "hint"
    HISTORY = "history"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Span:
    """How many seconds more a pod runs: at the least, likely, and at the most; None where nobody knows."""

    basis: Basis
    least: float | None = None
    likely: float | None = None
    most: float | None = None


UNKNOWN: Final = Span(Basis.UNKNOWN)


class History:
    """How long pods of each team ran, those that ended by themselves or failed on the way."""

    def __init__(self, finished: Iterable[Finished] = ()) -> None:
        found: dict[str, list[float]] = defaultdict(list)
        for one in finished:
            if not _serves(one.pod):
                found[one.team].append(one.seconds)
        self._seconds = {team: sorted(seconds) for team, seconds in found.items()}

    def count(self, team: str) -> int:
        """How many earlier pods of a team are known."""
        return len(self._seconds.get(team, ()))

    def left(self, pod: Pod, team: str, at: float) -> Span:
        """How much longer a pod runs at an instant; one that has not started starts then."""
        age = max(0.0, at - pod.started) if pod.started is not None else 0.0
        if pod.duration is not None and pod.duration > age:
            left = pod.duration - age
            return Span(Basis.HINT, left, left, left)
        longer = [seconds - age for seconds in self._seconds.get(team, ()) if seconds > age]
        if _serves(pod) or len(longer) < FEWEST:
            return UNKNOWN
        return Span(Basis.HISTORY, _quantile(longer, 10), _quantile(longer, 50), _quantile(longer, 90))


def _serves(pod: Pod) -> bool:
    return pod.owner is not None and pod.owner.kind in SERVING


def _quantile(ordered: list[float], percent: int) -> float:
    """The nearest-rank quantile."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
