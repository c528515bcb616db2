"""Who lives on the devices: pods that run and hold shares, and what pods that are over took.

Snapshots leave these out, since placing does not look at them and there may be many. Looking ahead does: what could be
moved, what will end, and when.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from farthing.model.cluster import Claim, Key, Pod
from farthing.state.world import World


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod on a node with the claims of ours that it holds there. `team` as in `Waiting`."""

    pod: Pod
    claims: tuple[Claim, ...]
    team: str


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
            found = (world.claim(Key(pod.key.namespace, entry.claim)) for entry in pod.claims)
            claims = tuple(claim for claim in found if claim is not None and claim.ours and claim.allocation)
            if claims:
                yield Resident(pod, claims, world.team_of(pod))


def finished(world: World) -> tuple[Finished, ...]:
    """Pods that asked for devices and are over, as far as the cluster still has them."""
    return tuple(
        Finished(pod, world.team_of(pod), pod.ended - pod.started)
        for pod in world.all(Pod)
        if pod.claims and pod.started is not None and pod.ended is not None and pod.ended >= pod.started
    )
