"""What is known of those who wait as long as nothing about them changes: so that not all are looked at in every plan.

Of 20,000 that wait a hundred change between two plans. What a pod asks has a number, one for all that ask alike, and
what finds no place for one of a number finds none for the others.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from farthing.decide.gang import starting_gang
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.obstacle import obstacle
from farthing.decide.order import under_way
from farthing.decide.quota import Charge
from farthing.decide.release import held
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Snapshot, Waiting
from farthing.state.teams import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How a pod stands towards a `fleet` and the teams of a `tree`.

    `ready`: all is there that it needs in order to be placed. `starts`: it may only start together with its gang; where
    not, and it is ready, it `contends`: it only waits for its turn. `charges` are what it may then cost. `question` is
    the number of what it asks; None where something of its own says where it may be, or what it holds.
    """

    fleet: Fleet
    tree: Tree | None
    ready: bool
    starts: bool
    contends: bool
    charges: tuple[Charge, ...]
    question: int | None


def standing(snapshot: Snapshot, governor: Governor | None, waiting: Waiting) -> Standing:
    """How a pod stands; remembered with it."""
    known: Standing | None = waiting.memo.get("standing")
    if known is None or known.fleet is not snapshot.fleet or known.tree is not snapshot.tree:
        known = waiting.memo["standing"] = _standing(snapshot, governor, waiting)
    return known


def _standing(snapshot: Snapshot, governor: Governor | None, waiting: Waiting) -> Standing:
    ready, starts = _is_ready(snapshot, governor, waiting), starting_gang(waiting) is not None
    question = _number(snapshot.fleet, waiting) if _is_plain(waiting) else None
    charges = governor.charges(governor.team(waiting), needs_lacking(waiting)) if governor is not None and ready else ()
    return Standing(snapshot.fleet, snapshot.tree, ready, starts, ready and not starts, charges, question)


def _is_ready(snapshot: Snapshot, governor: Governor | None, waiting: Waiting) -> bool:
    ours = tuple(claim for claim in waiting.claims if claim.ours)
    ready = waiting.complete and not under_way(waiting) and any(claim.allocation is None for claim in ours)
    return ready and obstacle(snapshot, governor, waiting, ours) is None


def asked(waiting: Waiting) -> Hashable:
    """What asks that fail together have in common, as far as nothing of their own narrows where they may be."""
    pod = waiting.pod
    return needs_lacking(waiting), waiting.team, pod.constraints, pod.cpu, pod.memory, pod.others, pod.node, pod.qos


def _is_plain(waiting: Waiting) -> bool:
    """Whether nothing narrows the nodes that come into question for a pod, and nobody else waits for its claims."""
    near_gang = waiting.gang is not None and waiting.pod.topology is not None
    own = all(entry.template for entry in waiting.pod.claims)
    return own and not (waiting.avoid or waiting.pod.kept or near_gang or held(waiting))


def _number(fleet: Fleet, waiting: Waiting) -> int:
    """Most asks are told apart by one number, remembered with the fleet."""
    numbers: dict[Hashable, int] = fleet.memo.setdefault("questions", {})
    return numbers.setdefault(asked(waiting), len(numbers))
