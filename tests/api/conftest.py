"""A real control plane with Farthing installed, and people to talk to it as."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from farthing.api.names import MANAGED, NAMESPACE, NODE, SPOKE
from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from tests.api.objects import eventually, found
from tests.clusters import Cluster

Json = dict[str, Any]


def write_kubeconfig(path: Path, server: Json, token: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": server}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }
    path.write_text(yaml.safe_dump(content))


# Farthing in it, and people ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with Farthing installed."""

    async def install() -> None:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            await install_into(connection, [])

    asyncio.run(install())
    return cluster


@pytest.fixture
async def admin(installed: Cluster) -> AsyncIterator[Connection]:
    """Somebody who may do everything."""
    async with Connection.from_kubeconfig(installed.kubeconfig) as connection:
        yield connection


Login = Callable[[str, str], Awaitable[Connection]]


@asynccontextmanager
async def logins(cluster: Cluster, admin: Connection, folder: Path) -> AsyncIterator[Login]:
    """A way to log in as a service account, by namespace and name."""
    server = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    async with AsyncExitStack() as stack:

        async def _login(namespace: str, name: str) -> Connection:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            token = (await admin.create(path, body))["status"]["token"]
            kubeconfig = folder / f"{namespace}-{name}.yaml"
            write_kubeconfig(kubeconfig, server, token)
            return await stack.enter_async_context(Connection.from_kubeconfig(kubeconfig))

        yield _login


@pytest.fixture
async def login(installed: Cluster, admin: Connection, tmp_path: Path) -> AsyncIterator[Login]:
    async with logins(installed, admin, tmp_path) as found:
        yield found


@pytest.fixture
async def spoke(login: Login) -> Connection:
    """The spoke: its own service account, with the rights that the installed role gives it and no others."""
    return await login(NAMESPACE, SPOKE)


@pytest.fixture
async def driver(installed: Cluster, admin: Connection, tmp_path: Path) -> AsyncIterator[Connection]:
    """Somebody with a token of the node driver, bound to node `mine`."""
    node = await admin.create("/api/v1/nodes", {"metadata": {"name": "mine"}})
    bound = {"apiVersion": "v1", "kind": "Node", "name": "mine", "uid": node["metadata"]["uid"]}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NODE}/token"
    answer = await admin.create(path, {"spec": {"boundObjectRef": bound}})
    config = tmp_path / "kubeconfig"
    config.write_text(installed.plane.kubeconfig_text(answer["status"]["token"]))
    async with Connection.from_kubeconfig(config) as connection:
        yield connection
    await admin.delete("/api/v1/nodes/mine")


async def make_namespace(admin: Connection, **labels: str) -> str:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-", "labels": labels}}
    name = str((await admin.create("/api/v1/namespaces", body))["metadata"]["name"])
    await eventually(lambda: found(admin, f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return name


@pytest.fixture
async def namespace(admin: Connection) -> AsyncIterator[str]:
    """A namespace as anybody has."""
    name = await make_namespace(admin)
    yield name
    await admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
async def managed(admin: Connection) -> AsyncIterator[str]:
    """A namespace that opted in: its unchanged manifests are planned."""
    name = await make_namespace(admin, **{MANAGED: "true"})
    yield name
    await admin.delete(f"/api/v1/namespaces/{name}")
