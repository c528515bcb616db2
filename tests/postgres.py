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


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """A server; yields the URL of its maintenance database."""
    folder = Path(tempfile.mkdtemp(prefix="farthing-postgres-"))
    user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if ROOT else {}
    if ROOT:
        shutil.chown(folder, "nobody", "nogroup")

    def run(*command: object) -> None:
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False, **user
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    data = folder / "data"
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=20"
    try:
        run(programs / "initdb", "-D", data, "-U", "farthing", "--auth=trust", "--encoding=UTF8", "--no-sync")
        run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://farthing@/postgres?host={quote(str(folder))}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
