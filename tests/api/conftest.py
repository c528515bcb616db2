"""A real control plane for the tests of this folder, and people to talk to it as."""

import base64
import csv
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PEOPLE = {
    "admin": ("admin", "system:masters"),
    "manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
}


@dataclass(frozen=True)
class Cluster:
    kubeconfig: Path


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class _Started:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def run(self, name, *args):
        log = (self.folder / f"{name}.log").open("w")
        binary = Path(os.environ["FARTHING_BIN"]) / name
        self.processes.append(subprocess.Popen([binary, *args], stdout=log, stderr=log, cwd=self.folder))

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    etcd, peer, api, manager, scheduler = free_ports(5)
    tokens = {who: uuid.uuid4().hex for who in PEOPLE}
    with (folder / "tokens.csv").open("w", newline="") as f:
        csv.writer(f).writerows([tokens[who], name, who, group] for who, (name, group) in PEOPLE.items())
    key = rsa.generate_private_key(65537, 2048)
    (folder / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    for who, token in tokens.items():
        (folder / f"{who}.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": "c",
                            "cluster": {"server": f"https://127.0.0.1:{api}", "insecure-skip-tls-verify": True},
                        }
                    ],
                    "users": [{"name": who, "user": {"token": token}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": who}}],
                    "current-context": "c",
                }
            )
        )
    (folder / "scheduler-config.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": False},
                "clientConnection": {"kubeconfig": str(folder / "scheduler.yaml"), "qps": 1000, "burst": 1000},
            }
        )
    )
    here = _Started(folder)
    try:
        http = "http://127.0.0.1"
        here.run(
            "etcd", "--data-dir", "etcd", f"--listen-client-urls={http}:{etcd}",
            f"--advertise-client-urls={http}:{etcd}", f"--listen-peer-urls={http}:{peer}",
            f"--initial-advertise-peer-urls={http}:{peer}", f"--initial-cluster=default={http}:{peer}",
            "--unsafe-no-fsync", "--log-level=error",
        )  # fmt: skip
        here.run(
            "kube-apiserver", f"--etcd-servers={http}:{etcd}", f"--secure-port={api}", "--bind-address=127.0.0.1",
            "--cert-dir=certs", "--service-account-key-file=sa.key", "--service-account-signing-key-file=sa.key",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC",
            "--token-auth-file=tokens.csv", "--service-cluster-ip-range=10.0.0.0/16",
            "--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false",
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while subprocess.run(
            ["curl", "-skf", f"https://127.0.0.1:{api}/readyz", "-H", f"Authorization: Bearer {tokens['admin']}"],
            capture_output=True,
        ).returncode:
            assert time.monotonic() < deadline, (folder / "kube-apiserver.log").read_text()[-3000:]
            time.sleep(0.1)
        here.run(
            "kube-controller-manager", f"--kubeconfig={folder / 'manager.yaml'}",
            f"--authentication-kubeconfig={folder / 'manager.yaml'}", f"--authorization-kubeconfig={folder / 'manager.yaml'}",
            "--service-account-private-key-file=sa.key", "--use-service-account-credentials", "--leader-elect=false",
            f"--secure-port={manager}", "--bind-address=127.0.0.1", "--cert-dir=kcmcerts", "--kube-api-qps=500",
            "--kube-api-burst=500", "--controllers=*,-nodelifecycle",
        )  # fmt: skip
        here.run(
            "kube-scheduler", "--config=scheduler-config.yaml", f"--secure-port={scheduler}",
            f"--authentication-kubeconfig={folder / 'scheduler.yaml'}", f"--authorization-kubeconfig={folder / 'scheduler.yaml'}",
            "--bind-address=127.0.0.1", "--cert-dir=schedcerts",
        )  # fmt: skip
        yield Cluster(folder / "admin.yaml")
    finally:
        here.stop()
