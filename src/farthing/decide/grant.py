"""A placement as the allocations that will be written on claims."""

import json
import uuid

from farthing.decide.fit import consumed_by
from farthing.decide.needs import Need, needs_of
from farthing.model.cluster import Allocation, Claim, Result
from farthing.model.plan import Grant
from farthing.state.fleet import Fleet


def grant(fleet: Fleet, claim: Claim, node: int, devices: tuple[tuple[int, ...], ...], team: str) -> Grant:
    """The allocation of one claim: for each of its needs the devices it gets, with what it takes of each."""
    needs = needs_of(claim)
    results = tuple(
        _result(fleet, claim, request, need, device)
        for (request, need), chosen in zip(needs, devices, strict=True)
        for device in chosen
    )
    return Grant(
        claim,
        Allocation(results, fleet.nodes[node].name, needs[0][1].isolation, team, config=_config(fleet, claim)),
    )


def _config(fleet: Fleet, claim: Claim) -> tuple[str, ...]:
    """Configuration for the drivers as kube-scheduler hands it on: the classes' first, then the claim's own."""
    of_class = (
        json.dumps({"source": "FromClass", "requests": [request.name], **json.loads(entry)})
        for request in claim.requests
        for entry in fleet.classes[request.device_class].config
    )
    of_claim = (json.dumps({"source": "FromClaim", **json.loads(entry)}) for entry in claim.config)
    return (*of_class, *of_claim)


def _result(fleet: Fleet, claim: Claim, request: str, need: Need, device: int) -> Result:
    """One share. Only devices that many may use have share ids and consumed capacity, as Kubernetes has it."""
    where = fleet.devices[device]
    multi = bool(fleet.multi[device])
    return Result(
        request=request,
        device=where,
        share_id=share_id(claim, request, str(where)) if multi else "",
        consumed=consumed_by(fleet, need, device) if multi else (),
        tolerations=need.tolerations,
    )


def share_id(claim: Claim, request: str, device: str) -> str:
    """A share's id: always the same for the same decision, and never used before for this claim."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{claim.uid}/{claim.version}/{request}/{device}"))
