"""The caller of the node driver's benchmark: a small Go program that calls as kubelet does."""

import os
import subprocess
from pathlib import Path

from farthing.local.gobuild import go

HERE = Path(__file__).parent


class Caller:
    """Calls the driver at `socket`. Each burst is as many calls at once, each with one claim."""

    def __init__(self, socket: Path, folder: Path) -> None:
        program = folder / "caller"
        environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
        build = [go(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(program), "."]
        subprocess.run(build, cwd=HERE, env=environment, check=True)  # noqa: S603 -- our own source
        self._process = subprocess.Popen(  # noqa: S603 -- just built
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._tell(str(socket))

    def burst(self, claims: list[tuple[str, str, str]]) -> list[float]:
        """Prepare claims (namespace, name, uid); the seconds that each took. Raises RuntimeError where one failed."""
        for claim in claims:
            self._tell(" ".join(claim))
        self._tell("")
        assert self._process.stdin  # noqa: S101 -- it is a pipe
        assert self._process.stdout  # noqa: S101
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the caller ended with {self._process.wait()}; its words are above")
        return [float(seconds) for seconds in answer.split()]

    def end(self) -> None:
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin  # noqa: S101
        self._process.stdin.write(f"{line}\n")
