"""Places and refusals with quota in view; where nothing is governed, just as `place` and `explain` have them."""

from dataclasses import replace
from typing import Final

from farthing.decide.charge import charge_of
from farthing.decide.draft import Draft
from farthing.decide.explain import never, why_not
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.order import is_spot
from farthing.decide.place import Placement, place
from farthing.decide.quota import Books, Charge
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Bools
from farthing.state.snapshot import Waiting

OF_QUOTA: Final = frozenset({Why.QUOTA_EXCEEDED, Why.QUEUED})

PASSING: Final = frozenset({Why.NO_CAPACITY, Why.NO_NODE_ROOM, Why.GANG_WAITING}) | OF_QUOTA
"""Reasons that pass when others end: only for these is anything held up or kept."""


def find(governor: Governor | None, draft: Draft, waiting: Waiting, within: Bools | None = None) -> Placement | None:
    """The best place for what a pod lacks, among devices that its team may have: guaranteed before borrowed ones."""
    needs = needs_lacking(waiting)
    if governor is None:
        return place(draft, waiting.pod, needs, waiting.team, within)
    team = governor.team(waiting)
    for masks in governor.choices(team, needs, guaranteed=waiting.pod.qos == "guaranteed"):
        found = place(draft, waiting.pod, needs, waiting.team, within, masks)
        charge = charge_of(draft.fleet, governor.books.tree, needs, found.devices) if found else ()
        if found is not None and governor.books.allows(team, charge):
            return replace(found, right=_right(governor.books, team, charge, waiting))
    return None


def _right(books: Books, team: int, charge: Charge, waiting: Waiting) -> str:
    """By which rule a team may have what a pod is given, as a sentence."""
    name = books.tree.teams[team].name
    if is_spot(waiting):
        return f"spot, on what nobody else wants; team {name}"
    return f"within what team {name} is guaranteed" if books.within(team, charge) else f"borrowed by team {name}"


def settle(governor: Governor | None, draft: Draft, waiting: Waiting, found: Placement) -> None:
    """Take a placement off the draft, and charge the team."""
    needs = needs_lacking(waiting)
    for need, devices in zip(needs, found.devices, strict=True):
        for device in devices:
            draft.take(device, need, waiting.team)
    draft.settle_on(found.node, waiting.pod)
    if governor is not None:
        books = governor.books
        books.take(governor.team(waiting), charge_of(draft.fleet, books.tree, needs, found.devices))


def refusal(governor: Governor | None, draft: Draft, waiting: Waiting, known: Reason | None = None) -> Reason:
    """Why a pod finds no place: what no waiting can mend first, then what quota lacks, then what the devices lack.

    The last is `known` where others learned it before.
    """
    needs = needs_lacking(waiting)
    reason = next(filter(None, (never(draft.fleet, need) for need in needs)), None)
    if reason is None and governor is not None:
        reason = governor.why_not(governor.team(waiting), needs, guaranteed=waiting.pod.qos == "guaranteed")
    return reason or known or why_not(draft, waiting.pod, needs, waiting.team)
