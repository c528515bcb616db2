"""The record of decisions: a line of the log for each that was carried out, with who, what, and under which rule.

Who made a pod is not known here: the API server's own audit log has that under the pod's uid.
"""

from collections.abc import Callable
from typing import Any

import structlog

from farthing.model.cluster import Allocation, Claim, Pod
from farthing.model.plan import DropSlice, Effect, Hold, MakeTemplate, Place, Preempt, Release, Stop, Ungate
from farthing.model.reason import Reason

_log = structlog.get_logger(__name__)

EVENT = "decision"


def record(effect: Effect, team_of: Callable[[Pod], str]) -> None:
    """Write the line of an effect that was carried out. A hold has one only where its reason has another name."""
    if not isinstance(effect, Hold) or effect.pod.verdict is None or effect.pod.verdict.why is not effect.reason.why:
        _log.info(EVENT, effect=type(effect).__name__, **_fields(effect, team_of))


def _fields(effect: Effect, team_of: Callable[[Pod], str]) -> dict[str, Any]:
    """What there is to say of an effect."""
    match effect:
        case MakeTemplate(key=key):
            return {"template": str(key)}
        case DropSlice(slice=stale):
            return {"slice": stale.name, "node": stale.node}
        case Release(claim=claim, reason=reason):
            return _of_claim(claim) | _rule(reason)
        case Ungate(pod=pod):
            return _who(pod, team_of)
        case _:
            return _who(effect.pod, team_of) | _rule(effect.reason) | _where(effect)


def _where(effect: Place | Preempt | Hold | Stop) -> dict[str, Any]:
    """The node, and what is given on it, or for whom it is taken."""
    match effect:
        case Place(node=node, grants=grants):
            return {"node": node, "devices": [device for grant in grants for device in _devices(grant.allocation)]}
        case Preempt(pod=pod, beneficiary=beneficiary, leave_by=leave_by):
            return {"node": pod.node, "for": str(beneficiary), "leave_by": leave_by}
        case _:
            return {"node": effect.pod.node} if effect.pod.node else {}


def _who(pod: Pod, team_of: Callable[[Pod], str]) -> dict[str, Any]:
    owner = f"{pod.owner.kind}/{pod.owner.name}" if pod.owner is not None else ""
    return {"pod": str(pod.key), "uid": pod.uid, "owner": owner, "team": team_of(pod), "priority": pod.priority}


def _of_claim(claim: Claim) -> dict[str, Any]:
    found = {"claim": str(claim.key), "uid": claim.uid, "users": [name for name, _ in claim.users]}
    if claim.allocation is None:
        return found
    held = claim.allocation
    return found | {"team": held.team, "node": held.node, "devices": _devices(held)}


def _devices(allocation: Allocation) -> list[str]:
    return [str(result.device) for result in allocation.results]


def _rule(reason: Reason) -> dict[str, Any]:
    return {"why": reason.why.value, "sentence": reason.sentence}
