"""Everything that `farthing up` sets up: a control plane, Farthing in it, simulated nodes, and a spoke at work."""

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farthing.kube.connection import Connection
from farthing.local.controlplane import ControlPlane
from farthing.local.paths import home
from farthing.local.processes import Background
from farthing.model.errors import InvalidError, PermanentError

SPOKE: Final = "spoke"
LEASE_SECONDS: Final = 5
"""Short, since on one machine a spoke that is gone is gone."""

_TOKEN_SECONDS: Final = 30 * 24 * 3600


@dataclass(frozen=True)
class Machine:
    """One embedded cluster with its spoke."""

    name: str
    programs: Path

    @classmethod
    def named(cls, name: str, programs: Path) -> "Machine":
        if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 40):
            raise InvalidError("--name", f"{name!r} is not a name; expected letters, digits and dashes")
        return cls(name, programs)

    @property
    def folder(self) -> Path:
        return home() / self.name

    @property
    def plane(self) -> ControlPlane:
        return ControlPlane(self.folder, self.programs)

    @property
    def spoke(self) -> Background:
        return Background(self.folder, SPOKE)

    async def start_spoke(self, connection: Connection) -> None:
        """Start the spoke with the rights of its own service account, unless it runs."""
        if self.spoke.process() is not None:
            return
        kubeconfig = self.folder / "spoke.kubeconfig"
        path = "/api/v1/namespaces/farthing-system/serviceaccounts/farthing-spoke/token"
        wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = await connection.create(path, {**wish, "spec": {"expirationSeconds": _TOKEN_SECONDS}})
        text = self.plane.kubeconfig_text(answer["status"]["token"])
        descriptor = os.open(kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        command = [sys.executable, "-m", "farthing", "spoke", "--kubeconfig", str(kubeconfig)]
        command += ["--lease-seconds", str(LEASE_SECONDS), "--metrics-port", str(self.plane.ports()["metrics"])]
        self.spoke.start(command)
        await asyncio.sleep(0.5)
        if self.spoke.process() is None:
            raise PermanentError(f"the spoke ended as soon as it was started. It said:\n{self.spoke.last_words()}")

    def remove(self) -> None:
        """Stop everything and leave nothing behind."""
        self.spoke.stop()
        self.plane.stop()
        shutil.rmtree(self.folder, ignore_errors=False)


def machines() -> tuple[str, ...]:
    """The names of the embedded clusters that are there, running or not."""
    return tuple(sorted(path.parent.name for path in home().glob("*/ports.json")))
