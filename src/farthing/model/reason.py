"""Why something is as it is: a name for machines and a sentence, with the numbers in it, for people."""

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Every reason Farthing gives. Each is on the pod, in the event, in the metric and in the docs."""

    PLACED = "Placed"
    """It has its share and a node; kube-scheduler binds it."""

    NO_CAPACITY = "NoCapacity"
    """Devices of the right kind exist, but none has enough free."""

    GANG_WAITING = "GangWaiting"
    """Its gang starts together or not at all; some of its pods are not there yet, or find no place."""

    PREEMPTED = "Preempted"
    """It has to go: another pod has the better right to its devices. The sentence says whose, and by which rule."""

    MAKING_ROOM = "MakingRoom"
    """A repack is freeing devices for it; they are kept for it meanwhile."""

    TOO_LARGE = "TooLarge"
    """No node could ever hold it, even when empty."""

    UNKNOWN_MODEL = "UnknownModel"
    """No device in the cluster is of a model that it names."""

    NO_DEVICES = "NoDevices"
    """The cluster has no devices that Farthing manages and the request selects."""

    NODE_MISMATCH = "NodeMismatch"
    """Devices would do, but the pod's own rules (selector, affinity, taints, ports) exclude their nodes."""

    NO_NODE_ROOM = "NoNodeRoom"
    """Devices are free, but their nodes lack cpu, memory or room for another pod."""

    ISOLATION_UNAVAILABLE = "IsolationUnavailable"
    """No device can deliver the level of isolation that it declares."""

    BUDGET_SPENT = "BudgetSpent"
    """Its team's budget for the period is spent; new work waits until it resets."""

    BUDGET_SHORT = "BudgetShort"
    """By its hint it would cost more than its team's budget has left for the period."""

    BUDGET_LOW = "BudgetLow"
    """A budget is spent up to the part at which it warns."""

    BUDGET_BURNING = "BudgetBurning"
    """A budget is being spent much faster than it would last."""

    UNKNOWN_TEAM = "UnknownTeam"
    """A budget names a team that nobody is of; it holds nobody."""

    INVALID_OBJECT = "InvalidObject"
    """A budget or a price book cannot be read or taken over; it counts for nothing until it is written anew."""

    REFUSED_BY_SCHEDULER = "RefusedByScheduler"
    """kube-scheduler would not have it on the node; its share was freed and it is placed anew."""

    DEVICE_LOST = "DeviceLost"
    """The device that it was given is gone or tainted; it is placed anew."""

    CLAIM_PENDING = "ClaimPending"
    """Kubernetes has not made its claims yet."""

    UNSUPPORTED = "Unsupported"
    """It uses a feature of device requests that Farthing does not plan."""

    INVALID_ASK = "InvalidAsk"
    """What it asks for cannot be read."""

    OTHER_GATE = "OtherGate"
    """Another scheduling gate holds it; it is placed when that is gone."""

    MISPLACED = "Misplaced"
    """It was bound to another node than its share is on; it is given one where it is."""

    BOOKS_WRONG = "BooksWrong"
    """The auditor found that the shares on a device do not add up."""

    SHARE_CONFLICT = "ShareConflict"
    """The node has something prepared on the device that the share cannot be beside."""

    DEVICE_PLUGIN = "DevicePlugin"
    """The node has a device plugin that gives the same devices away; nothing new starts on them while it is there."""

    PARTITION_BUSY = "PartitionBusy"
    """A partition of the node cannot be undone, since a process still holds it."""

    QUOTA_EXCEEDED = "QuotaExceeded"
    """Its team, or a team above it, may not have more of the devices that would do."""

    QUEUED = "Queued"
    """What it waits for is with other teams, or another of its own goes first and nobody may pass."""

    NOT_ALLOWED = "NotAllowed"
    """Its team may not use such isolation or such models."""

    ORPHANED = "Orphaned"
    """The allocation's pods are all gone."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One `why`, said in a sentence with numbers."""

    why: Why
    sentence: str

    def __str__(self) -> str:
        return f"{self.why}: {self.sentence}"
