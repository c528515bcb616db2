"""Who may be moved, and what a move costs."""

from dataclasses import replace
from typing import Final

from farthing.decide.fit import eligible
from farthing.decide.needs import Need
from farthing.model.cluster import DeviceId, Pod
from farthing.state.classes import classes_of, part_of
from farthing.state.fleet import Fleet
from farthing.state.residents import Resident
from farthing.state.usage import consumption

REMADE_BY: Final = frozenset({"ReplicaSet", "StatefulSet", "ReplicationController", "Job"})
"""Controllers that make another pod where one was evicted, on whichever node."""

LONGEST_GRACE: Final = 300
"""Seconds that a pod may take to end: devices are kept for so long, and not for much longer."""


def may_move(resident: Resident) -> bool:
    """Whether a pod allows it to be restarted elsewhere, and its devices are free when it is gone.

    A claim that others use, too, or that the replacement would find again, keeps its devices; and where claims of other
    drivers could be had is not known.
    """
    pod = resident.pod
    remade = pod.owner is not None and pod.owner.kind in REMADE_BY
    allows = pod.movable and remade and not pod.deleting and pod.grace <= LONGEST_GRACE
    own = all(entry.template for entry in pod.claims) and len(resident.claims) == len(pod.claims)
    return allows and own and all(len(claim.users) <= 1 for claim in resident.claims)


def replacement(pod: Pod) -> Pod:
    """The pod that its controller makes in its place."""
    return replace(pod, node="", nominated="", gated=True, placed=False, started=None)


def lost_seconds(pod: Pod, at: float) -> int:
    """How many seconds of a pod's work a restart throws away, at most.

    Work that ends says how long it takes, or is a Job's, and has to be done again. Everything else serves, and loses
    only the restart.
    """
    ends = pod.duration is not None or (pod.owner is not None and pod.owner.kind == "Job")
    return int(max(0.0, at - pod.started)) if ends and pod.started is not None else 0


def devices_of(resident: Resident) -> tuple[DeviceId, ...]:
    """The devices that a pod has shares of."""
    results = (result for claim in resident.claims if claim.allocation for result in claim.allocation.results)
    return tuple(sorted({result.device for result in results}))


def milli_held(fleet: Fleet, resident: Resident) -> int:
    """What a pod holds in thousandths of devices: of each the larger part, be it compute or memory."""
    total = 0
    for claim in resident.claims:
        for result in claim.allocation.results if claim.allocation else ():
            i = fleet.device_index.get(result.device)
            if i is not None:
                total += part_of(fleet, classes_of(fleet, ()), i, *consumption(fleet, i, result))
    return total


def milli_wanted(fleet: Fleet, need: Need, device: int) -> int:
    """What a need takes of a device, in the same way."""
    classes = classes_of(fleet, ())
    if not fleet.multi[device]:
        return int(classes.milli[device])
    return part_of(fleet, classes, device, *eligible(fleet, need).amounts(device))
