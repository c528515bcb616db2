"""CDI files: what the container runtime adds to a container. One file for each prepared claim.

A file is written beside its place and moved there, so that a runtime never reads half of one.
"""

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from farthing.model.errors import FarthingError, TransientError
from farthing.node.devices import Edits
from farthing.node.share import ClaimName

KIND: Final = "farthing.dev/gpu"
VERSION: Final = "0.5.0"
"""The oldest version that knows everything we write."""

_PREFIX: Final = "farthing.dev-gpu_"


@dataclass(frozen=True)
class Cdi:
    """The folder that the container runtime reads, by default `/var/run/cdi`."""

    folder: Path

    def path(self, uid: str) -> Path:
        return self.folder / f"{_PREFIX}{uid}.json"

    def write(self, uid: str, requests: Mapping[str, Edits]) -> None:
        """Write a claim's file, one CDI device for each of its requests. Raises TransientError where it cannot."""
        devices = [{"name": device_name(uid, r), "containerEdits": _edits(e)} for r, e in requests.items()]
        text = msgspec.json.encode({"cdiVersion": VERSION, "kind": KIND, "devices": devices})
        place = f"{self.folder}/{_PREFIX}{uid}.json"
        partial = f"{self.folder}/.{_PREFIX}{uid}.json.tmp"
        try:
            self._fill(partial, text)
            os.replace(partial, place)  # noqa: PTH105 -- says what it does
        except OSError as error:
            raise TransientError(f"cannot write the CDI file {place}: {error.strerror}") from error

    def _fill(self, path: str, text: bytes) -> None:
        """Make a file of this text, or raise OSError. Three calls of the system: in a burst each would be felt."""
        file = self._created(path)
        try:
            if os.write(file, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def _created(self, path: str) -> int:
        """A file that only root may read, open for writing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self.folder.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, 0o600)

    def remove(self, uid: str) -> None:
        """Remove a claim's file, where there is one. Raises TransientError where it cannot."""
        try:
            for path in (self.path(uid), self.path(uid).with_name(f".{self.path(uid).name}.tmp")):
                if path.exists():  # a file system that is read-only refuses to remove what is not there
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise TransientError(f"cannot remove the CDI file {self.path(uid)}: {error.strerror}") from error

    def there(self) -> set[str]:
        """The uids of all claims that have a file."""
        return {path.name.removeprefix(_PREFIX).removesuffix(".json") for path in self.folder.glob(f"{_PREFIX}*.json")}

    def claim(self, uid: str) -> ClaimName | None:
        """Whose file it is, as its containers are told; None where that cannot be read."""
        try:
            devices = json.loads(self.path(uid).read_text(encoding="utf-8"))["devices"]
            env = dict(entry.split("=", 1) for entry in devices[0]["containerEdits"]["env"])
            namespace, name = env["FARTHING_CLAIM"].split("/")
            return ClaimName(namespace, name, uid)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, FarthingError):
            return None


def device_name(uid: str, request: str) -> str:
    """A CDI device's name. Requests are named like DNS labels; a sub-request's slash has no place in CDI."""
    return f"{uid}-{request.replace('/', '_')}"


def device_id(uid: str, request: str) -> str:
    """What kubelet hands to the container runtime."""
    return f"{KIND}={device_name(uid, request)}"


def _edits(edits: Edits) -> dict[str, Any]:
    shown = {
        "env": [f"{name}={value}" for name, value in sorted(edits.env.items())],
        "deviceNodes": [{"path": path} for path in edits.nodes],
        "mounts": [
            {"hostPath": m.host, "containerPath": m.container, "options": list(m.options)} for m in edits.mounts
        ],
    }
    return {name: value for name, value in shown.items() if value}
