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
from farthing.decide.governed import find
from farthing.decide.governor import Governor
from farthing.decide.place import Placement
from farthing.state.gangs import Gang
from farthing.state.snapshot import Resident


@dataclass
class Soon:
    """Those who are `leaving`, in one plan; who was `kept` something, and for which questions that is not enough."""

    leaving: tuple[Resident, ...]
    kept: set[str] = field(default_factory=set)
    vain: set[object] = field(default_factory=set)

    def keep(self, governor: Governor, draft: Draft, asking: Sequence[Asking], gang: Gang | None) -> None:
        """Close, for the rest of the plan, the devices that an ask has when those who leave are gone."""
        question = tuple(one.question for one in asking)
        if not self.leaving or question in self.vain:
            return
        books = governor.books.copy()
        with draft.trial():
            self._let_go(draft, governor)
            placed = _places(governor, draft, asking, gang)
        governor.books.usage[:], governor.books.held[:] = books.usage, books.held
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

    def _let_go(self, draft: Draft, governor: Governor) -> None:
        tree = governor.books.tree
        for resident in self.leaving:
            for claim in resident.claims:
                if claim.allocation is not None:
                    draft.give_back(claim.allocation)
                    charge = charge_of_allocation(draft.fleet, tree, claim.allocation)
                    governor.books.give_back(tree.at(resident.team), charge)
            node = draft.fleet.node_index.get(resident.pod.node)
            if node is not None:
                draft.leave(node, resident.pod)


def _places(governor: Governor, draft: Draft, asking: Sequence[Asking], gang: Gang | None) -> tuple[Placement, ...]:
    """Where an ask fits, which is taken; nothing where it does not."""
    if gang is not None:
        found = place_together(governor, draft, gang, asking)
        return found if isinstance(found, tuple) else ()
    place = find(governor, draft, asking[0].waiting, asking[0].within)
    return () if place is None else (place,)
