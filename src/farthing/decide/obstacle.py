"""What keeps a pod from being planned at all, whatever is free: what it says cannot be read, or it is not ready yet."""

from typing import Final

from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.model.ask import TEMPLATE_PREFIX, ask_of_template
from farthing.model.cluster import Claim, Key, Pod
from farthing.model.reason import Reason, Why
from farthing.state.snapshot import Snapshot, Waiting

_PENDING_SECONDS: Final = 10.0
"""Kubernetes makes claims in milliseconds; only after this a pod is told that it waits for them."""


def obstacle(snapshot: Snapshot, governor: Governor | None, waiting: Waiting, ours: tuple[Claim, ...]) -> Reason | None:
    """The first thing in the way of a pod, whose claims `ours` are to be planned; None where there is nothing."""
    pod = waiting.pod
    if pod.fault:
        return Reason(Why.INVALID_ASK, pod.fault)
    unreadable = _unreadable(snapshot, pod)
    if unreadable:
        return Reason(Why.INVALID_ASK, f"template {unreadable} spells no ask that Farthing can read")
    unsupported = next((claim for claim in ours if claim.unsupported), None)
    if unsupported is not None:
        return Reason(Why.UNSUPPORTED, f"claim {unsupported.key.name}: {unsupported.unsupported}")
    if pod.blocked:
        return Reason(Why.OTHER_GATE, "another scheduling gate is on it; it is placed when that is gone")
    if waiting.complete:
        return governor.forbids(governor.team(waiting), needs_lacking(waiting)) if governor is not None else None
    late = snapshot.at - pod.created >= _PENDING_SECONDS
    return Reason(Why.CLAIM_PENDING, _pending(snapshot, pod)) if late else None


def _unreadable(snapshot: Snapshot, pod: Pod) -> str:
    """The first template of ours by its name, that is not there and that nobody can make."""
    names = (e.template for e in pod.claims if e.template.startswith(TEMPLATE_PREFIX) and not e.claim)
    return next((name for name in names if ask_of_template(name) is None and not _is_there(snapshot, pod, name)), "")


def _pending(snapshot: Snapshot, pod: Pod) -> str:
    """What its claims wait for."""
    unmade = (entry.template for entry in pod.claims if entry.template and not entry.claim)
    absent = next((name for name in unmade if not _is_there(snapshot, pod, name)), None)
    if absent is not None:
        return f"its claim template {absent} is not in namespace {pod.key.namespace}"
    return "kube-controller-manager has not made its claims yet"


def _is_there(snapshot: Snapshot, pod: Pod, template: str) -> bool:
    return Key(pod.key.namespace, template) in snapshot.templates
