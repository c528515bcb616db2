"""One real control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and KWOK for its nodes.

Everything listens on 127.0.0.1, on ports that the system hands out; everything it needs to be started again is in its
folder. Each component is who it is in a real cluster, with the rights it has there. kube-apiserver is stopped before
etcd, which would not listen to anybody while it is in use.
"""

import base64
import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from farthing.local.health import is_well
from farthing.local.processes import STOP_SECONDS, Background
from farthing.model.errors import FarthingError, PermanentError

READY_SECONDS: Final = 90.0
PORTS: Final = ("etcd", "etcd-peer", "api", "manager", "scheduler", "kwok", "metrics")
_PORT_OF: Final = {
    "etcd": "etcd",
    "kube-apiserver": "api",
    "kube-controller-manager": "manager",
    "kube-scheduler": "scheduler",
    "kwok": "kwok",
}
_USERS: Final = {
    "admin": ("admin", "system:masters"),
    "manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}
COMPONENTS: Final = tuple(_PORT_OF)
"""In the order in which they start."""

TOKENS: Final = "tokens.json"
"""The secrets of a cluster; a folder that holds this file is a cluster's."""

_ATTEMPTS: Final = 3
"""A port that the system handed out may be taken before we listen; then others are tried."""


@dataclass(frozen=True)
class ControlPlane:
    """A control plane in `folder`, run from the programs in `programs`.

    `node_lifecycle` is kube-controller-manager's judgement of silent nodes; measurements without KWOK turn it off.
    `audit` is the text of an audit policy; what it says is written to `audit.log`.
    """

    folder: Path
    programs: Path
    node_lifecycle: bool = True
    audit: str = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    def component(self, name: str) -> Background:
        return Background(self.folder, name)

    def running(self) -> tuple[str, ...]:
        return tuple(name for name in COMPONENTS if self.component(name).process() is not None)

    def start(self) -> None:
        """Start what does not run; what a former start left is used again. Nothing runs after a failure."""
        for attempt in range(_ATTEMPTS):
            try:
                self._start()
            except PortTakenError:
                self.stop()
                (self.folder / "ports.json").unlink(missing_ok=True)
                if attempt == _ATTEMPTS - 1:
                    raise
            except FarthingError:
                self.stop()
                raise
            except OSError as error:
                self.stop()
                raise PermanentError(
                    f"cannot keep a cluster in {self.folder}: {error.strerror or error}; "
                    f"make room there, or name another place with FARTHING_HOME"
                ) from error
            else:
                return

    def stop(self) -> None:
        """Stop everything, the last started first. A kube-apiserver that lost its etcd would not listen."""
        for name in reversed(COMPONENTS):
            lost = name == "kube-apiserver" and self.component("etcd").process() is None
            self.component(name).stop(0 if lost else STOP_SECONDS)

    def start_component(self, name: str) -> None:
        """Start one component again, where it was, and wait until it is well."""
        self._launch(name)
        self._await_well(name)

    def ports(self) -> dict[str, int]:
        """The ports by what listens there."""
        path = self.folder / "ports.json"
        if not path.exists():
            path.write_text(json.dumps(dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))), encoding="utf-8")
        found: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_files()
        for name in ("etcd", "kube-apiserver"):
            self._launch(name)
        self._await_well("kube-apiserver")
        self._write_kubeconfigs()
        for name in COMPONENTS[2:]:
            self._launch(name)
        for name in COMPONENTS:
            self._await_well(name)

    def _launch(self, name: str) -> None:
        command, environment = self._commands()[name]
        self.component(name).start(command, {**os.environ, **environment})

    def _await_well(self, name: str) -> None:
        """Wait until a component answers that it is well. The others need etcd, so a dead etcd shows here too."""
        port = self.ports()[_PORT_OF[name]]
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._check_alive("etcd")
            self._check_alive(name)
            if is_well(name, port):
                return
            if time.monotonic() > deadline:
                words = self.component(name).last_words()
                raise PermanentError(f"{name} is not ready after {READY_SECONDS:.0f} s. It said:\n{words}")
            time.sleep(0.05)

    def _check_alive(self, name: str) -> None:
        background = self.component(name)
        if background.process() is not None:
            return
        words = background.last_words()
        if "address already in use" in words:
            raise PortTakenError(f"{name} found its port taken, {_ATTEMPTS} times; try again. It said:\n{words}")
        raise PermanentError(f"{name} ended as soon as it was started. It said:\n{words}")

    # Files --------------------------------------------------------------------------------------------------------

    def _write_files(self) -> None:
        tokens = self._tokens()
        lines = (f'{tokens[who]},{name},{who},"{group}"\n' for who, (name, group) in _USERS.items())
        _write_private(self.folder / "tokens.csv", "".join(lines))
        if not (self.folder / "service-accounts.key").exists():
            key = rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            _write_private(self.folder / "service-accounts.key", key.decode())
        scheduler = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": "scheduler.kubeconfig", "qps": 1000, "burst": 1000},
        }
        _write_private(self.folder / "scheduler.yaml", yaml.safe_dump(scheduler))
        if self.audit:
            _write_private(self.folder / "audit.yaml", self.audit)
        stages = resources.files("farthing.local") / "stages.yaml"
        _write_private(self.folder / "stages.yaml", stages.read_text(encoding="utf-8"))

    def _tokens(self) -> dict[str, str]:
        path = self.folder / TOKENS
        if not path.exists():
            _write_private(path, json.dumps({who: secrets.token_hex(16) for who in _USERS}))
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _write_kubeconfigs(self) -> None:
        tokens = self._tokens()
        _write_private(self.kubeconfig, self.kubeconfig_text(tokens["admin"]))
        for who in ("manager", "scheduler", "kwok"):
            _write_private(self.folder / f"{who}.kubeconfig", self.kubeconfig_text(tokens[who]))

    def kubeconfig_text(self, token: str) -> str:
        """A kubeconfig for whoever has the token. It trusts the certificate that kube-apiserver made for itself."""
        certificate = (self.folder / "certs" / "apiserver.crt").read_bytes()
        server = {
            "server": f"https://127.0.0.1:{self.ports()['api']}",
            "certificate-authority-data": base64.b64encode(certificate).decode(),
        }
        name = f"farthing-{self.folder.name}"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        return yaml.safe_dump(content, sort_keys=False)

    # Commands -----------------------------------------------------------------------------------------------------

    def _commands(self) -> Mapping[str, tuple[list[str], dict[str, str]]]:
        """For each component its command line and what it needs in its environment."""
        ports = self.ports()
        client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd", "etcd-peer"))
        etcd = ["--data-dir=etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        etcd += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        etcd += [f"--initial-cluster=default={peer}", "--unsafe-no-fsync", "--log-level=error"]
        api = [f"--etcd-servers={client}", f"--secure-port={ports['api']}", "--bind-address=127.0.0.1"]
        api += ["--cert-dir=certs", "--service-account-key-file=service-accounts.key"]
        api += ["--service-account-signing-key-file=service-accounts.key", "--token-auth-file=tokens.csv"]
        api += ["--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC"]
        api += ["--service-cluster-ip-range=10.96.0.0/16", "--enable-priority-and-fairness=false"]
        api += ["--audit-policy-file=audit.yaml", "--audit-log-path=audit.log"] if self.audit else []
        manager = ["--kubeconfig=manager.kubeconfig", "--authentication-kubeconfig=manager.kubeconfig"]
        manager += ["--authorization-kubeconfig=manager.kubeconfig", "--use-service-account-credentials"]
        manager += ["--service-account-private-key-file=service-accounts.key", "--leader-elect=false"]
        manager += [f"--secure-port={ports['manager']}", "--bind-address=127.0.0.1", "--cert-dir=manager-certs"]
        manager += ["--kube-api-qps=500", "--kube-api-burst=500"]
        manager += [] if self.node_lifecycle else ["--controllers=*,-node-lifecycle-controller"]
        scheduler = ["--config=scheduler.yaml", f"--secure-port={ports['scheduler']}", "--bind-address=127.0.0.1"]
        scheduler += ["--authentication-kubeconfig=scheduler.kubeconfig", "--cert-dir=scheduler-certs"]
        scheduler += ["--authorization-kubeconfig=scheduler.kubeconfig"]
        kwok = ["--kubeconfig=kwok.kubeconfig", "--config=stages.yaml", "--node-lease-duration-seconds=40"]
        kwok += ["--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake"]
        kwok += [f"--server-address=127.0.0.1:{ports['kwok']}"]
        arguments = zip(COMPONENTS, (etcd, api, manager, scheduler, kwok), strict=True)
        memory = {"kube-apiserver": {"GOGC": "200"}}
        return {name: ([str(self.programs / name), *line], memory.get(name, {})) for name, line in arguments}


class PortTakenError(PermanentError):
    """Somebody else listens where a component wanted to."""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
