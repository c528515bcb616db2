"""Devices that are kept for waiting pods: closed to everybody else before anybody is planned.

What is kept is written on the waiting pods (see `model.keep`). Such pods are looked at first. Where they find no place,
their devices are closed, and the room that they need on the node is set aside.
"""

from dataclasses import dataclass

from farthing.decide.draft import Draft
from farthing.model.cluster import Pod
from farthing.model.errors import InvalidError
from farthing.model.keep import Keep, parse_keep, stamp
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Waiting


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for a pod: devices of one node, as indices into the fleet."""

    keep: Keep
    node: int
    devices: tuple[int, ...]


def kept_for(fleet: Fleet, pod: Pod, at: float) -> Kept | None:
    """What is kept for a pod at an instant; None where nothing is, or what it says cannot be believed."""
    if not pod.kept:
        return None
    try:
        keep = parse_keep(pod.kept)
    except InvalidError:
        return None
    devices = tuple(fleet.device_index[device] for device in keep.devices if device in fleet.device_index)
    nodes = {int(fleet.node_of[device]) for device in devices}
    if not keep.stands(at) or len(devices) != len(keep.devices) or len(nodes) != 1:
        return None
    return Kept(keep, nodes.pop(), devices)


def all_kept(fleet: Fleet, waiting: tuple[Waiting, ...], at: float) -> dict[str, Kept]:
    """What is kept for whom, by the pods' uids. A device that two pods claim is the first one's, by name."""
    found: dict[str, Kept] = {}
    taken: set[int] = set()
    for one in sorted((w for w in waiting if w.pod.kept and _lacks(w)), key=lambda w: w.pod.key):
        kept = kept_for(fleet, one.pod, at)
        if kept is not None and taken.isdisjoint(kept.devices):
            found[one.pod.uid] = kept
            taken.update(kept.devices)
    return found


def _lacks(waiting: Waiting) -> bool:
    """Whether it still waits for devices."""
    return not waiting.complete or any(claim.ours and claim.allocation is None for claim in waiting.claims)


def set_aside(draft: Draft, kept: Kept, pod: Pod) -> None:
    """Close the devices, and take the room that the pod needs on their node."""
    for device in kept.devices:
        draft.close(device)
    draft.settle_on(kept.node, pod)


def making_room(fleet: Fleet, kept: Kept) -> Reason:
    """What the pod is told meanwhile."""
    names = ", ".join(fleet.devices[device].name for device in kept.devices)
    until = stamp(kept.keep.until)
    return Reason(
        Why.MAKING_ROOM, f"{names} of {fleet.nodes[kept.node].name} are being freed and kept for it until {until}"
    )
