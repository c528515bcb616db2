"""Carrying out one proposal of a repack: keep its devices, ask its pods to go one after the other, wait for the end.

Nothing is evicted before the spoke has said that it keeps the devices, and nobody after a replacement found no place.
What is kept is renewed while we wait, and given up when we stop; if we die, it ends by itself.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from farthing.decide.moves import Move, Proposal
from farthing.kube.connection import Connection, Json, sleep_after
from farthing.kube.convert import PLACED_CONDITION
from farthing.kube.resources import eviction, pod_path
from farthing.model.cluster import Key, Pod
from farthing.model.errors import FarthingError, NotFoundError, PermanentError, TransientError
from farthing.model.keep import KEPT, Keep
from farthing.model.reason import Why

AHEAD_SECONDS: Final = 60.0
"""What is kept is kept for so long and the longest that a pod may take to end; renewed after a quarter of this."""

ANSWER_SECONDS: Final = 15.0
"""The spoke gets so long to say that it keeps the devices."""

PLACE_SECONDS: Final = 60.0
"""A replacement, and the waiting pod, get so long to be placed, once the pods before them have ended."""

DISRUPTION_SECONDS: Final = 120.0
"""So long we ask again where a PodDisruptionBudget says not now."""

_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one move: the replacement and the node it was placed on; `sentence` where it went wrong."""

    pod: str
    replacement: str = ""
    node: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a proposal: whether the waiting pod has its devices now, and on which node."""

    pod: str
    placed: bool
    node: str = ""
    sentence: str = ""
    moved: tuple[Moved, ...] = ()


async def carry_out(connection: Connection, proposal: Proposal, say: Callable[[str], None]) -> Outcome:
    """Carry out a proposal; `say` is told each step. What goes wrong is in the outcome, not raised."""
    pod = proposal.pod
    moved: list[Moved] = []
    try:
        say(f"{pod.key}: asking whether its neighbours may be evicted")
        for move in proposal.moves:
            await _evict(connection, move.pod, try_only=True)
        async with _keeping(connection, proposal):
            say(f"{pod.key}: waiting until its devices are kept for it")
            await _until(lambda: _answered(connection, pod), ANSWER_SECONDS, "no spoke has said that it keeps them")
            for move in proposal.moves:
                say(f"{pod.key}: moving {move.pod.key}")
                moved.append(await _move(connection, move))
                if moved[-1].sentence:
                    return Outcome(str(pod.key), placed=False, sentence=moved[-1].sentence, moved=tuple(moved))
            say(f"{pod.key}: waiting until it is placed")
            node = await _until(lambda: _placed(connection, pod.key, pod.uid), PLACE_SECONDS, "it was not placed")
        return Outcome(str(pod.key), placed=True, node=node, moved=tuple(moved))
    except FarthingError as error:
        return Outcome(str(pod.key), placed=False, sentence=str(error), moved=tuple(moved))


# Keeping ----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _keeping(connection: Connection, proposal: Proposal) -> AsyncIterator[None]:
    """Keep the devices for the pod as long as the block runs."""
    ahead = AHEAD_SECONDS + max(move.pod.grace for move in proposal.moves)

    async def renew() -> None:
        """What is not renewed lapses, and shows as a pod that finds no place, which is told."""
        while True:
            await asyncio.sleep(AHEAD_SECONDS / 4)
            with contextlib.suppress(FarthingError):
                await _annotate(connection, proposal.pod, str(Keep(time.time() + ahead, proposal.devices)))

    await _annotate(connection, proposal.pod, str(Keep(time.time() + ahead, proposal.devices)))
    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with contextlib.suppress(FarthingError):  # it ends by itself
            await _annotate(connection, proposal.pod, None)


async def _annotate(connection: Connection, pod: Pod, text: str | None) -> None:
    body = {"metadata": {"uid": pod.uid, "annotations": {KEPT: text}}}
    await connection.patch(pod_path(pod.key), body)


async def _answered(connection: Connection, pod: Pod) -> str:
    """Whether the spoke keeps the devices, or has placed the pod already."""
    found = await connection.get(pod_path(pod.key))
    said = _condition(found)
    return "yes" if said.get("reason") == Why.MAKING_ROOM or _where(found) else ""


# Moving -----------------------------------------------------------------------------------------------------------


async def _move(connection: Connection, move: Move) -> Moved:
    """Evict one pod, and see its replacement placed."""
    pod = move.pod
    before = {found["metadata"]["uid"] for found in await _siblings(connection, pod)}
    await _evict_in_time(connection, pod)
    fresh: dict[str, str] = {}

    async def placed() -> str:
        for found in await _siblings(connection, pod):
            if found["metadata"]["uid"] not in before:
                fresh["name"] = found["metadata"]["name"]
                if node := _where(found):
                    return node
        return ""

    try:
        node = await _until(placed, pod.grace + PLACE_SECONDS, f"the pod in place of {pod.key} was not placed")
    except PermanentError as error:
        return Moved(str(pod.key), fresh.get("name", ""), sentence=str(error))
    return Moved(str(pod.key), fresh["name"], node)


async def _siblings(connection: Connection, pod: Pod) -> list[Json]:
    """The pods of the same controller."""
    owner = pod.owner.uid if pod.owner else pod.uid
    found, _ = await connection.list_all(f"/api/v1/namespaces/{pod.key.namespace}/pods")
    return [one for one in found if any(o["uid"] == owner for o in one["metadata"].get("ownerReferences", ()))]


async def _evict_in_time(connection: Connection, pod: Pod) -> None:
    """Ask until its PodDisruptionBudget lets it go."""
    deadline = time.monotonic() + DISRUPTION_SECONDS
    while True:
        try:
            await _evict(connection, pod)
        except TransientError as error:
            if time.monotonic() > deadline:
                raise PermanentError(f"{pod.key} could not be evicted: {error}") from error
            await sleep_after(error, 1.0)
        else:
            return


async def _evict(connection: Connection, pod: Pod, *, try_only: bool = False) -> None:
    """Ask the API server to evict exactly this pod; refused with TransientError while a budget forbids it."""
    body = eviction(pod)
    if try_only:
        body["deleteOptions"]["dryRun"] = ["All"]
    await connection.create(pod_path(pod.key, "/eviction"), body)


# Watching ---------------------------------------------------------------------------------------------------------


async def _placed(connection: Connection, key: Key, uid: str) -> str:
    found = await connection.get(pod_path(key))
    if found["metadata"]["uid"] != uid:
        raise NotFoundError(f"pod {key} is gone; another of its name is there")
    return _where(found)


def _where(pod: Json) -> str:
    """The node that a pod was placed on; empty where it was not."""
    node = str(pod["spec"].get("nodeName", ""))
    placed = _condition(pod).get("status") == "True"
    return node or (str(pod["status"].get("nominatedNodeName", "")) if placed else "")


def _condition(pod: Json) -> Json:
    return next((c for c in pod["status"].get("conditions", ()) if c["type"] == PLACED_CONDITION), {})


async def _until(check: Callable[[], Awaitable[str]], seconds: float, otherwise: str) -> str:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(TransientError):
            if answer := await check():
                return answer
        await asyncio.sleep(_POLL_SECONDS)
    raise PermanentError(f"{otherwise} within {seconds:.0f} s")
