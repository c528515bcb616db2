"""Everything that can go wrong, on one page.

    FarthingError
    ├── InvalidError        somebody gave us something wrong: what, where, what was expected
    ├── UnsupportedError    right in itself, but not something this Farthing or this Kubernetes can do
    ├── NotFoundError       the thing named is not there
    ├── ConflictError       the world moved on since we looked; look again
    │   ├── ExistsError     somebody made it before us
    │   └── ExpiredError    the version that we wanted to go on from is no longer kept; start from a new list
    ├── TransientError      may well work later, after `retry_after` seconds
    └── PermanentError      will not work later either, until a person changes something

A *refusal* ("no device is free") is not an error: it is a `Hold` with a `Reason`. Rooms that speak to the outside
translate foreign errors into these at their door and chain the original.
"""


class FarthingError(Exception):
    """The root of the tree. Its text is a sentence for a person: what happened, and what to do."""


class InvalidError(FarthingError):
    """Something given to us is wrong. `where` names it (a field path, a file and line, a flag)."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.message = message


class UnsupportedError(FarthingError):
    """Something right in itself that cannot be done here."""


class NotFoundError(FarthingError):
    """The thing named is not there."""


class ConflictError(FarthingError):
    """The object changed since we looked at it."""


class ExistsError(ConflictError):
    """It is there already."""


class ExpiredError(ConflictError):
    """The version asked for is no longer kept."""


class TransientError(FarthingError):
    """May work later. `retry_after` is in seconds; None when nobody said."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnansweredError(TransientError):
    """Nobody answered: whether what was asked for was done is not known."""


class PermanentError(FarthingError):
    """Will not work until a person changes something."""
