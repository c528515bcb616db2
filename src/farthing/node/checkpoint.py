"""What this node has prepared, kept on disk so that no end of the driver loses it.

A journal, one record a line, each with the version of its shape, the boot that it belongs to and a checksum; the last
of a claim counts. A turn's records are one write. A removal overwrites with blanks in place, so that a full disk does
not keep pods from ending. Nothing waits for the disk: a line that a power cut spoils is of a former boot, and of a
former boot nothing is left to undo but files.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from farthing.model.errors import FarthingError, TransientError
from farthing.node.share import ClaimName, Share

VERSION: Final = 3
WORTH_COMPACTING: Final = 1 << 18
"""Bytes from which on a journal that is mostly blank is written anew."""

State = Literal["preparing", "prepared"]


@dataclass(frozen=True)
class Record:
    """One claim. While it is `preparing`, some of its work may be done and some not."""

    claim: ClaimName
    shares: tuple[Share, ...]
    state: State


@dataclass(frozen=True)
class Lost:
    """What are no records any more: uids of a `former` boot, and how many lines were `corrupt` and moved aside."""

    former: tuple[str, ...] = ()
    corrupt: int = 0


class Checkpoint:
    """The records of one node in `folder`, of the boot `boot`.

    Another driver may write there, too, while it is replaced: whoever reads or writes holds the plugin's lock, and
    `refresh` sees what the other did.
    """

    def __init__(self, folder: Path, boot: str) -> None:
        self._file = folder / "journal"
        self._boot = boot
        self._records: dict[str, Record] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._sign: tuple[int, ...] = ()

    def refresh(self) -> Lost:
        """Read what changed since we last read or wrote. What is not a record of this boot goes, and is told once."""
        with suppress(FileNotFoundError):
            if self._sign == _sign(self._file.stat()):
                return Lost()
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._records, self._places = {}, {}
        former, corrupt = [], []
        with self._open() as journal:
            for place, line in _lines(_read(journal)):
                try:
                    record, boot = _load(line)
                except (msgspec.MsgspecError, ValueError, RecursionError, FarthingError):
                    corrupt.append(line)
                    _blank(journal, place)
                    continue
                if boot == self._boot:
                    self._believe(record, place)
                else:
                    former.append(record.claim.uid)
                    _blank(journal, place)
        self._keep_aside(corrupt)
        return Lost(tuple(former), len(corrupt))

    def get(self, uid: str) -> Record | None:
        return self._records.get(uid)

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def put(self, *records: Record) -> None:
        """Write records, all or none. Raises TransientError where the disk does not take them."""
        lines = [_dump(record, self._boot) for record in records]
        try:
            with self._open() as journal:
                end = os.lseek(journal, 0, os.SEEK_END)
                _append(journal, b"".join(lines), end)
        except OSError as error:
            raise TransientError(f"cannot write the checkpoint {self._file}: {error.strerror}") from error
        for record, line in zip(records, lines, strict=True):
            self._believe(record, (end, len(line)))
            end += len(line)

    def remove(self, uid: str) -> None:
        places = self._places.get(uid, ())
        try:
            if places:
                with self._open() as journal:
                    for place in places:
                        _blank(journal, place)
        except OSError as error:
            raise TransientError(f"cannot remove a record of {self._file}: {error.strerror}") from error
        self._records.pop(uid, None)
        self._places.pop(uid, None)
        self._compact()

    # The file -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self) -> Iterator[int]:
        """The journal, and afterwards a note of how we left it."""
        journal = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield journal
            self._sign = _sign(os.fstat(journal))
        finally:
            os.close(journal)

    def _believe(self, record: Record, place: tuple[int, int]) -> None:
        self._records[record.claim.uid] = record
        self._places.setdefault(record.claim.uid, []).append(place)

    def _compact(self) -> None:
        """Write the journal anew where it is large and mostly blank. Where that fails, it stays as it is."""
        used = sum(length for places in self._places.values() for _, length in places)
        if self._sign[2] < WORTH_COMPACTING or 2 * used > self._sign[2]:
            return
        partial = self._file.with_suffix(".tmp")
        with suppress(OSError):
            partial.write_bytes(b"".join(_dump(record, self._boot) for record in self))
            partial.chmod(0o600)
            partial.replace(self._file)
            self._sign = ()
            self.refresh()

    def _keep_aside(self, lines: list[bytes]) -> None:
        """For whoever wants to know what spoiled them; there is no harm where the disk does not take it."""
        with suppress(OSError):
            if lines:
                self._file.with_suffix(".corrupt").write_bytes(b"\n".join(lines))


def _sign(found: os.stat_result) -> tuple[int, ...]:
    """Tells whether a file is as we left it."""
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(journal: int) -> bytes:
    content = b""
    while part := os.read(journal, 1 << 20):
        content += part
    return content


def _lines(content: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """The lines that are not blank, each with its place: offset and length with the line's end."""
    offset = 0
    for line in content.splitlines(keepends=True):
        if line.strip():
            yield (offset, len(line)), line.strip()
        offset += len(line)


def _append(journal: int, lines: bytes, end: int) -> None:
    """Write all or nothing; a line that a killed driver left half gets its end."""
    if end and os.pread(journal, 1, end - 1) != b"\n":
        os.pwrite(journal, b"\n", end - 1)
    try:
        while lines:
            lines = lines[os.write(journal, lines) :]
    except OSError:
        os.ftruncate(journal, end)
        raise


def _blank(journal: int, place: tuple[int, int]) -> None:
    offset, length = place
    os.pwrite(journal, b" " * (length - 1) + b"\n", offset)


class _Body(msgspec.Struct):
    version: int
    boot: str
    record: Record


class _Line(msgspec.Struct):
    checksum: str
    body: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def _dump(record: Record, boot: str) -> bytes:
    body = msgspec.json.encode(_Body(VERSION, boot, record))
    return b'{"checksum":"%b","body":%b}\n' % (_checksum(body), body)


def _load(text: bytes) -> tuple[Record, str]:
    """A record and its boot. Raises MsgspecError, ValueError, RecursionError or FarthingError for what is none."""
    line = _decode_line(text)
    if line.checksum.encode() != _checksum(line.body):
        raise ValueError("the checksum is wrong")
    body = _decode_body(line.body)
    if body.version != VERSION:
        raise ValueError(f"version {body.version} is not known")
    return body.record, body.boot


def _checksum(body: bytes | msgspec.Raw) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
