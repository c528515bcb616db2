"""Background processes that outlive the command that started them, and that nobody confuses with others.

A process is known by its id *and* the instant at which it was created, so that a number used again by the system is
never mistaken for ours.
"""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from farthing.model.errors import PermanentError

STOP_SECONDS = 15.0

_started: list[subprocess.Popen[bytes]] = []
"""Python warns of children that it forgets while they run; ours are meant to outlive us."""


@dataclass(frozen=True)
class Background:
    """One named process of a folder: its record is `NAME.pid`, its output `NAME.log`."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def process(self) -> psutil.Process | None:
        """The running process, None where it is not running."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            found = psutil.Process(record["pid"])
            same = abs(found.create_time() - record["created"]) < 0.05
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
            return None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it, in a session of its own, unless it runs."""
        if self.process() is not None:
            return
        with self.log.open("ab") as log:
            try:
                started = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise PermanentError(f"cannot start {self.name} ({command[0]}): {error.strerror}") from error
        _started.append(started)
        record = {"pid": started.pid, "created": psutil.Process(started.pid).create_time()}
        self._record.write_text(json.dumps(record), encoding="utf-8")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, wait, and end it where it does not listen."""
        found = self.process()
        if found is not None:
            found.terminate()
            _gone(found, seconds)
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        found = self.process()
        if found is not None:
            found.kill()
            _gone(found, STOP_SECONDS)

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


def _gone(process: psutil.Process, seconds: float) -> None:
    """Wait for the end of a process that may or may not be our child."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                process.wait(1)
                return
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            return
        time.sleep(0.02)
    try:
        process.kill()
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
