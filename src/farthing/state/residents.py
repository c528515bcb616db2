"""Who lives on the devices: pods that run and hold shares, and what pods that are over took.

Snapshots leave these out, since placing does not look at them and there may be many. Looking ahead does: what could be
moved, what will end, and when.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from farthing.model.cluster import Key, Pod
from farthing.state.gangs import Gang
from farthing.state.snapshot import Resident
from farthing.state.world import World

__all__ = ["Finished", "Resident", "finished", "gangs_of", "residents"]


@dataclass(frozen=True, slots=True)
class Finished:
    """A pod that is over, and for how many seconds it ran."""

    pod: Pod
    team: str
    seconds: float


def residents(world: World) -> tuple[Resident, ...]:
    """Everybody who holds devices on a node, in order of their names."""
    return tuple(sorted(_residents(world), key=lambda resident: resident.pod.key))


def _residents(world: World) -> Iterator[Resident]:
    for pod in world.all(Pod):
        if pod.node and pod.claims and not pod.over:
            found = world.resident(pod)
            if found is not None:
                yield found


def gangs_of(world: World, found: Iterable[Resident]) -> dict[str, Gang]:
    """The gangs that residents belong to, by the residents' uids."""
    known: dict[Key, Gang] = {}
    pairs = ((one.pod.uid, world.gang(one.pod, known)) for one in found if one.pod.gang is not None)
    return {uid: gang for uid, gang in pairs if gang is not None}


def finished(world: World) -> tuple[Finished, ...]:
    """Pods that asked for devices and are over, as far as the cluster still has them."""
    return tuple(
        Finished(pod, world.team_of(pod), pod.ended - pod.started)
        for pod in world.all(Pod)
        if pod.claims and pod.started is not None and pod.ended is not None and pod.ended >= pod.started
    )
