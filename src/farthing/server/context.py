"""What every request has at hand, and who makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from farthing.server.access import EVERY, Access, Caller, View, view
from farthing.server.bounds import Rate
from farthing.server.problems import RefusedError
from farthing.store.ask import teams
from farthing.store.ledger import Ledger
from farthing.store.so_far import SoFar

ADDRESS_PER_SECOND: Final = 100.0
CALLER_PER_SECOND: Final = 10.0
BURST: Final = 50


@dataclass(frozen=True)
class Context:
    """The ledger, who may see it, and clocks: `now` in seconds since 1970, `steady` that never jumps."""

    ledger: Ledger
    access: Access
    now: Callable[[], float]
    so_far: SoFar
    addresses: Rate
    callers: Rate

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        access: Access,
        now: Callable[[], float],
        steady: Callable[[], float],
        keep_seconds: float = 30.0,
    ) -> "Context":
        """With the usual bounds; what is not settled is rated at most every `keep_seconds`."""
        return cls(
            ledger=ledger,
            access=access,
            now=now,
            so_far=SoFar(keep_seconds, steady),
            addresses=Rate(ADDRESS_PER_SECOND, 2 * BURST, steady),
            callers=Rate(CALLER_PER_SECOND, BURST, steady),
        )


def context_of(request: Request) -> Context:
    """The app's context."""
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(context_of)]

_BEARER = HTTPBearer(
    auto_error=False, description="A Kubernetes token, such as `kubectl create token` or a service account's gives."
)


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client else ""


async def caller_of(
    request: Request, context: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Caller:
    """Who asks; RefusedError where nobody knows, or where they ask too often."""
    context.addresses.take(address_of(request))
    found = await context.access.caller(given.credentials if given else "")
    if found is None:
        message = "the token is missing, or not good; give one that Kubernetes knows: Authorization: Bearer TOKEN"
        raise RefusedError(HTTPStatus.UNAUTHORIZED, message, {"WWW-Authenticate": "Bearer"})
    request.state.caller = found.name
    context.callers.take(found.name)
    return found


Asker = Annotated[Caller, Depends(caller_of)]
Team = Annotated[str, Query(description="Only what this team is charged.", max_length=253)]


async def view_of(context: Here, caller: Asker, team: Team = "") -> View:
    """What the caller sees of what they ask for."""
    return await view(context.access, caller, team, lambda: sorted(teams(context.ledger.database, context.so_far)))


Seen = Annotated[View, Depends(view_of)]


async def everything(context: Here, caller: Asker) -> View:
    """For what only those may see who see everything."""
    if not await context.access.may_see(caller, EVERY):
        message = f"{caller.name} may not see this: it is for those whom RBAC lets get all teams.farthing.dev"
        raise RefusedError(HTTPStatus.FORBIDDEN, message)
    return View(caller.name, None)
