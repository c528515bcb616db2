"""A real PostgreSQL server for tests: Debian's, in a folder of its own, as a user without rights, on a socket only.

PostgreSQL refuses to run as root, so root hands the folder to `nobody`. Where the server is missing and we are root on
a Debian, it is installed; where it cannot be had, tests are skipped and say so.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = os.geteuid() == 0
MISSING = "PostgreSQL is not installed, and we are not root on a Debian; apt-get install postgresql"


def binaries() -> Path | None:
    """The folder of the server's programs; None where it is not installed and cannot be."""
    found = _installed()
    if found is None and ROOT and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"]
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False, stdout=subprocess.DEVNULL)
        subprocess.run(command, env=quiet, check=False, stdout=subprocess.DEVNULL)
        found = _installed()
    return found


def _installed() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).resolve().parent if named else None


class Server:
    """A server in a folder, which can be stopped hard and started again."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self.url = f"postgresql://farthing@/postgres?host={quote(str(folder))}"
        if ROOT:
            shutil.chown(folder, "nobody", "nogroup")
        self._run("initdb", "-D", self._data, "-U", "farthing", "--auth=trust", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c max_connections=20"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self._folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """As a crash: nothing is tidied up."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def runs(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: object) -> None:
        user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if ROOT else {}
        command = [str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False, **user)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


@contextmanager
def postgres_server(programs: Path, folder: Path | None = None) -> Iterator[Server]:
    """A server that runs, in a folder of its own or in one that is given, which stays."""
    where = folder or Path(tempfile.mkdtemp(prefix="farthing-postgres-"))
    try:
        server = Server(programs, where)
        server.start()
        try:
            yield server
        finally:
            if server.runs():
                server.stop()
    finally:
        if folder is None:
            shutil.rmtree(where)


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """A server; yields the URL of its maintenance database."""
    with postgres_server(programs) as server:
        yield server.url
