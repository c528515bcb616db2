"""What an ask takes of its team's quota, and which devices the team may be given for it.

What it takes depends on the device: each class is a quota of its own, and 10Gi is more of a small device than of a
large one. Devices of one shape are charged alike, so there are few ways to be charged for an ask.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from farthing.decide.fit import NEVER, eligible
from farthing.decide.needs import Need
from farthing.decide.quota import Charge
from farthing.decide.shapes import shapes
from farthing.model.cluster import Allocation
from farthing.model.team import Team
from farthing.state.classes import part_of
from farthing.state.fleet import Bools, Fleet, names
from farthing.state.teams import Tree
from farthing.state.usage import consumption


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One way to be charged: `shapes` [S] are the shapes of devices that cost just this."""

    charge: Charge
    shapes: Bools


def options_of(fleet: Fleet, tree: Tree, need: Need) -> tuple[Option, ...]:
    """The ways in which a need can be charged. None where no device could ever serve it. Remembered per fleet."""
    key = ("options", tree.classes.names, tree.memory_of, need)
    if key not in fleet.memo:
        fleet.memo[key] = _options(fleet, tree, need)
    found: tuple[Option, ...] = fleet.memo[key]
    return found


def _options(fleet: Fleet, tree: Tree, need: Need) -> tuple[Option, ...]:
    sieve, found = eligible(fleet, need), shapes(fleet)
    could = np.bincount(found.of[sieve.level], minlength=len(found.example)) > 0
    by_charge: dict[Charge, Bools] = {}
    for s in np.flatnonzero(could & (sieve.gives[0] != NEVER)):
        charge = times(need.count, _charge(fleet, tree, int(found.example[s]), need))
        by_charge.setdefault(charge, np.zeros(len(could), dtype=bool))[s] = True
    return tuple(Option(charge, alike) for charge, alike in sorted(by_charge.items(), key=lambda item: item[0]))


def _charge(fleet: Fleet, tree: Tree, device: int, need: Need) -> Charge:
    compute, memory = eligible(fleet, need).amounts(device)
    if not fleet.multi[device]:
        compute, memory = int(fleet.compute[device]), int(fleet.memory[device])
    return _of_device(fleet, tree, device, compute, memory)


def _of_device(fleet: Fleet, tree: Tree, device: int, compute: int, memory: int) -> Charge:
    milli = part_of(fleet, tree.classes, device, compute, memory)
    return tree.amounts(int(tree.classes.of[device]), milli, memory)


def times(count: int, charge: Charge) -> Charge:
    """A charge, so many times."""
    return tuple((column, count * amount) for column, amount in charge)


def total(charges: list[Charge]) -> Charge:
    """Several charges as one."""
    if len(charges) == 1:
        return charges[0]
    found: Counter[int] = Counter()
    for charge in charges:
        found.update(dict(charge))
    return tuple(sorted(found.items()))


def together(ways: Counter[tuple[Charge, ...]]) -> tuple[Charge, ...]:
    """What several asks may cost at once, given how many of them may be charged in which ways.

    As many ways as the first has: the others are charged to the same class where they can be. None where one has none.
    """
    if not ways or not all(ways):
        return ()
    many = [tuple(times(count, charge) for charge in way) for way, count in ways.items()]
    return tuple(total([_of_class(charge, way) for way in many]) for charge in many[0]) if many[1:] else many[0]


def _of_class(like: Charge, way: tuple[Charge, ...]) -> Charge:
    """The charge of the class that another is of, or else the first."""
    return next((charge for charge in way if charge[0][0] == like[0][0]), way[0])


def charge_of(fleet: Fleet, tree: Tree, needs: tuple[Need, ...], devices: tuple[tuple[int, ...], ...]) -> Charge:
    """What needs take on these devices."""
    charges = []
    for need, chosen in zip(needs, devices, strict=True):
        each = _each(fleet, tree, need)
        charges += [each[device] for device in chosen]
    return total(charges)


def _each(fleet: Fleet, tree: Tree, need: Need) -> "_Charges":
    """What a need takes of each device. Remembered per fleet."""
    key = ("charges", tree.classes.names, tree.memory_of, need)
    if key not in fleet.memo:
        fleet.memo[key] = _Charges(fleet, tree, need)
    found: _Charges = fleet.memo[key]
    return found


class _Charges(dict[int, Charge]):
    """By device; of those that are alike it is reckoned once."""

    def __init__(self, fleet: Fleet, tree: Tree, need: Need) -> None:
        super().__init__()
        self._fleet, self._tree, self._need = fleet, tree, need
        self._alike: dict[tuple[int, int], Charge] = {}

    def __missing__(self, device: int) -> Charge:
        alike = int(shapes(self._fleet).of[device]), int(self._tree.classes.milli[device])
        if alike not in self._alike:
            self._alike[alike] = _charge(self._fleet, self._tree, device, self._need)
        self[device] = self._alike[alike]
        return self[device]


def charge_of_allocation(fleet: Fleet, tree: Tree, allocation: Allocation) -> Charge:
    """What an allocation takes."""
    found = [(fleet.device_index.get(result.device), result) for result in allocation.results]
    known = [(i, result) for i, result in found if i is not None]
    return total([_of_device(fleet, tree, i, *consumption(fleet, i, result)) for i, result in known])


# What a team may use ----------------------------------------------------------------------------------------------


def restricting(tree: Tree, team: int, what: str) -> Team | None:
    """The nearest team, this one or one above it, that says which `isolation` or `models` may be used."""
    return next((tree.teams[n] for n in tree.path[team] if getattr(tree.teams[n], what)), None)


def permitted(fleet: Fleet, tree: Tree, team: int) -> Bools | None:
    """The shapes of models that a team and those above it allow; None where they say nothing."""
    limits = [tree.teams[n].models for n in tree.path[team] if tree.teams[n].models]
    if not limits:
        return None
    good = [all(any(names(name, model) for name in limit) for limit in limits) for model in fleet.models]
    return np.asarray(np.array(good, dtype=bool)[fleet.model_of[shapes(fleet).example]])
