"""Which devices would do for a need, and how much of each it would take: all devices at once, in columns.

`eligible` looks at what devices *are* and is remembered per fleet and need; `amounts` at what they would give;
`able` at what they have left. Counters of partitions, and capacities that are neither compute nor memory (`extras`),
are rare, and looked at device by device.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from farthing.decide.needs import Need
from farthing.decide.selectors import compile_selector
from farthing.decide.shapes import Shapes, shapes
from farthing.decide.sharing import may_join
from farthing.model.ask import Ask
from farthing.model.cluster import Capacity
from farthing.model.errors import InvalidError
from farthing.model.quantity import MIB, Bytes, MilliGpu
from farthing.state.fleet import LEVEL_BIT, Bools, Fleet, Ints, names
from farthing.state.snapshot import Free

ALL: Final = slice(None)

NEVER: Final = np.iinfo(np.int64).max
"""An amount that no device has: marks devices that can never serve a need."""

_REPELLING: Final = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True, eq=False)
class Eligible:
    """Stages of sieving devices by what they are, each narrower than the one before.

    `known`: of the device class and passing the selectors; `model`: of a model and vendor that it names;
    `level`: able to deliver the isolation and divisible where a part is wanted; `healthy`: without a taint that the
    need does not tolerate. `gives` [2, shapes] is the compute and memory that a device of each shape would give (NEVER
    where it cannot), `shape` [devices] the shape of each. `error` is the sentence of a selector that failed.
    """

    known: Bools
    model: Bools
    level: Bools
    healthy: Bools
    gives: Ints
    shape: Ints
    error: str = ""

    @property
    def compute(self) -> Ints:
        """What each device would give of its compute."""
        return np.asarray(self.gives[0][self.shape])

    @property
    def memory(self) -> Ints:
        """What each device would give of its memory."""
        return np.asarray(self.gives[1][self.shape])

    def amounts(self, device: int) -> tuple[int, int]:
        """The compute and memory that one device would give."""
        compute, memory = self.gives[:, self.shape[device]]
        return int(compute), int(memory)


def eligible(fleet: Fleet, need: Need) -> Eligible:
    """What the devices of a fleet are to a need. O(devices) once per fleet and kind of need, O(shapes) per amount."""
    key = ("eligible", need)
    if key not in fleet.memo:
        fleet.memo[key] = _measured(fleet, need)
    found: Eligible = fleet.memo[key]
    return found


def _measured(fleet: Fleet, need: Need) -> Eligible:
    """The sieve that all amounts share, without the devices that could never give so much."""
    kind = ("sieve", _any_amount(need))
    if kind not in fleet.memo:
        fleet.memo[kind] = _sieve(fleet, need)
    sieve: Eligible = fleet.memo[kind]
    gives = np.stack(_amounts(fleet, shapes(fleet), need))
    possible = gives[0] != NEVER
    if possible.all():
        return replace(sieve, gives=gives)
    mask = possible[sieve.shape]
    return replace(sieve, level=sieve.level & mask, healthy=sieve.healthy & mask, gives=gives)


def _any_amount(need: Need) -> Need:
    """What is common to needs that differ only in how much they want."""
    ask = need.ask
    if ask is not None and ask.memory is not None:
        ask = replace(ask, memory=Bytes(MIB))
    elif ask is not None and ask.milli is not None and not ask.whole:
        ask = replace(ask, milli=MilliGpu(1))
    return replace(need, count=1, ask=ask and replace(ask, count=1), capacity=())


def able(fleet: Fleet, free: Free, need: Need, team: int, rows: slice = ALL) -> Bools:
    """For each device (of `rows`), whether it has what the need takes, now."""
    sieve = eligible(fleet, need)
    empty = free.users[rows] == 0
    compute, memory = sieve.gives[:, sieve.shape[rows]]
    fits = sieve.healthy[rows] & (free.compute[rows] >= compute) & (free.memory[rows] >= memory)
    if _takes_whole(need):
        fits &= empty
    else:
        fits &= (fleet.multi[rows] | empty) & may_join(free, need.isolation, team, rows)
    first, last, _ = rows.indices(len(fleet.devices))
    for i in fleet.special:
        if first <= i < last and fits[i - first]:
            fits[i - first] = _special_fits(fleet, free, need, i)
    return np.asarray(fits)


def _special_fits(fleet: Fleet, free: Free, need: Need, i: int) -> bool:
    """Whether the shared counters and the other capacities of device i have room."""
    counters = () if free.users[i] else fleet.consumes.get(i, ())
    others = extras(need, fleet.extras.get(i, ()))
    return all(free.counters[counter] >= amount for counter, amount in counters) and all(
        free.extras.get((i, name), dict(fleet.extras[i])[name].value) >= amount for name, amount in others.items()
    )


def _takes_whole(need: Need) -> bool:
    return need.ask is not None and need.ask.whole


def _sieve(fleet: Fleet, need: Need) -> Eligible:
    known, error = _selected(fleet, need)
    model = known & _of_model(fleet, need.ask)
    level = model & _deliverable(fleet, need)
    tolerable = np.ones(len(fleet.devices), dtype=bool)
    for i in np.flatnonzero(fleet.tainted):
        tolerable[i] = all(
            taint.effect not in _REPELLING or any(t.covers(taint) for t in need.tolerations)
            for taint in fleet.specs[i].taints
        )
    found = shapes(fleet)
    return Eligible(known, model, level, level & tolerable, found.size, found.of, error)


def _selected(fleet: Fleet, need: Need) -> tuple[Bools, str]:
    """Devices of the need's class that pass its selectors, and the sentence of a selector that could not be told."""
    chosen = np.ones(len(fleet.devices), dtype=bool)
    found = fleet.classes.get(need.device_class)
    if found is None:
        return np.zeros_like(chosen), f"device class {need.device_class} is not there"
    for expression in (*found.selectors, *need.selectors):
        try:
            outcome, error = compile_selector(expression).select(fleet.devices, fleet.specs)
        except InvalidError as invalid:
            error = str(invalid)
        if error:
            return np.zeros_like(chosen), error
        chosen &= outcome
    return chosen, ""


