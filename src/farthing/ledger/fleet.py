"""Devices as the ledger sees them: physical ones, each billed once, whatever they are cut into.

The partitions of a device (MIG) are devices of their own in Kubernetes that draw on the counters of one card. Here the
card is the device: it is as large as its counters, and a partition's part of it is the largest part that it draws of
any counter, in millionths.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from farthing.ledger.interval import Supply
from farthing.model.ask import TEAM_PATTERN
from farthing.model.cluster import Result
from farthing.state.cards import CARD, drawn
from farthing.state.fleet import Fleet
from farthing.state.usage import consumption

COMMITMENT: Final = "farthing.dev/commitment"
"""The node label that names the commitment under which the node was bought."""

RESERVED: Final = "farthing.dev/reserved"
"""The node label that names the team for which the node was bought: it is charged for what nobody's share takes."""

SPOT: Final = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Node labels by which clouds mark what they may take back."""

_CORDON: Final = "node.kubernetes.io/unschedulable"


@dataclass(frozen=True, slots=True)
class Physical:
    """A device that is there. `supply` has no cluster and no times yet; `stranded`: nobody can be placed on it.

    `reserved` is the team for which it was bought, empty where for nobody in particular.
    """

    supply: Supply
    stranded: bool
    reserved: str = ""

    @property
    def device(self) -> str:
        return self.supply.device


@dataclass(frozen=True, slots=True)
class Part:
    """What a share takes of a physical device, in the device's own unit and in bytes."""

    device: str
    node: str
    model: str
    compute: int
    memory: int


def physicals(fleet: Fleet) -> Iterator[Physical]:
    """Every physical device of a fleet."""
    cards: dict[str, list[int]] = defaultdict(list)
    for i in range(len(fleet.devices)):
        if i in fleet.consumes:
            cards[_card(fleet, i)].append(i)
        else:
            size = int(fleet.compute[i]), int(fleet.memory[i])
            yield _physical(fleet, i, _name(fleet, i), size, stranded=_is_stranded(fleet, i))
    for card, pieces in cards.items():
        largest = max(pieces, key=lambda i: (drawn(fleet, i), -i))
        stranded = all(_is_stranded(fleet, i) for i in pieces)
        yield _physical(fleet, largest, card, (CARD, 0), stranded=stranded)


def part_of(fleet: Fleet, result: Result) -> Part | None:
    """What a result takes; None where the fleet does not know the device."""
    i = fleet.device_index.get(result.device)
    if i is None:
        return None
    node, model = _node(fleet, i), fleet.models[fleet.model_of[i]]
    if i in fleet.consumes:
        return Part(_card(fleet, i), node, model, drawn(fleet, i), 0)
    return Part(_name(fleet, i), node, model, *consumption(fleet, i, result))


def _physical(fleet: Fleet, i: int, device: str, size: tuple[int, int], *, stranded: bool) -> Physical:
    labels = fleet.nodes[fleet.node_of[i]].labels
    supply = Supply(
        cluster="",
        device=device,
        start=0,
        end=None,
        node=_node(fleet, i),
        model=fleet.models[fleet.model_of[i]],
        compute=size[0],
        memory=size[1],
        commitment=labels.get(COMMITMENT, ""),
        spot=any(labels.get(name) == value for name, value in SPOT.items()),
    )
    reserved = labels.get(RESERVED, "")
    return Physical(supply, stranded, reserved if re.fullmatch(TEAM_PATTERN, reserved) else "")


def _name(fleet: Fleet, i: int) -> str:
    return "/".join(fleet.devices[i])


def _node(fleet: Fleet, i: int) -> str:
    return fleet.nodes[int(fleet.node_of[i])].name


def _card(fleet: Fleet, i: int) -> str:
    """The counters' owner: driver, pool and set of counters."""
    return "/".join(fleet.counters[fleet.consumes[i][0][0]][:3])


def _is_stranded(fleet: Fleet, i: int) -> bool:
    """Tainted, or on a node that is cordoned: nobody new comes here."""
    taints = fleet.nodes[int(fleet.node_of[i])].taints
    return bool(fleet.tainted[i]) or any(taint.key == _CORDON for taint in taints)
