"""One MPS control daemon, and the dialogue with it.

After docs.nvidia.com/deploy/mps, appendix "Tools and Interface Reference": `nvidia-cuda-mps-control -d` starts a daemon
for the devices of CUDA_VISIBLE_DEVICES, with its pipes in CUDA_MPS_PIPE_DIRECTORY; without `-d` the same program reads
commands from its input, and fails where no daemon answers. Defaults hold for servers that start later.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from farthing.model.errors import TransientError
from farthing.node.nvidia_program import run_program

_log = structlog.get_logger(__name__)

SECONDS: Final = 10.0
"""For one word with a daemon."""

_POLL_SECONDS: Final = 0.05
_OWN_SHM: Final = 'mount --bind "$0" /dev/shm && exec "$@"'


@dataclass(frozen=True)
class Domain:
    """Clients that share one daemon. `memory` in MiB by device; empty: the daemon does not limit it."""

    name: str
    uuids: tuple[str, ...]
    memory: tuple[int, ...] = ()
    threads: int = 100


class Control:
    """The daemons below `folder`, each in a folder of its own; `program` is NVIDIA's.

    A daemon's folder has `domain.json` from before it is started, and `ready` from when its limits are set.
    """

    def __init__(self, folder: Path, program: str, *, own_shm: bool = True) -> None:
        self._folder = folder
        self._program = program
        self._own_shm = own_shm

    def place(self, name: str) -> Path:
        return self._folder / name

    def names(self) -> list[str]:
        """The domains that have a folder, whether their daemons are alive or not."""
        return sorted(path.parent.name for path in self._folder.glob("*/domain.json"))

    def domain(self, name: str) -> Domain | None:
        """A domain as it was started, None where nothing readable is there."""
        try:
            found = json.loads((self.place(name) / "domain.json").read_text(encoding="utf-8"))
            return Domain(found["name"], tuple(found["uuids"]), tuple(found["memory"]), found["threads"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def answers(self, name: str) -> bool:
        """Whether the daemon is alive."""
        domain = self.domain(name)
        if domain is None:
            return False
        try:
            self._say(domain, "get_server_list")
        except TransientError:
            return False
        return True

    def stands(self, name: str) -> bool:
        """Whether the daemon is alive, with its limits."""
        return (self.place(name) / "ready").exists() and self.answers(name)

    def start(self, domain: Domain) -> None:
        """Start a daemon and set its limits. Raises TransientError with the program's words."""
        place = self.place(domain.name)
        with _disk(place):
            for part in ("pipe", "log", "shm"):
                (place / part).mkdir(parents=True, exist_ok=True)
            (place / "shm").chmod(0o1777)
            (place / "ready").unlink(missing_ok=True)
            (place / "domain.json").write_text(json.dumps(asdict(domain)), encoding="utf-8")
        command = [self._program, "-d"]
        if self._own_shm:
            command = ["unshare", "--mount", "sh", "-c", _OWN_SHM, str(place / "shm"), *command]
        self._run(domain, command, "")
        for number, limit in enumerate(domain.memory):
            self._say(domain, f"set_default_device_pinned_mem_limit {number} {limit}M")
        if domain.threads < 100:
            self._say(domain, f"set_default_active_thread_percentage {domain.threads}")
        with _disk(place):
            (place / "ready").touch()
        _log.info("MPS daemon started", domain=domain.name, devices=domain.uuids)

    def stop(self, name: str) -> None:
        """Tell it to go, and remove its folder; one that does not answer is gone already."""
        domain = self.domain(name)
        if domain and self.answers(name):
            self._say(domain, "quit -t 5")
            self._await_end(name)
        with _disk(self.place(name)):
            if self.place(name).exists():
                shutil.rmtree(self.place(name))

    def _await_end(self, name: str) -> None:
        for _ in range(int(SECONDS / _POLL_SECONDS)):
            if not self.answers(name):
                return
            time.sleep(_POLL_SECONDS)
        raise TransientError(f"the MPS daemon of {name} does not end; its clients may hang")

    def _say(self, domain: Domain, command: str) -> str:
        return self._run(domain, [self._program], command + "\n")

    def _run(self, domain: Domain, command: list[str], text: str) -> str:
        place = self.place(domain.name)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "CUDA_VISIBLE_DEVICES": ",".join(domain.uuids),
            "CUDA_MPS_PIPE_DIRECTORY": str(place / "pipe"),
            "CUDA_MPS_LOG_DIRECTORY": str(place / "log"),
        }
        return run_program(command, f"{self._program} for {domain.name}", SECONDS, text=text, environment=environment)


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """The disk's errors as ours."""
    try:
        yield
    except OSError as error:
        raise TransientError(f"the folder of an MPS daemon, {place}: {error.strerror}") from error
