"""Where a node's programs listen: Unix sockets below kubelet's folder."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farthing.model.errors import InvalidError, PermanentError

LONGEST_PATH: Final = 107
"""Bytes in the path of a Unix socket."""


@dataclass(frozen=True)
class Sockets:
    """Where the driver listens below kubelet's folder. `instance` tells two drivers of an update apart, or is empty."""

    kubelet: Path
    driver: str
    instance: str = ""

    @property
    def folder(self) -> Path:
        """Where this driver's own files are, too."""
        return self.kubelet / "plugins" / self.driver

    @property
    def service(self) -> Path:
        return self.folder / (f"dra-{self.instance}.sock" if self.instance else "dra.sock")

    @property
    def registration(self) -> Path:
        mark = f"{self.driver}-{self.instance}" if self.instance else self.driver
        return self.kubelet / "plugins_registry" / f"{mark}-reg.sock"

    @property
    def there(self) -> bool:
        """Whether kubelet can still find the driver."""
        return self.service.exists() and self.registration.exists()

    def clear(self) -> None:
        """Make the folders and remove sockets on which nobody listens any more. Raises InvalidError for long paths."""
        for path in (self.service, self.registration):
            if len(os.fsencode(path)) > LONGEST_PATH:
                raise InvalidError("--kubelet-dir", f"{path} is longer than a socket's path may be ({LONGEST_PATH})")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        for pattern, folder in ((f"{self.driver}*-reg.sock", self.registration.parent), ("dra*.sock", self.folder)):
            for path in folder.glob(pattern):
                if not answers(path):
                    path.unlink(missing_ok=True)
        if self.registration.exists():
            raise PermanentError(
                f"another driver listens at {self.registration}; end it, or give this one an --instance of its own"
            )


def answers(path: Path) -> bool:
    """Whether anybody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
