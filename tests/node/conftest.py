"""A cluster with Farthing at work in it and this machine as its only node."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farthing.api.names import NAMESPACE, NODE
from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from farthing.local.binaries import obtain
from farthing.local.pins import NODE as NODE_KIT
from farthing.model.errors import NotFoundError
from tests.clusters import Cluster, running_cluster
from tests.e2e.conftest import Site, eventually, leads
from tests.node.machine import TOOL, RealNode, obstacle

NAME = "real-0"
DEVICES = """devices:
- {count: 2, model: H100, memory: 80Gi}
- {count: 1, model: L4, memory: 24Gi, isolation: [shared]}
"""


@dataclass
class NodeSite(Site):
    """A namespace of a test's own on the real node."""

    node: RealNode = None  # type: ignore[assignment]

    async def start(self, name: str, gpu: str = "0.25", *, paths: tuple[str, ...] = (), **more: Any) -> None:
        """A pod whose container prints what it was given."""
        annotations = {"farthing.dev/gpu": gpu, **more.pop("annotations", {})}
        container = {"name": "main", "image": TOOL, "imagePullPolicy": "Never", "args": list(paths), **more}
        spec = {
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        }
        metadata = {"name": name, "annotations": annotations}
        await self.connection.create(self.pods_path(), {"metadata": metadata, "spec": spec})

    async def printed(self, name: str, seconds: float = 60) -> dict[str, str]:
        """What the pod's container printed, by name."""

        async def check() -> bool:
            return "printed" in self.node.said(name)

        await eventually(check, f"the container of {name} prints", seconds)
        lines = [line.split(" ", 3)[3] for line in self.node.said(name).splitlines()]
        return dict(line.split("=", 1) for line in lines if "=" in line)

    async def clean(self, seconds: float = 60) -> None:
        """Wait until the driver holds nothing."""

        async def check() -> bool:
            return not self.node.leftovers()

        await eventually(check, f"nothing is left over; there is {self.node.leftovers()[:4]}", seconds)


async def driver_token(connection: Connection, node: str) -> str:
    """A token of the node driver, bound to the node as kubelet binds it."""
    uid = (await connection.get(f"/api/v1/nodes/{node}"))["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NODE}/token"
    return str((await connection.create(path, wish))["status"]["token"])


@pytest.fixture(scope="session")
def node_programs() -> Path:
    """kubelet, containerd and runc; where this machine cannot run containers, the tests are skipped, and say so."""
    problem = obstacle()
    if problem:
        pytest.skip(f"no real node here: {problem}")
    return obtain(
        None, lambda what, done, total: print(f"getting {what} ({done} of {total} s)", file=sys.stderr), NODE_KIT
    )


@pytest.fixture(scope="session")
def real(node_programs: Path) -> Iterator[tuple[Cluster, RealNode]]:
    """The cluster and the node, with everything running."""

    async def begin(cluster: Cluster, folder: Path) -> RealNode:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            await install_into(connection, [])
            await cluster.start_spoke(connection)
            await eventually(lambda: leads(connection), "the spoke leads")
            await connection.create("/api/v1/nodes", {"metadata": {"name": NAME}})
            kubeconfig = cluster.folder / "driver.kubeconfig"
            kubeconfig.write_text(cluster.plane.kubeconfig_text(await driver_token(connection, NAME)))
            devices = cluster.folder / "devices.yaml"
            devices.write_text(DEVICES)
            node = RealNode(folder / "n", NAME, node_programs, cluster.kubeconfig, kubeconfig, devices)
            node.folder.mkdir()
            return node

    async def ready(cluster: Cluster) -> None:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:

            async def check() -> bool:
                node = await connection.get(f"/api/v1/nodes/{NAME}")
                slices, _ = await connection.list_all("/apis/resource.k8s.io/v1/resourceslices")
                return bool(slices) and not node["spec"].get("taints")

            await eventually(check, "the node is ready and its devices are published", 90)

    with running_cluster() as cluster, tempfile.TemporaryDirectory(prefix="fn-") as folder:
        node = asyncio.run(begin(cluster, Path(folder)))
        try:
            node.start()
            asyncio.run(ready(cluster))
            yield cluster, node
        finally:
            node.stop()


@pytest.fixture
async def site(real: tuple[Cluster, RealNode]) -> AsyncIterator[NodeSite]:
    """A namespace of this test's own. Afterwards nothing of it is left, in the cluster and on the node."""
    cluster, node = real
    async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
        name = (await connection.create("/api/v1/namespaces", {"metadata": {"generateName": "node-"}}))["metadata"][
            "name"
        ]
        found = NodeSite(cluster, connection, name, node)
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        await eventually(lambda: connection.get(account), "the namespace has its service account")
        yield found
        with contextlib.suppress(NotFoundError):
            await connection.delete(f"/api/v1/namespaces/{name}")
        await found.empty()
        await found.clean()
