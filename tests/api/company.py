"""Who and what there is in the tests of rights: a company with its teams, namespaces and people.

Alice is a member of vision and may edit every namespace. Bob is the admin of research: he may divide what it has, and
use it. The controller makes pods of what others write.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from farthing.api.names import CONTROLLER, DIVIDER
from farthing.kube.connection import Connection
from farthing.model.ask import TEAM
from farthing.model.cluster import Key
from farthing.model.errors import InvalidError, PermanentError
from tests.api.conftest import Login, make_namespace
from tests.api.teams import add, bind, clear, on_teams, role, tend


class Company(NamedTuple):
    """Who and what there is; the namespaces by the team that they belong to, `wild` belongs to none."""

    admin: Connection
    alice: Connection
    bob: Connection
    controller: Connection
    people: str
    vision: str
    research: str
    sales: str
    wild: str


@asynccontextmanager
async def a_company(admin: Connection, spoke: Connection, login: Login) -> AsyncIterator[Company]:
    """A company of 16 > research 8 > vision 4 > detect 2, audio 2; company > sales 4."""
    people, vision, research, sales, wild = [await make_namespace(admin) for _ in range(5)]
    accounts = {name: Key(people, name) for name in ("alice", "bob", "controller")}
    for account in accounts.values():
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account.name}}
        await admin.create(f"/api/v1/namespaces/{people}/serviceaccounts", manifest)
        for namespace in (vision, research, sales, wild):
            await bind(admin, account, "edit", namespace)
    of_namespaces = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch", "create"]}
    await bind(admin, accounts["alice"], await role(admin, "test-namespaces", of_namespaces))
    await bind(admin, accounts["alice"], "farthing-view")
    await bind(admin, accounts["bob"], DIVIDER)
    rules = (on_teams("use", "research"), on_teams("divide", "research"), of_namespaces)
    await bind(admin, accounts["bob"], await role(admin, "test-research", *rules))
    await bind(admin, accounts["controller"], CONTROLLER)
    await add(admin, "company", None, 16)
    await add(admin, "research", "company", 8, namespaces=[research])
    member = f"system:serviceaccount:{people}:alice"
    await add(admin, "vision", "research", 4, namespaces=[vision], members=[member])
    await add(admin, "detect", "vision", 2)
    await add(admin, "audio", "research", 2)
    await add(admin, "sales", "company", 4, namespaces=[sales])
    await tend(spoke, admin)
    alice, bob, controller = [await login(people, name) for name in accounts]
    yield Company(admin, alice, bob, controller, people, vision, research, sales, wild)
    await clear(admin, spoke)
    for namespace in (people, vision, research, sales, wild):
        await admin.delete(f"/api/v1/namespaces/{namespace}")


def of(name: str) -> dict[str, str]:
    return {TEAM: name}


async def refusal(attempt: Awaitable[Any]) -> str:
    """The sentence with which it was refused; empty where it was not."""
    try:
        await attempt
    except (InvalidError, PermanentError) as error:
        return str(error)
    return ""
