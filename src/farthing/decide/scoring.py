"""What a mix of asks means on a fleet, and what placements are charged for.

A placement costs what it makes useless to typical asks (fragmentation), the GPUs that it leaves without the cpu to use
them (stranding), and what it takes of models that others may not do without (scarcity).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farthing.decide.board import MOST_CPU, NOBODY_CAN, RANKS, SCALE, Floats
from farthing.decide.fit import NEVER, eligible
from farthing.decide.needs import Need
from farthing.decide.shapes import shapes
from farthing.model.ask import Ask
from farthing.model.cluster import DEVICE_CLASS
from farthing.state.fleet import Fleet, Ints
from farthing.state.mix import Typical


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the parts of a score weigh; all in units of fragmentation.

    `strand`: the price of a stranded part of a GPU. `price`: of taking a part of a GPU of a model of which everything
    is wanted by asks that may have no other. `step`: gains are told apart in steps of so many thousandths of a GPU, so
    that near ties are ties. `steps`: where given, the gains from which each higher score starts. `small`: of equal
    gains that of the device with half the memory, or less, goes first.
    """

    strand: float = 2.0
    price: float = 3.0
    step: int = 10
    steps: tuple[float, ...] = ()
    small: bool = True


RUMOUR: Final = 30_000 / 6_212
"""For each device of a fleet so many parts are thought to be wanted by name before it is known of which models.

That is half a percent of the fleet; more would make models dear for being few, though nobody names them."""

OURS: Final = Knobs()
"""One set for all workloads: see docs/explanation/planner.md for what was tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """A mix on a fleet, as columns of the Board: see there."""

    least: NDArray[np.int32]
    wants: Floats
    price: Floats
    rank: Ints
    knobs: Ints
    steps: Floats


def meaning(fleet: Fleet, mix: Typical, knobs: Knobs = OURS) -> Meaning:
    """The columns. O(classes x shapes), and O(devices) for each kind of need that was never met."""
    typical = mix.classes[: mix.typical]
    least = np.zeros((len(shapes(fleet).example), len(typical)), dtype=np.int32)
    for m, (kind, _) in enumerate(typical):
        least[:, m] = least_of(fleet, kind.ask)
    total = max(1, sum(count for _, count in typical))
    wants = [(kind.ask.count, kind.cpu, count * SCALE // total) for kind, count in typical]
    of_knobs = (_cpu_per_gpu(fleet, mix), int(knobs.strand * SCALE), knobs.step * SCALE)
    return Meaning(
        least=least,
        wants=np.ascontiguousarray(np.array(wants, dtype=np.float64).reshape(-1, 3).T),
        price=_prices(fleet, mix, knobs),
        rank=_ranks(fleet) if knobs.small else np.zeros(len(least), dtype=np.int64),
        knobs=np.array(of_knobs, dtype=np.int64),
        steps=np.floor(np.array(knobs.steps, dtype=np.float64) * SCALE),
    )


def parts(fleet: Fleet, gives: Ints) -> Ints:
    """Amounts of each shape [2, S] as parts of what it has, rounded up; NOBODY_CAN where they are NEVER."""
    size = shapes(fleet).size
    amount = np.minimum(gives, size)
    found = np.where(
        size < 1 << 53, -(-amount * 1000 // np.maximum(size, 1)), -(-amount // np.maximum(size // 1000, 1))
    )
    return np.where(gives == NEVER, NOBODY_CAN, np.clip(found, 0, 1000))


def least_of(fleet: Fleet, ask: Ask) -> Ints:
    """The part that an ask needs of a device of each shape; NOBODY_CAN of shapes that cannot serve it."""
    key = ("least", ask)
    if key not in fleet.memo:
        fleet.memo[key] = _least_of(fleet, ask)
    found: Ints = fleet.memo[key]
    return found


def _least_of(fleet: Fleet, ask: Ask) -> Ints:
    found = shapes(fleet)
    if ask.profile is not None:
        return np.full(len(found.example), NOBODY_CAN)
    sieve = eligible(fleet, Need(ask.count, DEVICE_CLASS, ask))
    amount = np.maximum(parts(fleet, sieve.gives).max(axis=0), 1)
    return np.where(sieve.level[found.example], amount, NOBODY_CAN)


def _wanted(fleet: Fleet, mix: Typical) -> Iterator[tuple[Ask, int, int]]:
    """All asks of the mix that the fleet could serve, with the cpu and the parts of GPUs that they want in all."""
    for kind, count in mix.classes:
        least = int(least_of(fleet, kind.ask).min(initial=NOBODY_CAN))
        if least != NOBODY_CAN:
            yield kind.ask, kind.cpu * count, least * kind.ask.count * count


def _cpu_per_gpu(fleet: Fleet, mix: Typical) -> int:
    """Thousandths of a core that a GPU needs on average, by asks that want any; where none does, none is stranded."""
    asks = [found for found in _wanted(fleet, mix) if found[1]]
    parts_wanted = sum(found[2] for found in asks)
    cpu = sum(found[1] for found in asks)
    return min(MOST_CPU, max(1, cpu * 1000 // parts_wanted)) if parts_wanted else MOST_CPU


def _prices(fleet: Fleet, mix: Typical, knobs: Knobs) -> Floats:
    """The price of a part of a device of each shape: how much of it is wanted by those who may not have every other.

    They name models, need more memory than some have, or an isolation that some do not give. How many do is soon known;
    which models they want, only after many. Until then others may be wanted too.
    """
    found = shapes(fleet)
    has = np.bincount(found.of, minlength=len(found.example)).astype(np.float64)
    bound, total, typed = np.zeros(len(has)), 0.0, 0.0
    asks = [(least_of(fleet, ask) != NOBODY_CAN, wanted) for ask, _, wanted in _wanted(fleet, mix)]
    anybody = np.any([can for can, _ in asks], axis=0)
    for can, wanted in asks:
        total += wanted
        if (anybody & ~can).any():
            typed += wanted
            bound += wanted * _split(np.where(can, has, 0.0))
    if not typed:
        return np.zeros(len(has))
    models, rumour = fleet.model_of[found.example], RUMOUR * len(fleet.devices)
    for model in np.unique(models):
        bound += rumour / len(np.unique(models)) * _split(np.where(models == model, has, 0.0))
    scarcity = bound / (typed + rumour) * (typed / total) / np.maximum(_split(has), 1e-9)
    return np.floor(np.minimum(scarcity, 1.0) * knobs.price * SCALE)


def _ranks(fleet: Fleet) -> Ints:
    """Shapes by their memory, the smallest highest; less than twice as much is as much."""
    doubled = np.array([int(memory).bit_length() for memory in shapes(fleet).memory])
    _, rank = np.unique(-doubled, return_inverse=True)
    return np.asarray(np.minimum(rank.reshape(-1), RANKS - 1))


def _split(amounts: Floats) -> Floats:
    """Each as a part of all."""
    return amounts / max(1.0, float(amounts.sum()))
