"""What comes in and what goes out: Observations and Effects, the two ends of every decision.

    Observation -> (state.fold) -> Snapshot -> (decide) -> Plan -> (apply)

Effects are frozen, name their target and the version that they were decided on, and doing one twice does no harm.
"""

from dataclasses import dataclass

from farthing.model.cluster import Allocation, Claim, Key, Pod, Slice
from farthing.model.reason import Reason
from farthing.model.thing import Thing

# Observations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing is there, and looks like this."""

    thing: Thing


@dataclass(frozen=True, slots=True)
class Gone:
    """A thing is no longer there, as of `version`."""

    kind: type[Thing]
    key: Key
    version: int


@dataclass(frozen=True, slots=True)
class Listed:
    """All things of a kind, as of `version`; what was known and is not among them is gone."""

    kind: type[Thing]
    things: tuple[Thing, ...]
    version: int


Observation = Seen | Gone | Listed

# Effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakeTemplate:
    """Make the ResourceClaimTemplate that a pod refers to; its name spells the ask."""

    key: Key


@dataclass(frozen=True, slots=True)
class Grant:
    """Write this allocation on this claim, for this pod."""

    claim: Claim
    allocation: Allocation


@dataclass(frozen=True, slots=True)
class Place:
    """Give a pod its shares, tell kube-scheduler the node, and let it go. No `grants` where it has them already."""

    pod: Pod
    node: str
    grants: tuple[Grant, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Ungate:
    """Let go of a pod that asks for nothing of ours."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Release:
    """Take an allocation back."""

    claim: Claim
    reason: Reason


@dataclass(frozen=True, slots=True)
class Hold:
    """Let a pod wait, and say why."""

    pod: Pod
    reason: Reason


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a pod that runs to end, since its team cannot pay for it any more."""

    pod: Pod
    reason: Reason


@dataclass(frozen=True, slots=True)
class DropSlice:
    """Remove a slice whose node is gone."""

    slice: Slice


Effect = MakeTemplate | Place | Ungate | Release | Hold | Stop | DropSlice
Plan = tuple[Effect, ...]
