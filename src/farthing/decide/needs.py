"""What a pod's claims ask of devices, in one form whoever wrote them: our asks, or requests of the user's own."""

from dataclasses import dataclass

from farthing.model.ask import Ask, Isolation
from farthing.model.cluster import Claim, Request, Toleration
from farthing.state.snapshot import Waiting

DEFAULT_ISOLATION: Isolation = "shared"
"""What a request of the user's own gets; an ask of ours says its level."""


@dataclass(frozen=True, slots=True)
class Need:
    """`count` devices for one request of one claim. Equal needs are one class: what fails for one fails for all.

    Either `ask` says how much of each, or, for the user's own requests, `capacity` by name.
    """

    count: int
    device_class: str
    ask: Ask | None = None
    capacity: tuple[tuple[str, int], ...] = ()
    selectors: tuple[str, ...] = ()
    tolerations: tuple[Toleration, ...] = ()

    @property
    def isolation(self) -> Isolation:
        return self.ask.isolation if self.ask else DEFAULT_ISOLATION

    def __str__(self) -> str:
        if self.ask is not None:
            return str(self.ask)
        amounts = ", ".join(f"{name} {amount}" for name, amount in self.capacity)
        return f"{self.count} of class {self.device_class}" + (f" with {amounts}" if amounts else "")


def needs_of(claim: Claim) -> tuple[tuple[str, Need], ...]:
    """The needs of a claim with the names of the requests they answer."""
    return tuple((request.name, _need(claim, request)) for request in claim.requests)


def _need(claim: Claim, request: Request) -> Need:
    return Need(
        count=claim.ask.count if claim.ask else request.count,
        device_class=request.device_class,
        ask=claim.ask,
        capacity=() if claim.ask else request.capacity,
        selectors=request.selectors,
        tolerations=request.tolerations,
    )


def needs_lacking(waiting: Waiting) -> tuple[Need, ...]:
    """What a waiting pod still lacks: the needs of its claims that hold nothing."""
    if "needs" not in waiting.memo:
        claims = [claim for claim in waiting.claims if claim.ours and claim.allocation is None]
        waiting.memo["needs"] = tuple(need for claim in claims for _, need in needs_of(claim))
    found: tuple[Need, ...] = waiting.memo["needs"]
    return found
