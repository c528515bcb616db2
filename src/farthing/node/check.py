"""Whether the node may do what the plan says. The plan keeps the same rules; here they are kept once more. Pure.

What is prepared is what counts: a share whose claim was given back, but whose containers have not ended, still holds
its part of the device.
"""

from collections.abc import Iterable, Sequence

from farthing.model.quantity import format_bytes
from farthing.model.reason import Reason, Why
from farthing.model.sharing import may_meet
from farthing.node.devices import Device, Inventory
from farthing.node.limits import compute_of, is_part, memory_of
from farthing.node.plugins import TAKEN
from farthing.node.share import Share


class Books:
    """The shares that are prepared on a node, by device. Who has access as an administrator takes nothing."""

    def __init__(self, shares: Iterable[Share]) -> None:
        self._on: dict[str, list[Share]] = {}
        self.add(shares)

    def add(self, shares: Iterable[Share]) -> None:
        for share in shares:
            if not share.admin:
                self._on.setdefault(share.device, []).append(share)

    def drop(self, shares: Iterable[Share]) -> None:
        for share in shares:
            if not share.admin:
                self._on[share.device].remove(share)

    def on(self, device: str) -> Sequence[Share]:
        return self._on.get(device, ())


def refusal(wanted: Sequence[Share], books: Books, inventory: Inventory) -> Reason | None:
    """Why the shares cannot be prepared beside those in the books, None where they can."""
    for share in wanted:
        device = inventory.device(share.device)
        if device is None:
            return Reason(Why.DEVICE_LOST, f"this node has no device {share.device}")
        if share.admin:
            continue
        if is_part(share, device) and share.level not in device.levels:
            able = ", ".join(sorted(device.levels)) or "none"
            return Reason(
                Why.ISOLATION_UNAVAILABLE, f"{device.name} cannot deliver {share.level}; the levels it can: {able}"
            )
        beside = books.on(share.device)
        problem = (
            _level(share, beside) or _room(device, [*wanted, *beside]) or _counters(device, wanted, books, inventory)
        )
        if problem:
            return Reason(Why.SHARE_CONFLICT, problem)
    return None


def taken(wanted: Sequence[Share], inventory: Inventory) -> Reason | None:
    """Why nothing new may start on these devices though there is room: a device plugin has them, too."""
    for share in wanted:
        device = inventory.device(share.device)
        mark = next((t for t in device.troubles if t.name == TAKEN), None) if device and not share.admin else None
        if mark:
            return Reason(Why.DEVICE_PLUGIN, f"{share.device}: {mark.sentence}")
    return None


def _level(share: Share, beside: Sequence[Share]) -> str:
    other = next((o for o in beside if not may_meet(share.level, share.team, o.level, o.team)), None)
    if other is None:
        return ""
    if other.level != share.level:
        return f"{share.device} is used at {other.level} by {other.claim}, and {share.claim} wants {share.level}"
    return f"{share.device} is used by team {other.team or '(none)'} at {share.level}, with {other.claim}"


def _room(device: Device, shares: Sequence[Share]) -> str:
    on_it = [share for share in shares if share.device == device.name and not share.admin]
    if not device.shared and len(on_it) > 1:
        return f"{device.name} goes as a whole, and {on_it[-1].claim} has it"
    memory = sum(memory_of(share, device) for share in on_it)
    compute = sum(compute_of(share, device) for share in on_it)
    if memory > device.memory:
        return f"{format_bytes(memory)} of {device.name} would be used, and it has {format_bytes(device.memory)}"
    if compute > device.compute:
        return f"{compute} thousandths of {device.name} would be used, and it has {device.compute}"
    return ""


def _counters(device: Device, wanted: Sequence[Share], books: Books, inventory: Inventory) -> str:
    """Partitions of one parent share its slices."""
    counters = inventory.counters.get(device.parent)
    if not counters:
        return ""
    asked = {share.device for share in wanted if not share.admin}
    siblings = [d for d in inventory.devices if d.parent == device.parent and (d.name in asked or books.on(d.name))]
    for counter, has in counters.items():
        if sum(found.consumes.get(counter, 0) for found in siblings) > has:
            others = ", ".join(sorted(found.name for found in siblings if found is not device))
            return f"{counter} of {device.parent} is used by {others}; {device.name} does not fit beside"
    return ""
