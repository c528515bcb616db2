"""What is being left: devices of pods that were told to go are kept for those for whom they go.

A pod takes its time to end, and devices come free one after the other. Without this, whoever is content with one of
them would have it, and those who were to start would let others go again and again. Nothing is written down: those in
front of the line who would fit once everybody has left keep where they would, in every plan anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from farthing.decide.charge import charge_of, charge_of_allocation
from farthing.decide.draft import Draft
from farthing.decide.gang import Asking, place_together
from farthing.decide.governed import find, settle
from farthing.decide.governor import Governor
from farthing.decide.place import Placement
from farthing.state.gangs import Gang
from farthing.state.snapshot import Resident, Waiting


@dataclass(frozen=True, slots=True)
class _Later:
    """How it will be: what is left, and used, when everybody has left."""

    draft: Draft
    governor: Governor


@dataclass
class Soon:
    """Those who are `leaving`, in one plan; who was `kept` something, and for which questions that is not enough."""

    leaving: tuple[Resident, ...]
    kept: set[str] = field(default_factory=set)
    vain: set[object] = field(default_factory=set)
    _later: _Later | None = None

    def keep(self, governor: Governor, draft: Draft, asking: Sequence[Asking], gang: Gang | None) -> None:
        """Close, for the rest of the plan, the devices that an ask has when those who leave are gone."""
        question = tuple(one.question for one in asking)
        if not self.leaving or question in self.vain:
            return
        if self._later is None:
            self._later = self._without_them(governor, draft)
        placed = _places(self._later, asking, gang)
        if not placed:
            self.vain.add(question)
        for one, found in zip(asking, placed, strict=False):
            self.kept.add(one.waiting.pod.uid)
            for devices in found.devices:
                for device in devices:
                    draft.close(device)
            draft.settle_on(found.node, one.waiting.pod)
            charge = charge_of(draft.fleet, governor.books.tree, one.needs, found.devices)
            governor.books.take(governor.team(one.waiting), charge)

    def note(self, waiting: Waiting, found: Placement) -> None:
        """A pod was placed: later it is there as well."""
        if self._later is not None:
            settle(self._later.governor, self._later.draft, waiting, found)

    def _without_them(self, governor: Governor, draft: Draft) -> _Later:
        later, books = draft.copy(), governor.books.copy()
        for resident in self.leaving:
            for claim in resident.claims:
                if claim.allocation is not None:
                    later.give_back(claim.allocation)
                    charge = charge_of_allocation(draft.fleet, books.tree, claim.allocation)
                    books.give_back(books.tree.at(resident.team), charge)
            node = draft.fleet.node_index.get(resident.pod.node)
            if node is not None:
                later.leave(node, resident.pod)
        return _Later(later, Governor(draft.fleet, books))


def _places(later: _Later, asking: Sequence[Asking], gang: Gang | None) -> tuple[Placement, ...]:
    """Where an ask will fit, which is taken; nothing where it will not."""
    if gang is not None:
        found = place_together(later.governor, later.draft, gang, asking)
        return found if isinstance(found, tuple) else ()
    one = asking[0]
    place = find(later.governor, later.draft, one.waiting, one.within)
    if place is None:
        return ()
    settle(later.governor, later.draft, one.waiting, place)
    return (place,)
