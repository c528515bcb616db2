"""Whether the books are right: every device recomputed from the claims alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from farthing.model.cluster import Claim, DeviceId
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Free
from farthing.state.usage import consumption


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that should not be: about which device (or claim), and what, with numbers."""

    about: str
    sentence: str


def audit(fleet: Fleet, free: Free, claims: Iterable[Claim]) -> tuple[Difference, ...]:
    """What is wrong with the shares, and with what we believe is left. Empty where all is well. O(claims + devices).

    A claim on a node that is gone is not wrong: Kubernetes takes it back together with the node's pods, which it gives
    some time.
    """
    used: dict[DeviceId, list[tuple[Claim, int, int]]] = defaultdict(list)
    lost: list[Difference] = []
    for claim in claims:
        for result in claim.allocation.results if claim.allocation else ():
            i = fleet.device_index.get(result.device)
            if i is not None:
                used[result.device].append((claim, *consumption(fleet, i, result)))
            elif result.device.driver in fleet.profiles and not _bereft(fleet, claim):
                lost.append(Difference(str(claim.key), f"holds {result.device}, which no slice publishes"))
    return (*lost, *_over(fleet, used), *_disbelieved(fleet, free, used))


def _bereft(fleet: Fleet, claim: Claim) -> bool:
    """Whether the node that the claim was given on is gone."""
    node = claim.allocation.node if claim.allocation else ""
    return bool(node) and node not in fleet.node_index


def _over(fleet: Fleet, used: dict[DeviceId, list[tuple[Claim, int, int]]]) -> Iterator[Difference]:
    """Devices of which more was given than they have."""
    for device, shares in sorted(used.items()):
        i = fleet.device_index[device]
        compute, memory = sum(share[1] for share in shares), sum(share[2] for share in shares)
        if compute > fleet.compute[i] or memory > fleet.memory[i]:
            given = f"{compute} of {fleet.compute[i]} compute, {memory} of {fleet.memory[i]} bytes of memory"
            yield Difference(str(device), f"more was given than it has: {given}, to {_names(shares)}")
        elif len(shares) > 1 and not fleet.multi[i]:
            yield Difference(str(device), f"is for one claim and was given to {_names(shares)}")


def _disbelieved(fleet: Fleet, free: Free, used: dict[DeviceId, list[tuple[Claim, int, int]]]) -> Iterator[Difference]:
    """Devices of which we believe something else is left than the claims say."""
    for i, device in enumerate(fleet.devices):
        shares = used.get(device, ())
        compute = int(fleet.compute[i]) - sum(share[1] for share in shares)
        memory = int(fleet.memory[i]) - sum(share[2] for share in shares)
        if (compute, memory) != (free.compute[i], free.memory[i]):
            believed = f"{free.compute[i]} and {free.memory[i]}"
            yield Difference(
                str(device), f"the claims leave {compute} compute and {memory} bytes, we believe {believed}"
            )


def _names(shares: list[tuple[Claim, int, int]]) -> str:
    return ", ".join(sorted(str(claim.key) for claim, _, _ in shares))
