"""Background processes that outlive the command that started them, and that nobody confuses with others.

A process is known by its id *and* its birth, so that a number used again by the system is never mistaken for ours.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from farthing.model.errors import PermanentError

STOP_SECONDS: Final = 15.0
_TAIL_BYTES: Final = 1 << 16


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
            same = _birth(found) == record["birth"]
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            return None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it, in a session of its own, unless it runs."""
        if self.process() is not None:
            return
        with self.log.open("ab") as log:
            said_before = log.tell()
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
        started.returncode = 0  # else Popen minds that it is forgotten while it runs; it is meant to outlive us
        record = {"pid": started.pid, "birth": _birth(psutil.Process(started.pid)), "log_from": said_before}
        self._record.write_text(json.dumps(record), encoding="utf-8")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, wait, and end it where it does not listen."""
        found = self.process()
        if found is not None:
            found.terminate()
            _gone(found, seconds)
        if self._record.exists():
            self._record.unlink()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        found = self.process()
        if found is not None:
            found.kill()
            _gone(found, STOP_SECONDS)

    def last_words(self, lines: int = 5) -> str:
        """The end of what it said since it was started last."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_from(), size - _TAIL_BYTES))
                said = log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(said[-lines:]) or "(nothing)"

    def _log_from(self) -> int:
        try:
            return int(json.loads(self._record.read_text(encoding="utf-8"))["log_from"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0


def _birth(process: psutil.Process) -> str:
    """What tells a process from all others that ever had its number, whatever happens to the clock.

    Linux counts from the boot, and psutil's `create_time` would move with the clock that it adds.
    """
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return str(process.create_time())
    ticks_since_boot = stat.rpartition(")")[2].split()[19]
    return f"{boot}+{ticks_since_boot}"


def _gone(process: psutil.Process, seconds: float) -> None:
    """Wait for the end of a process that may or may not be our child."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
                process.wait(0)  # our child is reaped here; another's is its parent's to reap
                return
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            return
        time.sleep(0.02)
    try:
        process.kill()
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
