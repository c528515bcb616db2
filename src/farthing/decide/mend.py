"""Pods that were bound away from their shares.

kube-scheduler binds from what it saw some moments ago, and nothing ties the binding to the claim. So a share that we
take back may belong to a pod that is bound in the same moment. Then it gets the share back, which was kept; or another
on its node; or it is told that there is none.
"""

from collections.abc import Iterator
from typing import Final

from farthing.decide.draft import Draft
from farthing.decide.explain import why_not
from farthing.decide.grant import grant
from farthing.decide.needs import needs_of
from farthing.decide.place import place
from farthing.model.cluster import Claim
from farthing.model.plan import Effect, Grant, Hold, Place, Release
from farthing.model.reason import Reason, Why
from farthing.state.snapshot import Stray

STRAY_SECONDS: Final = 5.0
"""News of a pod and of its claim come separately: a pod that ended looks bound without a share for a moment."""


def mend(draft: Draft, stray: Stray, at: float) -> Iterator[Effect]:
    """What to do about one stray pod, taking what it is given off the draft."""
    pod, kept = stray.pod, dict(stray.kept)
    lacking = tuple(claim for claim in stray.claims if claim.allocation is None and not claim.unsupported)
    if lacking and all(claim.key in kept and kept[claim.key].node == pod.node for claim in lacking):
        yield _back(stray, tuple(Grant(claim, kept[claim.key]) for claim in lacking))
    elif at - stray.since >= STRAY_SECONDS:
        yield from _elsewhere(stray)
        if lacking:
            yield from _anew(draft, stray, lacking)


def _back(stray: Stray, grants: tuple[Grant, ...]) -> Effect:
    return Place(stray.pod, stray.pod.node, grants, Reason(Why.PLACED, f"on node {stray.pod.node}, where it was bound"))


def _elsewhere(stray: Stray) -> Iterator[Effect]:
    """Shares on other nodes are of no use to the pod."""
    for claim in stray.claims:
        if claim.allocation is not None and claim.allocation.node not in ("", stray.pod.node):
            sentence = f"pod {stray.pod.key.name} runs on {stray.pod.node}, its share is on {claim.allocation.node}"
            yield Release(claim, Reason(Why.MISPLACED, sentence))


def _anew(draft: Draft, stray: Stray, lacking: tuple[Claim, ...]) -> Iterator[Effect]:
    """Other devices of the pod's node, or a reason."""
    pod, needs = stray.pod, tuple(need for claim in lacking for _, need in needs_of(claim))
    found = place(draft, pod, needs, stray.team)
    if found is None:
        why = why_not(draft, pod, needs, stray.team)
        reason = Reason(Why.MISPLACED, f"it was bound to {pod.node}, where it has no share: {why.sentence}")
        if pod.verdict != reason:
            yield Hold(pod, reason)
        return
    for need, devices in zip(needs, found.devices, strict=True):
        for device in devices:
            draft.take(device, need, stray.team)
    rest = iter(found.devices)
    mine = ((claim, tuple(next(rest) for _ in claim.requests)) for claim in lacking)
    yield _back(stray, tuple(grant(draft.fleet, claim, found.node, chosen, stray.team) for claim, chosen in mine))
