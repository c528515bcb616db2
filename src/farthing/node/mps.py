"""NVIDIA's MPS control daemons: one for each domain, started with its first share and stopped with its last.

| level | domain | who limits |
|---|---|---|
| hard | one claim's request | the daemon, by defaults set before any client comes; a client can only lower them |
| soft | the shares of one team on the same devices | the client's environment; who changes it gets more |

A daemon lives as long as whose child it is: the driver's, or that of the MPS host (`mps_host`), which outlives drivers.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from farthing.model.errors import FarthingError
from farthing.model.quantity import MIB
from farthing.node.devices import Device, Edits, Mount
from farthing.node.limits import compute_of, memory_of, mps_env, percentage
from farthing.node.mps_daemon import Control, Domain
from farthing.node.mps_host import ask_host
from farthing.node.share import Share

_log = structlog.get_logger(__name__)

PIPES_INSIDE: Final = "/tmp/nvidia-mps"  # noqa: S108 -- where CUDA looks for a daemon, inside the container


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
    """The daemons of one node, each in a folder of its own below `folder`; `control` is NVIDIA's program.

    `host` is the socket of the MPS host; without it they are started here.
    """

    def __init__(self, folder: Path, control: str, *, own_shm: bool = True, host: Path | None = None) -> None:
        self._control = Control(folder, control, own_shm=own_shm)
        self._start: Callable[[Domain], None] = partial(ask_host, host) if host else self._control.start
        self._own_shm = own_shm

    def open(self, shares: Sequence[Share], devices: Mapping[str, Device]) -> Edits:
        """Have the daemon run, and say what its client needs."""
        domain = domain_of(shares, devices)
        self._ensure(domain)
        place = self._control.place(domain.name)
        mounts = [Mount(str(place / "pipe"), PIPES_INSIDE)]
        mounts += [Mount(str(place / "shm"), "/dev/shm")] if self._own_shm else []  # noqa: S108 -- of the container
        return Edits({"CUDA_MPS_PIPE_DIRECTORY": PIPES_INSIDE, **mps_env(shares, devices)}, (), tuple(mounts))

    def close(self, shares: Sequence[Share], others: Sequence[Sequence[Share]]) -> None:
        """Stop the daemon of a request, unless others (requests that stay open) are its clients, too."""
        name = domain_name(shares)
        if all(domain_name(other) != name for other in others):
            self._control.stop(name)

    def tidy(self, opened: Sequence[Sequence[Share]]) -> tuple[str, ...]:
        """Stop the daemons that no request of these is a client of; their names."""
        wanted = {domain_name(shares) for shares in opened}
        gone = [name for name in self._control.names() if name not in wanted]
        for name in gone:
            self._control.stop(name)
        return tuple(gone)

    def tend(self) -> tuple[str, ...]:
        """Start those again that should run and do not. Their clients have lost their work; new ones can start."""
        return tuple(name for name in self._control.names() if self._revived(name))

    def _revived(self, name: str) -> bool:
        domain = self._control.domain(name)
        if domain is None or self._control.answers(name):
            return False
        try:
            self._start(domain)
        except FarthingError as error:
            _log.error("an MPS daemon is dead and cannot be started again", domain=name, error=str(error))
            return False
        return True

    def _ensure(self, domain: Domain) -> None:
        """Have it run with these very limits: whoever was killed over its start may not have come to set them."""
        if self._control.domain(domain.name) != domain or not self._control.stands(domain.name):
            self._control.stop(domain.name)
            self._start(domain)
