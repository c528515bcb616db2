"""Asking the API server who somebody is and what they may do."""

from dataclasses import dataclass
from typing import Final

from farthing.kube.connection import Connection, Json

_AUTHENTICATED: Final = "system:authenticated"
_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the API server sees it."""

    name: str
    groups: tuple[str, ...] = ()


def somebody(name: str, groups: tuple[str, ...] = ()) -> Person:
    """A user by name, with the groups that every such user is in besides."""
    more: tuple[str, ...] = (_AUTHENTICATED,)
    if name.startswith(_ACCOUNT):
        more += ("system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}")
    return Person(name, (*groups, *(group for group in more if group not in groups)))


async def myself(connection: Connection) -> Person:
    """Who the connection's credentials belong to."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    found = answer["status"]["userInfo"]
    return Person(found.get("username", ""), tuple(found.get("groups", ())))


async def may(connection: Connection, person: Person | None, verb: str, team: str = "") -> bool:
    """Whether RBAC lets a person, or oneself, use a verb on a team; without a team: on all of them."""
    attributes = {"group": "farthing.dev", "version": "v1", "resource": "teams", "verb": verb, "name": team}
    kind = "SubjectAccessReview" if person else "SelfSubjectAccessReview"
    spec: Json = {"resourceAttributes": attributes}
    if person is not None:
        spec |= {"user": person.name, "groups": list(person.groups)}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await connection.create(f"/apis/authorization.k8s.io/v1/{kind.lower()}s", body)
    return bool(answer["status"].get("allowed"))
