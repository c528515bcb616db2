"""Places and refusals with quota in view; where nothing is governed, just as `place` and `explain` have them."""

from farthing.decide.charge import charge_of
from farthing.decide.draft import Draft
from farthing.decide.explain import never, why_not
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.place import Placement, place
from farthing.model.reason import Reason
from farthing.state.fleet import Bools
from farthing.state.snapshot import Waiting


def find(governor: Governor | None, draft: Draft, waiting: Waiting, within: Bools | None = None) -> Placement | None:
    """The best place for what a pod lacks, among devices that its team may have: guaranteed before borrowed ones."""
    needs = needs_lacking(waiting)
    if governor is None:
        return place(draft, waiting.pod, needs, waiting.team, within)
    team = governor.team(waiting)
    for masks in governor.choices(team, needs):
        found = place(draft, waiting.pod, needs, waiting.team, within, masks)
        charge = charge_of(draft.fleet, governor.books.tree, needs, found.devices) if found else ()
        if found is not None and governor.books.allows(team, charge):
            return found
    return None


def refusal(governor: Governor | None, draft: Draft, waiting: Waiting, known: Reason | None = None) -> Reason:
    """Why a pod finds no place: what no waiting can mend first, then what quota lacks, then what the devices lack.

    The last is `known` where others learned it before.
    """
    needs = needs_lacking(waiting)
    reason = next(filter(None, (never(draft.fleet, need) for need in needs)), None)
    if reason is None and governor is not None:
        reason = governor.why_not(governor.team(waiting), needs)
    return reason or known or why_not(draft, waiting.pod, needs, waiting.team)
