"""Who asks, and which teams they may see: Kubernetes is asked, and its answers are kept for a short time.

A bearer token is shown to the API server (TokenReview). Whoever it belongs to sees the teams that they may `get` or
`use` by RBAC, asked for by name (SubjectAccessReview of `teams.farthing.dev`); who may for all names sees everything,
idle capacity too. Tokens are kept as hashes only, and never logged.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol

from cachetools import TTLCache

from farthing.api.types import GROUP
from farthing.kube.connection import Connection
from farthing.server.problems import RefusedError

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 -- a path
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
VERBS: Final = ("get", "use")
EVERY: Final = ""
"""In place of a team's name: all of them."""

MOST_TEAMS: Final = 200
"""Teams that one request may have looked up; with more, a team must be named."""

KEEP_SECONDS: Final = 30.0
MOST_KEPT: Final = 10_000


class Caller(NamedTuple):
    """Who asks, as Kubernetes says. `extra` is what SubjectAccessReviews are to be told as well."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What somebody may see: some teams; None: everything, also what no team is charged for."""

    caller: str
    teams: frozenset[str] | None


class Access(Protocol):
    """Decides who asks and what they see."""

    async def caller(self, token: str) -> Caller | None:
        """Whom a token belongs to; None where it is good for nobody."""

    async def may_see(self, caller: Caller, team: str) -> bool:
        """Whether they may see a team, or `EVERY` one."""


class Reviews:
    """Access as the API server reviews it."""

    def __init__(self, connection: Connection, steady: Callable[[], float], keep_seconds: float = KEEP_SECONDS) -> None:
        self._connection = connection
        self._callers: TTLCache[bytes, Caller | None] = TTLCache(MOST_KEPT, keep_seconds, steady)
        self._seen: TTLCache[tuple[Caller, str], bool] = TTLCache(MOST_KEPT, keep_seconds, steady)

    async def caller(self, token: str) -> Caller | None:
        key = hashlib.blake2b(token.encode()).digest()
        found = self._callers.get(key)
        if found is None and key not in self._callers and token:
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
            status = (await self._connection.create(TOKEN_REVIEWS, body)).get("status", {})
            found = self._callers[key] = _caller(status["user"]) if status.get("authenticated") else None
        return found

    async def may_see(self, caller: Caller, team: str) -> bool:
        found = self._seen.get((caller, team))
        if found is None:
            found = self._seen[caller, team] = await self._any_allowed(caller, team)
        return found

    async def _any_allowed(self, caller: Caller, team: str) -> bool:
        for verb in VERBS:
            if await self._allowed(caller, verb, team):
                return True
        return False

    async def _allowed(self, caller: Caller, verb: str, team: str) -> bool:
        spec = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": {key: list(values) for key, values in caller.extra},
            "resourceAttributes": {"group": GROUP, "resource": "teams", "verb": verb, "name": team},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool((await self._connection.create(ACCESS_REVIEWS, body))["status"].get("allowed"))


def _caller(user: dict[str, Any]) -> Caller:
    extra = tuple(sorted((key, tuple(values)) for key, values in user.get("extra", {}).items()))
    return Caller(user.get("username", ""), user.get("uid", ""), tuple(sorted(user.get("groups", ()))), extra)


class Everybody:
    """Access for a server that nobody else can reach: whoever asks sees everything."""

    async def caller(self, _token: str) -> Caller | None:
        return Caller("anybody")

    async def may_see(self, _caller: Caller, _team: str) -> bool:
        return True


async def view(access: Access, caller: Caller, wanted: str, known: Callable[[], Sequence[str]]) -> View:
    """What somebody sees, of the team `wanted` or of all that are `known`. RefusedError where that is nothing."""
    if await access.may_see(caller, EVERY):
        return View(caller.name, None)
    if wanted:
        if not await access.may_see(caller, wanted):
            raise RefusedError(HTTPStatus.FORBIDDEN, f"{caller.name} may not see the team {wanted}")
        return View(caller.name, frozenset({wanted}))
    names = await asyncio.to_thread(known)
    if len(names) > MOST_TEAMS:
        message = f"there are more than {MOST_TEAMS} teams; name the one to show: ?team=NAME"
        raise RefusedError(HTTPStatus.FORBIDDEN, message)
    seen = await asyncio.gather(*(access.may_see(caller, name) for name in names))
    found = frozenset(name for name, sees in zip(names, seen, strict=True) if sees)
    if not found:
        message = f"{caller.name} may see no team; RBAC must let them get or use one of teams.{GROUP}"
        raise RefusedError(HTTPStatus.FORBIDDEN, message)
    return View(caller.name, found)
