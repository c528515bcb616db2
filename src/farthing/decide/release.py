"""What is taken back: shares that cannot be used where they are.

Most shares end without us: kube-controller-manager clears an allocation as soon as its pod is over. Left to us are
pods that kube-scheduler refuses, devices that vanish under a pod on its way, allocations whose pods are all gone, and
devices of which more was given than they have.
"""

import re
from collections.abc import Iterator
from typing import Final

from farthing.model.cluster import Claim
from farthing.model.plan import DropSlice, Effect, Hold, Release
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Snapshot, Waiting

FIRST_REFUSAL_SECONDS: Final = 3.0
"""kube-scheduler's word from before the allocation may still stand on the pod; it tries again within this."""

LATER_REFUSAL_SECONDS: Final = 15.0
"""A pod refused before waits in kube-scheduler's backoff, at most 10 s, and its old refusal stands meanwhile."""

STALE_REFUSAL_SECONDS: Final = 60.0
"""Nor is it believed that claims cannot be allocated which are: kube-scheduler has not seen them yet. Where the API
server went away it watches claims again up to half a minute later."""

ORPHAN_SECONDS: Final = 30.0
"""kube-controller-manager gets so long to take back what nobody uses."""

_UNALLOCATED: Final = re.compile(r"0/(\d+) nodes are available: \1 cannot allocate all claims\.")
_REPELLING: Final = ("NoSchedule", "NoExecute")


def releases(snapshot: Snapshot) -> Iterator[Effect]:
    """Everything to take back, and slices to remove."""
    unusable = [(w, why) for w in snapshot.waiting if w.since is not None and (why := _unusable(snapshot, w, w.since))]
    unbound = {waiting.pod.uid for waiting in snapshot.waiting} if unusable else set()
    for waiting, reason in unusable:
        mine = (claim for claim in held(waiting) if unbound.issuperset(uid for _, uid in claim.users))
        yield from (Release(claim, reason) for claim in mine)
        yield Hold(waiting.pod, reason)
    for claim, since in snapshot.orphans:
        if snapshot.at - since >= ORPHAN_SECONDS:
            yield Release(claim, Reason(Why.ORPHANED, f"nobody has used it for {snapshot.at - since:.0f} s"))
    yield from _uncrowd(snapshot)
    yield from (DropSlice(stale) for stale in snapshot.stale)


def held(waiting: Waiting) -> tuple[Claim, ...]:
    """The claims of a waiting pod that hold devices of ours."""
    if "held" not in waiting.memo:
        waiting.memo["held"] = tuple(c for c in waiting.claims if c.ours and c.allocation is not None)
    found: tuple[Claim, ...] = waiting.memo["held"]
    return found


def node_of(fleet: Fleet, claim: Claim) -> str:
    """The node that an allocated claim's devices are on; empty where it is not known."""
    if claim.allocation is None:
        return ""
    places = (fleet.device_index.get(result.device) for result in claim.allocation.results)
    return claim.allocation.node or next((fleet.nodes[fleet.node_of[i]].name for i in places if i is not None), "")


def _unusable(snapshot: Snapshot, waiting: Waiting, since: float) -> Reason | None:
    """Why a pod on its way cannot use what it was given; None where it can."""
    for claim in held(waiting):
        lost = lost_device(snapshot.fleet, claim)
        if lost:
            return Reason(Why.DEVICE_LOST, lost)
    if waiting.pod.refusal and not waiting.pod.gated and snapshot.at - since >= _patience(waiting):
        return Reason(Why.REFUSED_BY_SCHEDULER, f"kube-scheduler: {waiting.pod.refusal}")
    return None


def _patience(waiting: Waiting) -> float:
    """For how many seconds after the allocation kube-scheduler's refusal may be an old one."""
    allocated = all(claim.allocation is not None for claim in waiting.claims)
    if allocated and _UNALLOCATED.match(waiting.pod.refusal):
        return STALE_REFUSAL_SECONDS
    return LATER_REFUSAL_SECONDS if waiting.avoid else FIRST_REFUSAL_SECONDS


def lost_device(fleet: Fleet, claim: Claim) -> str:
    """A sentence about a device of the claim that is gone or tainted; empty where all are well."""
    for result in claim.allocation.results if claim.allocation else ():
        i = fleet.device_index.get(result.device)
        if i is None:
            return f"device {result.device} is no longer published"
        for taint in fleet.specs[i].taints:
            if taint.effect in _REPELLING and not any(t.covers(taint) for t in result.tolerations):
                return f"device {result.device} is tainted {taint.key}:{taint.effect}"
    return ""


def _uncrowd(snapshot: Snapshot) -> Iterator[Effect]:
    """Of a device given away twice, the youngest share whose pod does not run yet goes back."""
    if not snapshot.crowded:
        return
    unbound = {claim.key for waiting in snapshot.waiting for claim in waiting.claims}
    for device, claims in snapshot.crowded:
        young = [claim for claim in claims if claim.key in unbound]
        if young:
            last = max(young, key=lambda claim: (claim.created, claim.key))
            yield Release(last, Reason(Why.NO_CAPACITY, f"more of device {device} was given than it has"))
