"""NVIDIA's MPS control daemons: one for each domain, started with its first share and stopped with its last.

| level | domain | who limits |
|---|---|---|
| hard | one claim's request | the daemon, by defaults set before any client comes; a client can only lower them |
| soft | the shares of one team on the same devices | the client's environment; who changes it gets more |

The dialogue (docs.nvidia.com/deploy/mps, appendix "Tools and Interface Reference"): `nvidia-cuda-mps-control -d` starts
a daemon for the devices of CUDA_VISIBLE_DEVICES, with its pipes in CUDA_MPS_PIPE_DIRECTORY; without `-d` the same
program reads commands from its input, and fails where no daemon answers. Defaults hold for servers that start later.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from farthing.model.errors import TransientError
from farthing.model.quantity import MIB
from farthing.node.devices import Device, Edits, Mount
from farthing.node.limits import compute_of, memory_of, mps_env, percentage
from farthing.node.share import Share

_log = structlog.get_logger(__name__)

SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
PIPES_INSIDE: Final = "/tmp/nvidia-mps"  # noqa: S108 -- where CUDA looks for a daemon, inside the container
_OWN_SHM: Final = 'mount --bind "$0" /dev/shm && exec "$@"'


@dataclass(frozen=True)
class Domain:
    """Clients that share one daemon. `memory` in MiB by device; empty: the daemon does not limit it."""

    name: str
    uuids: tuple[str, ...]
    memory: tuple[int, ...] = ()
    threads: int = 100


def domain_of(shares: Sequence[Share], devices: Mapping[str, Device]) -> Domain:
    """The domain of one request's shares."""
    found = [(share, devices[share.device]) for share in shares]
    uuids = tuple(str(device.attributes["uuid"]) for _, device in found)
    if shares[0].level != "hard":
        return Domain(domain_name(shares), uuids)
    return Domain(
        domain_name(shares),
        uuids,
        tuple(memory_of(*one) // MIB for one in found),
        min(percentage(compute_of(*one)) for one in found),
    )


def domain_name(shares: Sequence[Share]) -> str:
    """What the domain is called; it can be said even when the devices are gone."""
    first = shares[0]
    if first.level == "hard":
        return _name("hard", first.claim.uid, first.request)
    return _name("soft", first.team, *(share.device for share in shares))


def _name(level: str, *parts: str) -> str:
    """Short and safe as a folder's name, whatever teams and requests are called."""
    return f"{level}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


class MpsDaemons:
    """The daemons of one node, each in a folder of its own below `folder`; `control` is NVIDIA's program."""

    def __init__(self, folder: Path, control: str, *, own_shm: bool = True) -> None:
        self._folder = folder
        self._control = control
        self._own_shm = own_shm

    def open(self, shares: Sequence[Share], devices: Mapping[str, Device]) -> Edits:
        """Have the daemon run, and say what its client needs."""
        domain = domain_of(shares, devices)
        self._ensure(domain)
        place = self._folder / domain.name
        mounts = [Mount(str(place / "pipe"), PIPES_INSIDE)]
        mounts += [Mount(str(place / "shm"), "/dev/shm")] if self._own_shm else []  # noqa: S108 -- of the container
        return Edits({"CUDA_MPS_PIPE_DIRECTORY": PIPES_INSIDE, **mps_env(shares, devices)}, (), tuple(mounts))

    def close(self, shares: Sequence[Share], others: Sequence[Sequence[Share]]) -> None:
        """Stop the daemon of a request, unless others (requests that stay open) are its clients, too."""
        name = domain_name(shares)
        if all(domain_name(other) != name for other in others):
            self._stop(name)

    def tidy(self, opened: Sequence[Sequence[Share]]) -> tuple[str, ...]:
        """Stop the daemons that no request of these is a client of; their names."""
        wanted = {domain_name(shares) for shares in opened}
        stray = sorted(path.parent.name for path in self._folder.glob("*/domain.json"))
        gone = [name for name in stray if name not in wanted]
        for name in gone:
            self._stop(name)
        return tuple(gone)

    def tend(self) -> tuple[str, ...]:
        """Start those again that should run and do not. Their clients have lost their work; new ones can start."""
        revived = []
        for path in sorted(self._folder.glob("*/domain.json")):
            domain = _read(path)
            if domain and not self._answers(domain.name):
                self._start(domain)
                revived.append(domain.name)
        return tuple(revived)

    # One daemon ---------------------------------------------------------------------------------------------------

    def _ensure(self, domain: Domain) -> None:
        if not self._answers(domain.name) or _read(self._folder / domain.name / "domain.json") != domain:
            self._stop(domain.name)
            self._start(domain)

    def _start(self, domain: Domain) -> None:
        place = self._folder / domain.name
        for part in ("pipe", "log", "shm"):
            (place / part).mkdir(parents=True, exist_ok=True)
        (place / "shm").chmod(0o1777)
        (place / "domain.json").write_text(json.dumps(asdict(domain)), encoding="utf-8")
        command = [self._control, "-d"]
        if self._own_shm:
            command = ["unshare", "--mount", "sh", "-c", _OWN_SHM, str(place / "shm"), *command]
        self._run(domain, command, "")
        for number, limit in enumerate(domain.memory):
            self._say(domain, f"set_default_device_pinned_mem_limit {number} {limit}M")
        if domain.threads < 100:
            self._say(domain, f"set_default_active_thread_percentage {domain.threads}")
        _log.info("MPS daemon started", domain=domain.name, devices=domain.uuids)

    def _stop(self, name: str) -> None:
        """Tell it to go, and remove its folder; one that does not answer is gone already."""
        place = self._folder / name
        domain = _read(place / "domain.json")
        if domain and self._answers(name):
            self._say(domain, "quit -t 5")
            self._await_end(name)
        if place.exists():
            shutil.rmtree(place)

    def _await_end(self, name: str) -> None:
        for _ in range(int(SECONDS / _POLL_SECONDS)):
            if not self._answers(name):
                return
            time.sleep(_POLL_SECONDS)
        raise TransientError(f"the MPS daemon of {name} does not end; its clients may hang")

    def _answers(self, name: str) -> bool:
        domain = _read(self._folder / name / "domain.json")
        if domain is None:
            return False
        with contextlib.suppress(TransientError):
            self._say(domain, "get_server_list")
            return True
        return False

    def _say(self, domain: Domain, command: str) -> str:
        return self._run(domain, [self._control], command + "\n")

    def _run(self, domain: Domain, command: list[str], text: str) -> str:
        place = self._folder / domain.name
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "CUDA_VISIBLE_DEVICES": ",".join(domain.uuids),
            "CUDA_MPS_PIPE_DIRECTORY": str(place / "pipe"),
            "CUDA_MPS_LOG_DIRECTORY": str(place / "log"),
        }
        try:
            done = subprocess.run(  # noqa: S603 -- NVIDIA's program, on paths and numbers of ours
                command,
                input=text,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
                check=False,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TransientError(f"{self._control} for {domain.name}: {error}") from error
        if done.returncode != 0:
            said = done.stdout.strip()[-300:] or f"exit status {done.returncode}"
            raise TransientError(f"{self._control} for {domain.name}: {said}")
        return done.stdout


def _read(path: Path) -> Domain | None:
    """A domain as it was started, None where nothing readable is there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Domain(found["name"], tuple(found["uuids"]), tuple(found["memory"]), found["threads"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
