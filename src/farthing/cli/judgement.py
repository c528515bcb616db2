"""What the brain says of one pod, now: the same `plan`, `place` and `exclusions` that the spoke acts by."""

from dataclasses import dataclass, replace

from farthing.cli.look import Look, claims_of, is_ours
from farthing.decide.cycle import plan
from farthing.decide.draft import Draft
from farthing.decide.explain import Exclusion, exclusions, why_not
from farthing.decide.gang import gathering, starting_gang
from farthing.decide.line import in_line as line
from farthing.decide.needs import Need, needs_of
from farthing.decide.place import place
from farthing.model.ask import ask_of_template
from farthing.model.cluster import DEVICE_CLASS, Key, Pod
from farthing.model.plan import Hold, Place
from farthing.model.reason import Reason, Why
from farthing.state.snapshot import Snapshot, Waiting


@dataclass(frozen=True)
class Judgement:
    """What would be decided about a waiting pod. `fits`: it would be placed; `reason` then says where.

    `ahead` pods of `line` that wait for devices are looked at before it.
    """

    reason: Reason
    fits: bool
    exclusions: tuple[Exclusion, ...]
    ahead: int
    line: int


def judge(look: Look, waiting: Waiting) -> Judgement:
    """Decide about everybody who waits as the spoke would, and say what came out for one."""
    needs = wanted(look, waiting.pod)
    decided = _decided(look.snapshot()).get(waiting.pod.key)
    draft = Draft.of(look.snapshot())
    reason, fits = decided or _alone(draft, waiting, needs)
    before = in_line(look, look.snapshot())
    keys = [w.pod.key for w in before]
    return Judgement(
        reason=reason,
        fits=fits,
        exclusions=exclusions(draft, waiting.pod, needs, waiting.team) if needs else (),
        ahead=keys.index(waiting.pod.key) if waiting.pod.key in keys else 0,
        line=len(before),
    )


def in_line(look: Look, snapshot: Snapshot) -> list[Waiting]:
    """Those who wait for devices of ours, in the order in which they would be taken up."""
    return [w for w in line(snapshot) if is_ours(look, w.pod) and not on_its_way(w)]


def on_its_way(waiting: Waiting) -> bool:
    """True where the pod has all its devices, and only kube-scheduler has not bound it yet."""
    ours = [claim for claim in waiting.claims if claim.ours]
    return waiting.complete and bool(ours) and all(claim.allocation is not None for claim in ours)


def wanted(look: Look, pod: Pod) -> tuple[Need, ...]:
    """What a pod still wants, of its claims and of templates whose claims are not there: not yet, or no longer."""
    there = claims_of(look, pod)
    made = (need for claim in there if claim.ours and not claim.allocation for _, need in needs_of(claim))
    names = {claim.key.name for claim in there}
    asks = (ask_of_template(entry.template) for entry in pod.claims if entry.claim not in names)
    return (*made, *(Need(ask.count, DEVICE_CLASS, ask) for ask in asks if ask))


def _decided(snapshot: Snapshot) -> dict[Key, tuple[Reason, bool]]:
    """What a cycle says of each pod. Verdicts already written are taken off, so that it says them again."""
    fresh = tuple(replace(w, pod=replace(w.pod, verdict=None)) for w in snapshot.waiting)
    found: dict[Key, tuple[Reason, bool]] = {}
    for effect in plan(replace(snapshot, waiting=fresh)):
        if isinstance(effect, Hold | Place):
            found[effect.pod.key] = (effect.reason, isinstance(effect, Place))
    return found


def _alone(draft: Draft, waiting: Waiting, needs: tuple[Need, ...]) -> tuple[Reason, bool]:
    """A pod that a cycle leaves alone, since its claims are not made yet: what it would say if they were."""
    if not needs:
        return Reason(Why.CLAIM_PENDING, "kube-controller-manager has not made its claims yet"), False
    gang = starting_gang(waiting)
    if gang is not None:
        return gathering(gang), False
    found = place(draft, waiting.pod, needs, waiting.team)
    if found is None:
        return why_not(draft, waiting.pod, needs, waiting.team), False
    devices = ", ".join(draft.fleet.devices[i].name for chosen in found.devices for i in chosen)
    return Reason(Why.PLACED, f"on node {draft.fleet.nodes[found.node].name}: {devices}"), True
