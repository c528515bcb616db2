"""The place for a pod as its team's quota allows, and why there is none. Where nothing is governed, just the place."""

from farthing.decide.charge import charge_of
from farthing.decide.draft import Draft
from farthing.decide.explain import never, why_not
from farthing.decide.governor import Governor
from farthing.decide.needs import Need
from farthing.decide.place import Placement, place
from farthing.model.reason import Reason
from farthing.state.fleet import Bools
from farthing.state.snapshot import Waiting


def find(
    draft: Draft, governor: Governor | None, waiting: Waiting, needs: tuple[Need, ...], within: Bools | None
) -> Placement | None:
    """The best place, among devices that the team may have: guaranteed ones before borrowed ones."""
    if governor is None:
        return place(draft, waiting.pod, needs, waiting.team, within)
    team = governor.team(waiting)
    for masks in governor.choices(team, needs, guaranteed=waiting.pod.qos == "guaranteed"):
        found = place(draft, waiting.pod, needs, waiting.team, within, masks)
        if found is not None:
            charge = charge_of(draft.fleet, governor.books.tree, needs, found.devices)
            if governor.books.allows(team, charge):
                return found
    return None


def settle(
    draft: Draft, governor: Governor | None, waiting: Waiting, needs: tuple[Need, ...], found: Placement
) -> None:
    """Take a placement off the draft, and charge the team."""
    for need, devices in zip(needs, found.devices, strict=True):
        for device in devices:
            draft.take(device, need, waiting.team)
    draft.settle_on(found.node, waiting.pod)
    if governor is not None:
        books = governor.books
        books.take(governor.team(waiting), charge_of(draft.fleet, books.tree, needs, found.devices))


def not_found(draft: Draft, governor: Governor | None, waiting: Waiting, needs: tuple[Need, ...]) -> Reason:
    """What no waiting can mend first, then what quota lacks, then what the devices lack."""
    lasting = next(filter(None, (never(draft.fleet, need) for need in needs)), None)
    if governor is None or lasting is not None:
        return lasting or why_not(draft, waiting.pod, needs, waiting.team)
    lacking = governor.why_not(governor.team(waiting), needs, guaranteed=waiting.pod.qos == "guaranteed")
    return lacking or why_not(draft, waiting.pod, needs, waiting.team)
