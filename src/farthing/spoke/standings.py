"""Budget objects say how they stand: at once where their state changes, else once a minute."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from farthing.ledger.budget import Account
from farthing.model.errors import FarthingError, NotFoundError

_log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60

Write = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Writes the status of the object of a name."""


def status_of(account: Account, at: float) -> dict[str, Any]:
    """A Budget's status."""
    return {
        "unit": account.allowance.currency or "GPU hours",
        "limit": account.exact(account.budget.limit),
        "spent": account.exact(account.spent),
        "left": account.exact(max(0, account.allowance.left)),
        "forecast": account.exact(account.forecast),
        "state": account.state,
        "burning": bool(account.burns),
        "resetsAt": _instant(account.resets),
        "asOf": _instant(at),
    }


class Standings:
    """Remembers what each object says. `write` may fail; then it is tried again the next time."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._said: dict[str, tuple[dict[str, Any], float]] = {}

    async def say(self, accounts: Iterable[Account], written: set[str], at: float) -> None:
        """Write what is new of the budgets that are objects."""
        self._said = {name: said for name, said in self._said.items() if name in written}
        for account in accounts:
            name = account.budget.name
            status = status_of(account, at)
            if name in written and self._is_news(name, status, at):
                try:
                    await self._write(name, status)
                except NotFoundError:
                    continue
                except FarthingError as error:
                    _log.warning("a budget's status could not be written", name=name, error=str(error))
                    continue
                self._said[name] = status, at

    def _is_news(self, name: str, status: dict[str, Any], at: float) -> bool:
        if name not in self._said:
            return True
        said, when = self._said[name]
        if all(said[key] == status[key] for key in said if key != "asOf"):
            return False
        steady = all(said[key] == status[key] for key in ("limit", "state", "burning", "resetsAt"))
        return not steady or not 0 <= at - when < EVERY_SECONDS


def _instant(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
