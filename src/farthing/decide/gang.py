"""Gangs: who starts together, and where. All find a place in one plan, or none is given anything.

What is tried is taken off the draft, and put back where it comes to nothing. So no gang ever holds devices while it
waits for more of them, and two cannot wait for each other. A gang that has started and has lost pods goes first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farthing.decide.charge import charge_of, times, total
from farthing.decide.domains import domains_of, places_to_try, short_of
from farthing.decide.draft import Draft
from farthing.decide.governed import OF_QUOTA, PASSING, find, refusal, settle
from farthing.decide.governor import Governor
from farthing.decide.needs import Need
from farthing.decide.place import Placement
from farthing.model.cluster import Key
from farthing.model.gang import Topology
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Bools
from farthing.state.gangs import Gang
from farthing.state.snapshot import Waiting

GATHER_SECONDS: Final = 5.0
"""The pods of a gang are made one after the other; only so long after the latest are the others told that they wait."""


TRIED_AT_ONCE: Final = 32
"""A larger gang is only tried pod by pod where all devices together have enough for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """One pod that starts with others: what it needs, and the nodes that come into question for it (None: all).

    What asks the same `question` finds the same place, or none.
    """

    waiting: Waiting
    needs: tuple[Need, ...]
    within: Bools | None
    question: object


def starting_gang(waiting: Waiting) -> Gang | None:
    """The gang with which a pod that waits may only start together; None where it may start alone."""
    if waiting.gang is None:
        return None
    if "starts" not in waiting.memo:
        waiting.memo["starts"] = _starts(waiting, waiting.gang)
    return waiting.gang if waiting.memo["starts"] else None


def _starts(waiting: Waiting, gang: Gang) -> bool:
    lacks = not waiting.complete or any(claim.ours and claim.allocation is None for claim in waiting.claims)
    return waiting.pod.gated and (gang.unseen or bool(gang.lacking)) and lacks


def by_gang(ordered: Iterable[Waiting]) -> dict[Key, list[Waiting]]:
    """Those who start together, in their order."""
    found: dict[Key, list[Waiting]] = {}
    for waiting in ordered:
        gang = starting_gang(waiting)
        if gang is not None:
            found.setdefault(gang.key, []).append(waiting)
    return found


def starters(gang: Gang, ready: Sequence[Waiting]) -> list[Waiting]:
    """As many of each role as the gang lacks; nobody where too few are ready.

    A gang that was let go once takes whoever has come in the place of others: it does not wait for all of them.
    """
    lacking, found = dict(gang.lacking), []
    for waiting in ready:
        role = waiting.pod.role
        if lacking.get(role, 0) > 0:
            lacking[role] -= 1
            found.append(waiting)
    return found if gang.begun or not any(lacking.values()) else []


def of_several_teams(gang: Gang, mates: Iterable[Waiting]) -> Reason | None:
    """Pods that start together are paid for together: why those of several teams do not; None where they are of one."""
    teams = sorted({mate.team for mate in mates})
    if len(teams) < 2:
        return None
    listed = f"{', '.join(teams[:-1])} and {teams[-1]}"
    sentence = f"pods that start together are of one team; those of {gang.name} are of {listed}"
    return Reason(Why.UNSUPPORTED, sentence)


def gathering(gang: Gang) -> Reason:
    """Why a gang waits whose pods are not all there."""
    if gang.unseen:
        sentence = (
            f"{gang.name} has not been seen, so it is not known how many of its pods start together; see that it is "
            "there and that the spoke may read it, or say the number with farthing.dev/gang"
        )
        return Reason(Why.GANG_WAITING, sentence)
    parts = [
        f"{gang.started[role.name] + gang.waiting[role.name]} of {role.least} {role.name}".rstrip()
        for role in gang.roles
        if role.least
    ]
    return Reason(Why.GANG_WAITING, f"the pods of {gang.name} start together, and there are {', '.join(parts)}")


def place_together(
    governor: Governor | None, draft: Draft, gang: Gang, asking: Sequence[Asking]
) -> tuple[Placement, ...] | Reason:
    """A place for every one of them, taken off the draft and charged; or why there is none, and all as it was."""
    needs = [need for one in asking for need in one.needs]
    first = asking[0].waiting
    short = short_of(draft, Counter(needs), first.team) if len(asking) > TRIED_AT_ONCE else None
    if short is not None:
        need, has, wanted = short
        sentence = f"{_together(gang, asking)}; {need}: {wanted} are wanted, and {has} could be had"
        return Reason(Why.GANG_WAITING, sentence)
    best: tuple[int, Reason | None] = (-1, None)
    for nodes in places_to_try(draft, first.pod.topology, needs, first.team, gang.nodes):
        with draft.trial() as trial:
            found = _all(governor, draft, asking, nodes)
            trial.kept = len(found) == len(asking)
            if not trial.kept and len(found) > best[0]:
                best = len(found), refusal(governor, draft, asking[len(found)].waiting)
        if trial.kept:
            return tuple(found)
        _uncharge(governor, draft, asking, found)
    return _no_place(draft, _together(gang, asking), first.pod.topology, *best)


def could_afford(governor: Governor, wanted_by: Mapping[Need, int], team: int) -> bool:
    """Whether quota may allow so many pods for each need; certainly not where this is False.

    What may cost this or that is not counted.
    """
    charges = []
    for need, pods in wanted_by.items():
        options = governor.options(team, need)
        charges += [times(pods, options[0].charge)] if len(options) == 1 else []
    return governor.books.allows(team, total(charges))


def _all(governor: Governor | None, draft: Draft, asking: Sequence[Asking], nodes: Bools) -> list[Placement]:
    """The places of as many as find one, one after the other."""
    placed: list[Placement] = []
    for one in asking:
        found = find(governor, draft, one.waiting, nodes if one.within is None else one.within & nodes)
        if found is None:
            break
        settle(governor, draft, one.waiting, found)
        placed.append(found)
    return placed


def _uncharge(governor: Governor | None, draft: Draft, asking: Sequence[Asking], placed: list[Placement]) -> None:
    if governor is None:
        return
    for one, found in zip(asking, placed, strict=False):
        charge = charge_of(draft.fleet, governor.books.tree, one.needs, found.devices)
        governor.books.give_back(governor.team(one.waiting), charge)


def _together(gang: Gang, asking: Sequence[Asking]) -> str:
    """Who has to find a place at once."""
    if gang.broken:
        lost = f"{len(asking)} pods come in the place of those that {gang.name} has lost"
        return f"{lost}, of which {gang.started.total()} have their devices"
    return f"{len(asking)} pods of its gang start together"


def _no_place(draft: Draft, together: str, topology: Topology | None, placed: int, why: Reason | None) -> Reason:
    """Why there is no place for all: what no waiting can mend as it is, otherwise how far they came."""
    level = topology.required if topology is not None else None
    if why is not None and why.why not in PASSING and not placed:
        return why
    name = why.why if why is not None and why.why in OF_QUOTA else Why.GANG_WAITING
    if level is not None and not (domains_of(draft.fleet, level) >= 0).any():
        return Reason(Why.NODE_MISMATCH, f"{together} in one {level}, and no node says which {level} it is in")
    where = f" in one {level}" if level is not None else ""
    if why is None:
        return Reason(Why.GANG_WAITING, f"{together}{where}, and no {level} has room for all of them")
    return Reason(name, f"{together}{where}; {placed} would find a place, then: {why.sentence}")
