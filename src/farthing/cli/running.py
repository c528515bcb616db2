"""What runs where, on which share of which device, what waits and why: the table at the end of `farthing up --demo`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from farthing.cli.look import look
from farthing.kube.connection import Connection
from farthing.model.cluster import Claim, Key, Pod
from farthing.state.world import World


@dataclass(frozen=True)
class Row:
    """One pod that asked."""

    pod: str
    ask: str
    state: str
    node: str
    devices: str
    why: str


async def settled_rows(connection: Connection, deadline: float, steady: Callable[[], float]) -> list[Row]:
    """The rows, once nothing is on its way any more or the deadline (of the steady clock) has passed."""
    while True:
        world = (await look(connection)).world
        rows = [_row(world, pod) for pod in sorted(world.all(Pod), key=lambda pod: pod.key) if pod.claims]
        if all(row.state != "on its way" for row in rows) or steady() > deadline:
            return rows
        await asyncio.sleep(0.3)


def _row(world: World, pod: Pod) -> Row:
    claims = [claim for entry in pod.claims if (claim := world.claim(Key(pod.key.namespace, entry.claim)))]
    return Row(
        pod=str(pod.key),
        ask=", ".join(str(claim.ask) if claim.ask else "its own claim" for claim in claims),
        state=_state(pod),
        node=pod.node,
        devices=", ".join(_devices(claim) for claim in claims if claim.allocation),
        why="" if pod.verdict is None or pod.node else str(pod.verdict),
    )


def _state(pod: Pod) -> str:
    if pod.over:
        return "finished"
    if pod.node:
        return "running"
    return "waits" if pod.verdict is not None and not pod.placed else "on its way"


def _devices(claim: Claim) -> str:
    return " ".join(result.device.name for result in claim.allocation.results) if claim.allocation else ""
