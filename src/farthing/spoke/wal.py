"""The meter's log: every batch is on disk before anything else is done with it, and stays until the ledger has it.

A folder of segments, one being written, each a row of records: length, CRC-32, the batch as JSON. A record counts once
it is written and synchronised; what a crash left half-written at the end of a segment is not read. The folder is
bounded: when it is full, or the disk is, `append` raises and the caller keeps what it has.
"""

import fcntl
import os
import struct
import threading
import zlib
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from farthing.disk import keep
from farthing.ledger.interval import Batch
from farthing.model.errors import InvalidError, PermanentError, TransientError

SEGMENT_BYTES: Final = 4 << 20
MOST_BYTES: Final = 8 << 30
"""A share takes some 700 bytes, half when it begins and half when it ends: this is more than ten million shares."""

_HEAD: Final = struct.Struct("<II")
_SUFFIX: Final = ".log"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Batch).decode


class _Segment:
    """The segment being written."""

    def __init__(self, path: Path) -> None:
        self.file = FileIO(path, "xb")
        self.size = 0

    def append(self, record: bytes) -> None:
        left = memoryview(record)
        while left:
            left = left[self.file.write(left) :]
        os.fsync(self.file.fileno())
        self.size += len(record)

    def take_back(self) -> None:
        """Remove what a failed write left behind the last whole record."""
        os.ftruncate(self.file.fileno(), self.size)
        os.fsync(self.file.fileno())


class Wal:
    """One folder's log, held alone. One thread may append while another reads and drops."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open or make it; InvalidError where another process has it or it cannot be written."""
        self._folder = folder
        self._most = most_bytes
        self._segment_bytes = segment_bytes
        self._mutex = threading.Lock()
        self._current: _Segment | None = None
        self._lock = _lock(folder)
        self._total = sum(path.stat().st_size for path in self.segments())

    def segments(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    @property
    def size(self) -> int:
        """Bytes that wait for the ledger."""
        return self._total

    def append(self, batch: Batch) -> None:
        """Write a batch down for good; TransientError where there is no room, and then nothing of it is there."""
        body = _encode(batch)
        record = _HEAD.pack(len(body), zlib.crc32(body)) + body
        with self._mutex:
            if self._total + len(record) > self._most:
                raise TransientError(f"the meter's log {self._folder} is full: {self._total} of {self._most} bytes")
            try:
                segment = self._segment()
                segment.append(record)
            except OSError as error:
                self._take_back()
                raise TransientError(f"cannot write the meter's log in {self._folder}: {error.strerror}") from error
            self._total += len(record)

    def _segment(self) -> _Segment:
        """The current segment, a new one after all others where there is none or it is large."""
        if self._current is not None and self._current.size < self._segment_bytes:
            return self._current
        self._end()
        last = self.segments()[-1:]
        number = int(last[0].stem) + 1 if last else 1
        self._current = _Segment(self._folder / f"{number:012d}{_SUFFIX}")
        keep(self._folder)
        return self._current

    def _take_back(self) -> None:
        try:
            if self._current is not None:
                self._current.take_back()
        except OSError as error:
            raise PermanentError(f"the disk of the meter's log {self._folder} fails: {error.strerror}") from error
        finally:
            self._end()

    def _end(self) -> None:
        if self._current is not None:
            self._current.file.close()
            self._current = None

    def complete(self) -> list[Path]:
        """The segments that nothing more is written to; the current one is closed for that."""
        with self._mutex:
            self._end()
            return self.segments()

    def read(self, segment: Path) -> tuple[list[Batch], bool]:
        """The batches of a complete segment, and whether all of it could be read: a crash leaves half a record."""
        found: list[Batch] = []
        with segment.open("rb") as file:
            while head := file.read(_HEAD.size):
                length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, -1)
                body = file.read(length)
                if zlib.crc32(body) != checksum:
                    return found, False
                found.append(_decode(body))
        return found, True

    def drop(self, segment: Path, *, damaged: bool = False) -> None:
        """Forget a complete segment that the ledger has; a damaged one is put aside, for people to look at."""
        with self._mutex:
            self._total -= segment.stat().st_size
            if damaged:
                segment.rename(segment.with_suffix(".damaged"))
            else:
                segment.unlink()
            keep(self._folder)

    def close(self) -> None:
        with self._mutex:
            self._end()
            self._lock.close()


def _lock(folder: Path) -> FileIO:
    """Make the folder where it is missing, and hold it alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileIO(folder / "lock", "w")
    except OSError as error:
        raise InvalidError("--ledger-log", f"cannot write in {folder}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InvalidError("--ledger-log", f"{folder} is in use by another spoke; each needs its own") from error
    return lock
