"""What arrives and leaves when: the events of each mode, from a list of pods and a seed."""

import heapq
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from farthing.decide.needs import Need
from farthing.files.pods import TracePod
from farthing.model.ask import Ask
from farthing.model.cluster import DEVICE_CLASS
from farthing.model.errors import InvalidError
from farthing.model.quantity import MIB, MilliGpu
from farthing.state.mix import AskClass

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Pods that ask for the same; one object for all of them.

    `cpu` in thousandths of a core, `memory` in bytes, `milli` in thousandths of a GPU in all. `need` is None where that
    is none, `asks` also where the mix does not count it. `team` is a number: who shares devices with whom.
    """

    need: Need | None
    cpu: int
    memory: int
    milli: int
    asks: AskClass | None
    team: int = 0


class Arrival(NamedTuple):
    """A pod that comes at an instant (seconds; 0 where time does not matter) and stays for so many seconds."""

    name: str
    kind: Kind
    at: float = 0.0
    stays: float = float("inf")


def arrivals(pods: Sequence[TracePod]) -> list[Arrival]:
    """The pods of a list as arrivals, in its order, at the instants that it gives."""
    kinds: dict[tuple[object, ...], Kind] = {}
    found = []
    for pod in pods:
        key = (pod.cpu_milli, pod.memory_mib, pod.gpus, pod.gpu_milli, pod.models)
        if key not in kinds:
            kinds[key] = _kind(pod)
        found.append(Arrival(pod.name, kinds[key], pod.arrives, max(0.0, pod.leaves - pod.arrives)))
    return found


def _kind(pod: TracePod) -> Kind:
    memory = pod.memory_mib * MIB
    if not pod.gpus:
        return Kind(None, pod.cpu_milli, memory, 0, None)
    ask = Ask(count=pod.gpus, milli=MilliGpu(pod.gpu_milli), models=tuple(sorted(m.lower() for m in pod.models)))
    need = Need(ask.count, DEVICE_CLASS, ask)
    return Kind(need, pod.cpu_milli, memory, pod.total_milli, AskClass(ask, pod.cpu_milli))


def fill(pods: Sequence[Arrival], seed: int, wanted: float) -> list[Arrival]:
    """The fill-up protocol of the FGD paper: the pods shuffled, then copies of chance, up to so many milli-GPU.

    Where the pods want more than that, pods of chance are left out instead.
    """
    chance = random.Random(seed)  # noqa: S311 -- not for secrets
    found = sorted(pods, key=lambda arrival: arrival.name)
    if not any(arrival.kind.milli for arrival in found):
        raise InvalidError("", "no pod of the trace asks for GPUs, so they would never be filled")
    chance.shuffle(found)
    total = sum(arrival.kind.milli for arrival in found)
    originals = tuple(found)
    while total > 2 * wanted:  # shuffled, the last are as random as any, and many can go quickly
        total -= found.pop().kind.milli
    while total > wanted:
        total -= found.pop(chance.randrange(len(found))).kind.milli
    while len(found) >= len(originals) and total + (another := chance.choice(originals)).kind.milli <= wanted:
        found.append(another)
        total += another.kind.milli
    return found


def churn(pods: Sequence[Arrival], seed: int, wanted: float, lifetime: float, seconds: float) -> Iterator[Arrival]:
    """Pods of chance at instants of chance, that stay for times of chance (exponential, `lifetime` on average).

    So many that they would want `wanted` milli-GPU at a time on average, if all were placed.
    """
    chance = random.Random(seed)  # noqa: S311 -- not for secrets
    pods = sorted(pods, key=lambda arrival: arrival.name)
    mean = sum(arrival.kind.milli for arrival in pods) / len(pods)
    if not mean:
        raise InvalidError("", "no pod of the trace asks for GPUs, so there is no load of them")
    rate, at = wanted / mean / lifetime, 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        name, kind, _, _ = chance.choice(pods)
        yield Arrival(name, kind, at, chance.expovariate(1 / lifetime))


class Departures(Generic[_T]):
    """Those who are there, by when they leave."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _T]] = []
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def next(self) -> float:
        """When the first of them leaves; never where nobody does."""
        return self._heap[0][0] if self._heap else float("inf")

    def add(self, at: float, what: _T) -> None:
        """Somebody will leave; whoever never does is not noted."""
        if at != float("inf"):
            heapq.heappush(self._heap, (at, next(self._numbers), what))

    def until(self, at: float) -> Iterator[tuple[float, _T]]:
        """Take out those who leave by then, in order, with when they do."""
        while self._heap and self._heap[0][0] <= at:
            when, _, what = heapq.heappop(self._heap)
            yield when, what
