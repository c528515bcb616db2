"""Pages: items in a fixed order, and a cursor that says where the next page begins.

A cursor is opaque, and good for the question that it came with only.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from farthing.model.errors import InvalidError

MOST: Final = 1000
USUAL: Final = 100


class Cursors:
    """Makes and reads the cursors of one question."""

    def __init__(self, *question: object) -> None:
        self._mark = hashlib.blake2b(repr(question).encode(), digest_size=6).hexdigest()

    def make(self, key: Sequence[Any]) -> str:
        """A cursor that stands after an item's key."""
        return base64.urlsafe_b64encode(json.dumps([self._mark, *key]).encode()).decode()

    def read(self, cursor: str) -> list[Any] | None:
        """The key of the last item that was shown; None at the beginning."""
        if not cursor:
            return None
        try:
            mark, *key = json.loads(base64.urlsafe_b64decode(cursor))
        except (binascii.Error, ValueError, TypeError) as error:
            raise InvalidError("cursor", "is none that was given out; leave it out to begin anew") from error
        if mark != self._mark:
            raise InvalidError("cursor", "belongs to another question; leave it out to begin anew")
        return list(key)
