"""A real control plane with Farthing installed, and people to talk to it as."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from farthing.api.names import MANAGED, NAMESPACE, SPOKE
from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from tests.api.objects import eventually, found

Json = dict[str, Any]

# The control plane ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    kubeconfig: Path


PEOPLE = {
    "admin": ("admin", "system:masters"),
    "manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class ControlPlane:
    """Upstream's programs from the folder FARTHING_BIN, each under its own name as in a real cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etcd, self.peer, self.api, self.manager, self.scheduler = free_ports(5)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._write_files()
        http = "http://127.0.0.1"
        self._run(
            "etcd", "--data-dir=etcd", f"--listen-client-urls={http}:{self.etcd}",
            f"--advertise-client-urls={http}:{self.etcd}", f"--listen-peer-urls={http}:{self.peer}",
            f"--initial-advertise-peer-urls={http}:{self.peer}", f"--initial-cluster=default={http}:{self.peer}",
            "--unsafe-no-fsync", "--log-level=error",
        )  # fmt: skip
        self._run(
            "kube-apiserver", f"--etcd-servers={http}:{self.etcd}", f"--secure-port={self.api}",
            "--bind-address=127.0.0.1", "--cert-dir=certs", "--service-account-key-file=sa.key",
            "--service-account-signing-key-file=sa.key", "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC", "--token-auth-file=tokens.csv", "--service-cluster-ip-range=10.0.0.0/16",
            "--enable-priority-and-fairness=false",
        )  # fmt: skip
        self._await_api()
        self._run(
            "kube-controller-manager", "--kubeconfig=manager.yaml", "--authentication-kubeconfig=manager.yaml",
            "--authorization-kubeconfig=manager.yaml", "--service-account-private-key-file=sa.key",
            "--use-service-account-credentials", "--leader-elect=false", f"--secure-port={self.manager}",
            "--bind-address=127.0.0.1", "--cert-dir=manager-certs", "--controllers=*,-nodelifecycle",
        )  # fmt: skip
        self._run(
            "kube-scheduler", "--config=scheduler-config.yaml", "--authentication-kubeconfig=scheduler.yaml",
            "--authorization-kubeconfig=scheduler.yaml", f"--secure-port={self.scheduler}", "--bind-address=127.0.0.1",
            "--cert-dir=scheduler-certs",
        )  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _run(self, name: str, *arguments: str) -> None:
        binary = Path(os.environ["FARTHING_BIN"]) / name
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(subprocess.Popen([binary, *arguments], stdout=log, stderr=log, cwd=self.folder))

    def _write_files(self) -> None:
        tokens = {who: secrets.token_hex(16) for who in PEOPLE}
        lines = (f'{tokens[who]},{name},{who},"{group}"\n' for who, (name, group) in PEOPLE.items())
        (self.folder / "tokens.csv").write_text("".join(lines))
        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self.folder / "sa.key").write_bytes(key)
        server = {"server": f"https://127.0.0.1:{self.api}", "insecure-skip-tls-verify": True}
        for who, token in tokens.items():
            write_kubeconfig(self.folder / f"{who}.yaml", server, token)
        scheduler = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": "scheduler.yaml"},
        }
        (self.folder / "scheduler-config.yaml").write_text(yaml.safe_dump(scheduler))

    def _await_api(self) -> None:
        async def ready() -> bool:
            async with Connection.from_kubeconfig(self.folder / "admin.yaml") as connection:
                try:
                    return await connection.request("GET", "/readyz") == b"ok"
                except Exception:  # noqa: BLE001 - whatever it is, it is not ready
                    return False

        for _ in range(600):
            if asyncio.run(ready()):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "kube-apiserver.log").read_text()[-3000:])


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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if "FARTHING_BIN" not in os.environ:
        pytest.fail("FARTHING_BIN is not set; it names the folder with etcd, kube-apiserver and their like")
    folder = tmp_path_factory.mktemp("cluster")
    plane = ControlPlane(folder)
    try:
        plane.start()
        yield Cluster(folder / "admin.yaml")
    finally:
        plane.stop()


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


@pytest.fixture
async def login(installed: Cluster, admin: Connection, tmp_path: Path) -> AsyncIterator[Login]:
    """A way to log in as a service account, by namespace and name."""
    server = yaml.safe_load(installed.kubeconfig.read_text())["clusters"][0]["cluster"]
    async with AsyncExitStack() as stack:

        async def _login(namespace: str, name: str) -> Connection:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            token = (await admin.create(path, body))["status"]["token"]
            kubeconfig = tmp_path / f"{namespace}-{name}.yaml"
            write_kubeconfig(kubeconfig, server, token)
            return await stack.enter_async_context(Connection.from_kubeconfig(kubeconfig))

        yield _login


@pytest.fixture
async def spoke(login: Login) -> Connection:
    """The spoke: its own service account, with the rights that the installed role gives it and no others."""
    return await login(NAMESPACE, SPOKE)


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