def _of_model(fleet: Fleet, ask: Ask | None) -> Bools:
    fits = np.ones(len(fleet.devices), dtype=bool)
    if ask is None:
        return fits
    if ask.models:
        good = [any(names(wanted, model) for wanted in ask.models) for model in fleet.models]
        fits &= np.array(good, dtype=bool)[fleet.model_of] if good else False
    if ask.vendor:
        good = [vendor == ask.vendor for vendor in fleet.vendors]
        fits &= np.array(good, dtype=bool)[fleet.vendor_of] if good else False
    return fits


def _deliverable(fleet: Fleet, need: Need) -> Bools:
    """Devices that can be had in the way that the need wants them."""
    ask = need.ask
    if ask is not None and ask.profile is not None:
        wanted = ask.profile
        return np.array([_profile(fleet, i) == wanted for i in range(len(fleet.devices))], dtype=bool)
    if ask is not None and ask.whole:
        return ~fleet.partition
    can = (fleet.levels & LEVEL_BIT[need.isolation]) != 0
    return np.asarray(can & fleet.divisible if ask is not None else can | ~fleet.multi)


def _profile(fleet: Fleet, i: int) -> str:
    if not fleet.partition[i]:
        return ""
    found = fleet.attribute(i, fleet.profiles[fleet.devices[i].driver].profile)
    return found.lower() if isinstance(found, str) else ""


# How much ---------------------------------------------------------------------------------------------------------


