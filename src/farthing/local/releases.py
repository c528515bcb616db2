"""Programs from upstream's releases, each checked against the SHA-256 sum that upstream publishes beside it.

A machine without the internet is noticed at the first address within seconds, and not asked again.
"""

import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from farthing.local.pins import Program
from farthing.model.errors import InvalidError, TransientError

_SECONDS: Final = 5
_CHUNK: Final = 1 << 20
_unreachable: list[str] = []


def download(program: Program, target: Path) -> bool:
    """Fetch one program to `target`; False where upstream offers none.

    Raises TransientError where it cannot be reached, InvalidError where the sum is wrong.
    """
    if not program.archive or not program.checksums:
        return False
    if _unreachable:
        raise TransientError(_unreachable[0])
    try:
        expected = _sum_of(_fetch(program.checksums).decode(), program.archive.rsplit("/", 1)[1])
        content = _fetch(program.archive)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        _unreachable.append(f"{program.archive} cannot be reached ({getattr(error, 'reason', error)})")
        raise TransientError(_unreachable[0]) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise InvalidError(
            program.archive,
            f"has the SHA-256 sum {found}, upstream says {expected}; try again, and if it stays, tell us",
        )
    target.write_bytes(_unpacked(content, program.member) if program.member else content)
    return True


def _fetch(address: str) -> bytes:
    content = io.BytesIO()
    with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310 -- https addresses from `pins`
        while chunk := answer.read(_CHUNK):
            content.write(chunk)
    return content.getvalue()


def _sum_of(listing: str, name: str) -> str:
    """The sum for a file in `sha256sum` format, or the only word of a file that holds nothing else."""
    words = listing.split()
    if len(words) == 1:
        return words[0]
    sums = dict(zip(words[1::2], words[::2], strict=False))
    if name not in sums:
        raise InvalidError(name, "is not in upstream's list of checksums")
    return sums[name]


def _unpacked(content: bytes, member: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = archive.extractfile(member)
        if found is None:
            raise InvalidError(member, "is not in upstream's archive")
        return found.read()
