"""What this node has prepared, kept on disk so that no end of the driver loses it.

One file for each claim, written beside its place and moved there; each carries the version of its shape, the boot that
it belongs to and a checksum. Nothing waits for the disk: a file that a power cut spoils is of a former boot, and of a
former boot nothing is left to undo but files.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from farthing.model.errors import FarthingError, TransientError
from farthing.node.share import ClaimName, Share

VERSION: Final = 1
State = Literal["preparing", "prepared"]


@dataclass(frozen=True)
class Record:
    """One claim. While it is `preparing`, some of its work may be done and some not."""

    claim: ClaimName
    shares: tuple[Share, ...]
    state: State


@dataclass(frozen=True)
class Lost:
    """Uids of records that are none any more: of a `former` boot, or `corrupt` and moved aside."""

    former: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()


class Checkpoint:
    """The records of one node in `folder`, of the boot `boot`.

    Another driver may write there, too, while it is replaced: whoever reads or writes holds the plugin's lock, and
    `refresh` sees what the other did.
    """

    def __init__(self, folder: Path, boot: str) -> None:
        self._folder = folder
        self._boot = boot
        self._records: dict[str, Record] = {}
        self._read_at = -1

    def refresh(self) -> Lost:
        """Read what changed since we last read or wrote. What is not a record of this boot goes, and is told once."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._folder.stat().st_mtime_ns == self._read_at:
            return Lost()
        self._records = {}
        former, corrupt = [], []
        for path in sorted(self._folder.glob("*.json")):
            try:
                record, boot = _load(path.read_text(encoding="utf-8"))
            except (ValueError, KeyError, TypeError, FarthingError):
                path.replace(path.with_suffix(".corrupt"))
                corrupt.append(path.stem)
                continue
            if boot == self._boot:
                self._records[record.claim.uid] = record
            else:
                path.unlink()
                former.append(path.stem)
        self._read_at = self._folder.stat().st_mtime_ns
        return Lost(tuple(former), tuple(corrupt))

    def get(self, uid: str) -> Record | None:
        return self._records.get(uid)

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record) -> None:
        """Write a record. Raises TransientError where the disk does not take it; then nothing changed."""
        place = self._path(record.claim.uid)
        partial = place.with_suffix(".tmp")
        try:
            partial.write_text(_dump(record, self._boot), encoding="utf-8")
            os.replace(partial, place)  # noqa: PTH105 -- says what it does
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise TransientError(f"cannot write the checkpoint {place}: {error.strerror}") from error
        self._records[record.claim.uid] = record
        self._read_at = self._folder.stat().st_mtime_ns

    def remove(self, uid: str) -> None:
        try:
            for path in (self._path(uid).with_suffix(".tmp"), self._path(uid)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise TransientError(f"cannot remove the checkpoint {self._path(uid)}: {error.strerror}") from error
        self._records.pop(uid, None)
        self._read_at = self._folder.stat().st_mtime_ns

    def _path(self, uid: str) -> Path:
        return self._folder / f"{uid}.json"


def _dump(record: Record, boot: str) -> str:
    claim = {"namespace": record.claim.namespace, "name": record.claim.name, "uid": record.claim.uid}
    shares = [{**vars(share), "claim": claim} for share in record.shares]
    body = {"version": VERSION, "boot": boot, "claim": claim, "shares": shares, "state": record.state}
    return json.dumps({"checksum": _checksum(body), **body})


def _load(text: str) -> tuple[Record, str]:
    """A record and its boot. Raises ValueError, KeyError or TypeError for everything that `_dump` did not write."""
    body = json.loads(text)
    if body.pop("checksum") != _checksum(body):
        raise ValueError("the checksum is wrong")
    if body["version"] != VERSION:
        raise ValueError(f"version {body['version']} is not known")
    claim = ClaimName(**body["claim"])
    shares = tuple(replace(Share(**s), claim=claim, pods=tuple(s["pods"])) for s in body["shares"])
    return Record(claim, shares, body["state"]), body["boot"]


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
