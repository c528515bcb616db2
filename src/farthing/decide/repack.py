"""Repack: restart pods that allow it elsewhere, so that pods that wait get whole devices or nodes.

Whoever waits for room is looked at in the order of the queue. Everybody who is moved has another place beforehand, so
a repack never lowers what runs. It is a proposal: nothing is done here.
"""

from dataclasses import dataclass, replace
from typing import Final

from farthing.decide.cycle import plan
from farthing.decide.draft import Draft
from farthing.decide.gang import starting_gang
from farthing.decide.governor import Governor
from farthing.decide.keep import all_kept, set_aside
from farthing.decide.movable import may_move
from farthing.decide.moves import Budget, Proposal, Search
from farthing.decide.needs import needs_of
from farthing.decide.order import in_order
from farthing.model.cluster import Pod
from farthing.model.plan import Place
from farthing.state.residents import Resident
from farthing.state.snapshot import Snapshot, Waiting

USUAL: Final = Budget()


@dataclass(frozen=True, slots=True)
class Repack:
    """What could be done. `stuck` pods wait for room; for the `hopeless` among them no moves were found.

    `movable` is how many pods may be moved. Whom quota lets have nothing, or some of the devices only, is not stuck.
    """

    proposals: tuple[Proposal, ...]
    stuck: int
    hopeless: tuple[Pod, ...]
    movable: int


def repack(snapshot: Snapshot, residents: tuple[Resident, ...], budget: Budget = USUAL) -> Repack:
    """Find moves for those who wait. All can be carried out, in their order; the budget is for all of them together.

    O(waiting x nodes tried x pods on them).
    """
    decided = {e.pod.uid: e for e in plan(replace(snapshot, free=snapshot.free.copy())) if isinstance(e, Place)}
    governor = _governor(snapshot, decided)
    stuck = [
        w
        for w in in_order(snapshot.waiting)
        if w.pod.uid not in decided and _wants_room(snapshot, w) and (governor is None or governor.lets_have_any(w))
    ]
    search = Search(_after(snapshot, decided), snapshot.at, tuple(filter(may_move, residents)))
    proposals: list[Proposal] = []
    hopeless: list[Pod] = []
    for waiting in stuck:
        if governor is not None and not governor.lets_have_any(waiting):
            continue
        proposal = search.best(waiting, _left(budget, proposals))
        if proposal is None:
            hopeless.append(waiting.pod)
            continue
        proposals.append(proposal)
        if governor is not None:
            governor.charge_devices(waiting, proposal.devices)
    return Repack(tuple(proposals), len(stuck), tuple(hopeless), len(search.movable))


def _governor(snapshot: Snapshot, decided: dict[str, Place]) -> Governor | None:
    """What quota lets those have who still wait, when those who can be placed are."""
    governor = Governor.of(snapshot)
    for waiting in snapshot.waiting if governor is not None else ():
        if governor is not None and waiting.pod.uid in decided:
            governor.charge(waiting.team, [grant.allocation for grant in decided[waiting.pod.uid].grants])
    return governor


def _after(snapshot: Snapshot, decided: dict[str, Place]) -> Draft:
    """What is left when those who can be placed are, and what is kept stays closed."""
    draft = Draft.of(snapshot)
    for waiting in snapshot.waiting:
        effect = decided.get(waiting.pod.uid)
        if effect is None or not effect.grants:
            continue
        for grant in effect.grants:
            requests = dict(needs_of(grant.claim))
            for result in grant.allocation.results:
                draft.take(draft.fleet.device_index[result.device], requests[result.request], waiting.team)
        draft.settle_on(draft.fleet.node_index[effect.node], waiting.pod)
    for uid, kept in all_kept(snapshot.fleet, snapshot.waiting, snapshot.at).items():
        if uid not in decided:
            set_aside(draft, kept, next(w.pod for w in snapshot.waiting if w.pod.uid == uid))
    return draft


def _wants_room(snapshot: Snapshot, waiting: Waiting) -> bool:
    """A pod that is ready to be placed, holds nothing yet, and for which nothing is being freed already.

    Not those of gangs: room for one of them would be of no use.
    """
    pod, ours = waiting.pod, [claim for claim in waiting.claims if claim.ours]
    ready = waiting.complete and bool(ours) and not any(claim.allocation or claim.unsupported for claim in ours)
    kept = all_kept(snapshot.fleet, (waiting,), snapshot.at)
    return ready and not pod.fault and not pod.blocked and not kept and starting_gang(waiting) is None


def _left(budget: Budget, spent: list[Proposal]) -> Budget:
    moves = sum(len(proposal.moves) for proposal in spent)
    lost = sum(proposal.lost_gpu_seconds for proposal in spent)
    return Budget(budget.moves - moves, budget.lost_gpu_seconds - lost)