def _amounts(fleet: Fleet, found: Shapes, need: Need) -> tuple[Ints, Ints]:
    """What devices of each shape would give, as compute in its own unit and bytes; NEVER where they cannot."""
    ask = need.ask
    if ask is None:
        return _requested(fleet, found, need)
    if ask.memory is not None:
        return _by_memory(found, ask.memory)
    if ask.milli is not None and not ask.whole:
        return _by_fraction(found, ask.milli)
    return found.compute, found.memory


def _by_fraction(found: Shapes, milli: int) -> tuple[Ints, Ints]:
    """The same part of compute and memory: compute rounded up to its grain, memory down, so that four quarters fit."""
    compute = _ceil(-_part(-found.compute, milli), found.compute_grain)
    memory = np.maximum(_part(found.memory, milli) // found.memory_grain, 1) * found.memory_grain
    return np.where(found.compute > 0, compute, 0), np.where(found.memory > 0, memory, 0)


def _by_memory(found: Shapes, memory: int) -> tuple[Ints, Ints]:
    """So much memory, and compute in proportion, rounded up to a milli-GPU of the device."""
    wanted = _ceil(np.full_like(found.memory, memory), found.memory_grain)
    possible = wanted <= found.memory
    milli = -(-wanted // MIB * 1000 // np.maximum(found.memory // MIB, 1))
    compute = _ceil(-(-found.compute * np.minimum(milli, 1000) // 1000), found.compute_grain)
    return np.where(possible, compute, NEVER), np.where(possible, wanted, NEVER)


def _requested(fleet: Fleet, found: Shapes, need: Need) -> tuple[Ints, Ints]:
    """What a request of the user's own takes of each shape, by the devices' request policy."""
    compute, memory = np.full_like(found.compute, NEVER), np.full_like(found.memory, NEVER)
    for s, i in enumerate(found.example):
        taken = portions(need.capacity, fleet.specs[i].capacity)
        if taken is not None:
            profile = fleet.profiles[fleet.devices[i].driver]
            compute[s], memory[s] = taken.get(profile.compute, 0), taken.get(profile.memory, 0)
    return compute, memory


def portions(wanted: tuple[tuple[str, int], ...], capacity: tuple[tuple[str, Capacity], ...]) -> dict[str, int] | None:
    """What a request takes of one device, by capacity name; None where the device can never grant it."""
    amounts, has = dict(wanted), dict(capacity)
    if not amounts.keys() <= has.keys():
        return None
    taken = {name: found.portion(amounts.get(name)) for name, found in has.items()}
    granted = {name: amount for name, amount in taken.items() if amount is not None}
    return granted if len(granted) == len(taken) else None


def extras(need: Need, others: tuple[tuple[str, Capacity], ...]) -> dict[str, int]:
    """What a need takes of a device's other capacities; where it takes the device whole, all of it."""
    if _takes_whole(need):
        return {name: capacity.value for name, capacity in others}
    names = {name for name, _ in others}
    wanted = tuple((name, amount) for name, amount in need.capacity if name in names)
    return portions(wanted, others) or dict.fromkeys(names, NEVER)


def consumed_by(fleet: Fleet, need: Need, i: int) -> tuple[tuple[str, int], ...]:
    """What a share of device i takes, by capacity name: of every capacity, as Kubernetes wants it written."""
    sieve, profile = eligible(fleet, need), fleet.profiles[fleet.devices[i].driver]
    compute, memory = sieve.amounts(i)
    taken = {profile.compute: compute, profile.memory: memory}
    taken |= extras(need, fleet.extras.get(i, ()))
    return tuple(sorted((name, taken[name]) for name, _ in fleet.specs[i].capacity))


def _part(amount: Ints, milli: int) -> Ints:
    """A thousandth part times `milli`, rounded down, without overflow."""
    return np.asarray(amount // 1000 * milli + amount % 1000 * milli // 1000)


def _ceil(amount: Ints, grain: Ints) -> Ints:
    return np.asarray(-(-amount // grain) * grain)
