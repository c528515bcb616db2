"""The MPS host: a program of its own whose children the MPS daemons are, so that they outlive the node driver.

Everything that runs in a pod ends with it. A driver is updated often and this one hardly ever: it starts the daemons
that a driver on the same machine names, and does nothing else. The line between the two is a socket for root, with a
domain in JSON one way and `{"error": "..."}` the other; a domain is names and numbers, never a command or a path.
"""

import json
import re
import shutil
import signal
import socket
import socketserver
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from farthing.logs import LogFormat, configure_logging
from farthing.model.errors import FarthingError, InvalidError, PermanentError, TransientError
from farthing.node.mps_daemon import SECONDS, Control, Domain
from farthing.node.program import run_alone
from farthing.node.sockets import answers

_log = structlog.get_logger(__name__)

SOCKET: Final = "host.sock"
_LONGEST: Final = 1 << 16
_NAME: Final = re.compile(r"(?:hard|soft)-[0-9a-f]{16}")
_UUID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/-]{0,127}")
_MOST_MIB: Final = 1 << 30


def ask_host(path: Path, domain: Domain) -> None:
    """Have the host start a daemon. Raises TransientError where it does not, or is not there."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(3 * SECONDS)
            line.connect(str(path))
            line.sendall(json.dumps(asdict(domain)).encode() + b"\n")
            answer = line.makefile("rb").readline(_LONGEST)
    except OSError as error:
        raise TransientError(
            f"the MPS host does not answer at {path} ({error}); is the DaemonSet farthing-mps at work on this node?"
        ) from error
    if not answer.endswith(b"\n"):
        raise TransientError(f"the MPS host at {path} ended before it had started the daemon of {domain.name}")
    if problem := json.loads(answer)["error"]:
        raise TransientError(f"the MPS host says: {problem}")


class MpsHost(socketserver.UnixStreamServer):
    """Starts what it is asked to, one after the other."""

    def __init__(self, folder: Path, control: Control) -> None:
        path = folder / SOCKET
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if answers(path):
            raise PermanentError(f"another MPS host listens at {path}; end it first")
        path.unlink(missing_ok=True)
        self.control = control
        super().__init__(str(path), _Line)
        path.chmod(0o600)

    def server_close(self) -> None:
        super().server_close()
        Path(str(self.server_address)).unlink(missing_ok=True)


class _Line(socketserver.StreamRequestHandler):
    """One question, one answer. `timeout` is for who asks and does not go on."""

    timeout = 5
    server: MpsHost

    def handle(self) -> None:
        problem = ""
        try:
            self.server.control.start(_domain(self.rfile.readline(_LONGEST)))
        except FarthingError as error:
            problem = str(error)
            _log.warning("not started", error=problem)
        self.wfile.write(json.dumps({"error": problem}).encode() + b"\n")


def _domain(line: bytes) -> Domain:
    """What is asked for. Raises InvalidError for everything that no driver asks for."""
    try:
        found: Any = json.loads(line)
        domain = Domain(str(found["name"]), tuple(found["uuids"]), tuple(found["memory"]), int(found["threads"]))
        sound = _NAME.fullmatch(domain.name) and all(_UUID.fullmatch(uuid) for uuid in domain.uuids)
        sound = sound and all(0 < int(limit) < _MOST_MIB for limit in domain.memory) and 0 < domain.threads <= 100
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidError("question", f"is not a domain: {type(error).__name__} {error}") from error
    if not sound:
        raise InvalidError("question", "names no domain of Farthing's, no devices, or limits that are none")
    return Domain(domain.name, domain.uuids, tuple(int(limit) for limit in domain.memory), domain.threads)


def mps_host(
    folder: Annotated[Path, typer.Option("--mps-dir", help="Folder of the daemons; the node driver's, too.")] = Path(
        "/run/farthing/mps"
    ),
    program: Annotated[str, typer.Option("--mps-control", help="NVIDIA's program.")] = "nvidia-cuda-mps-control",
    log: Annotated[LogFormat, typer.Option("--log", help="Lines for people, or JSON.")] = LogFormat.text,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details, too.")] = False,
) -> None:
    """Keep the MPS daemons of one node, so that they outlive the node driver; until SIGTERM or Ctrl-C.

    It runs as a DaemonSet beside the driver's. In a pod, its end is the end of its daemons.

    \b
    farthing mps-host
    farthing mps-host --mps-control /usr/bin/nvidia-cuda-mps-control
    """
    configure_logging(log, verbose=verbose)
    found = shutil.which(program)
    if found is None:
        raise PermanentError(f"there is no {program} on this machine; in a pod, use runtimeClassName: nvidia")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with MpsHost(folder.absolute(), Control(folder.absolute(), found)) as host:
        _log.info("the MPS host is at work", folder=str(folder))
        host.serve_forever()


if __name__ == "__main__":
    run_alone(mps_host)
