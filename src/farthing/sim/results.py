"""What a simulation found: frozen values that tables, JSON, pictures and benchmarks are made of.

A `Run` is one policy on one fleet and one order of arrivals. Its `Curve` is what one would have seen while it ran. The
axis of a curve is what has arrived, in percent of the fleet's GPUs (`fill`), or virtual time in seconds (`churn`,
`replay`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LIFETIME: Final = 3600.0
"""Seconds that a pod stays on average in a churn; only its relation to the other times matters."""


class Mode(StrEnum):
    """How pods come and go."""

    fill = "fill"
    """Pods arrive one by one and never leave; what does not fit is turned away (the protocol of the FGD paper)."""

    churn = "churn"
    """Pods arrive by chance and stay for a while, at a given load; what does not fit is turned away."""

    replay = "replay"
    """Pods arrive and leave when the trace says so; what does not fit waits."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A run as it went; all tuples are equally long.

    `at`: percent of the fleet's GPUs that arrivals had asked for (0, 1, 2, ...), or seconds of virtual time.
    `allocation`: GPU capacity given, in percent of the fleet's. `fragmentation`: GPU capacity that is free and of no
    use to the workload as it is mixed, in percent of the fleet's. `waiting`: pods that wait or were turned away.
    """

    at: tuple[float, ...]
    allocation: tuple[float, ...]
    fragmentation: tuple[float, ...]
    waiting: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One policy on one order of arrivals.

    GPUs are counted in devices (a half is 0.5). `gpus_allocated` is what is held in the end (`fill`), on average over
    the measured time (`churn`), or from the first arrival to the last (`replay`); `allocation` is that in percent.
    `rejected` counts pods without a place, `rejected_gpus` is their part of all that was asked for, in percent.
    `waited` is how many seconds of virtual time a pod waited on average (`replay`; 0 elsewhere). `load` is what was
    offered, as a multiple of capacity.
    `seconds` is the wall time that it took, `decisions` how many placements were decided in it.
    `log` has one (pod, node, devices on the node) per arrival, in order, where it was asked for; node is empty where it
    was turned away.
    """

    mode: Mode
    trace: str
    policy: str
    seed: int
    window: int
    load: float
    curve: Curve
    arrivals: int
    rejected: int
    rejected_gpus: float
    gpus_total: int
    gpus_allocated: float
    allocation: float
    waited: float
    seconds: float
    decisions: int
    log: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
