"""One look at a cluster: everything that a decision looks at, read with the user's own rights, no spoke needed.

What comes out is the same World and Snapshot that the spoke decides on, so that the commands that explain use the same
brain as the one that acts.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farthing.cli.options import connect
from farthing.kube.connection import Connection
from farthing.kube.resources import CLAIMS, PROFILES, WATCHED, WRITTEN, Resource
from farthing.kube.watch import Inbox, list_into
from farthing.model.ask import ask_of_template
from farthing.model.cluster import Claim, Key, Pod
from farthing.model.errors import NotFoundError, PermanentError, UnsupportedError
from farthing.model.plan import Observation
from farthing.state.snapshot import Snapshot
from farthing.state.usage import consumption
from farthing.state.world import World


@dataclass(frozen=True)
class Look:
    """A cluster at the instant `at` (seconds since 1970).

    `typed`: Farthing's own types are there. `unreadable` are sentences about objects that could not be read.
    """

    world: World
    at: float
    typed: bool = True
    unreadable: tuple[str, ...] = ()

    def snapshot(self) -> Snapshot:
        """A snapshot with columns of its own, to plan in."""
        return self.world.snapshot(self.at)


@dataclass(frozen=True)
class Share:
    """What a claim holds of one device: `device` is its index in the fleet, `compute` and `memory` in its own units."""

    claim: Claim
    device: int
    compute: int
    memory: int

    @property
    def pods(self) -> tuple[Key, ...]:
        """The pods it is reserved for."""
        return tuple(Key(self.claim.key.namespace, name) for name, _ in self.claim.users)

    @property
    def isolation(self) -> str:
        """The level in force; empty where another than Farthing gave it."""
        return self.claim.allocation.isolation if self.claim.allocation else ""

    @property
    def team(self) -> str:
        return self.claim.allocation.team if self.claim.allocation else ""


async def look(connection: Connection) -> Look:
    """Read everything once, all kinds at the same time."""
    unreadable: list[str] = []
    at = time.time()
    found = await asyncio.gather(*(_read(connection, resource, unreadable) for resource in WATCHED))
    world = World()
    for listed in found:
        for news in listed:
            world.fold(news, at)
    return Look(world, at, typed=bool(found[WATCHED.index(PROFILES)]), unreadable=tuple(unreadable))


async def _read(connection: Connection, resource: Resource, unreadable: list[str]) -> list[Observation]:
    """One kind; nothing where the API server does not know Farthing's own kinds."""
    inbox = Inbox(unreadable.append)
    try:
        await list_into(connection, resource, inbox)
    except NotFoundError as error:
        if resource in (PROFILES, *WRITTEN):
            return []
        if resource.path.startswith(CLAIMS.path.rpartition("/")[0]):
            raise UnsupportedError(
                f"the API server at {connection.server} does not serve resource.k8s.io/v1; "
                "Farthing needs Kubernetes 1.36 or newer"
            ) from error
        raise
    except PermanentError:
        if resource in WRITTEN:  # roles of earlier versions do not let users see them
            return []
        raise
    return list(inbox.drain())


async def look_at(kubeconfig: Path | None, context: str) -> Look:
    """Connect, look, hang up."""
    async with connect(kubeconfig, context) as connection:
        return await look(connection)


def shares(look: Look) -> Iterator[Share]:
    """Every share that a claim holds of a device that Farthing knows."""
    fleet = look.world.fleet
    for claim in look.world.all(Claim):
        for result in claim.allocation.results if claim.allocation else ():
            device = fleet.device_index.get(result.device)
            if device is not None:
                yield Share(claim, device, *consumption(fleet, device, result))


def is_ours(look: Look, pod: Pod) -> bool:
    """Whether Farthing has anything to do with a pod: our gate is on it, or a claim of it is ours to give.

    Claims of pods that are over are gone; a template whose name spells an ask still tells.
    """
    return (
        pod.gated
        or any(claim.ours for claim in claims_of(look, pod))
        or any(ask_of_template(entry.template) for entry in pod.claims)
    )


def claims_of(look: Look, pod: Pod) -> tuple[Claim, ...]:
    """The claims of a pod that are there."""
    keys = (Key(pod.key.namespace, entry.claim) for entry in pod.claims if entry.claim)
    return tuple(claim for key in keys if (claim := look.world.claim(key)))
