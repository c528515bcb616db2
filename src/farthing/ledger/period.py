"""Months: the periods in which the books are kept. A closed one stays as it is.

What is learned about a closed period later is posted in the first open one, and still says which day it is about.
"""

import calendar
from datetime import UTC, date, datetime, timedelta

from farthing.ledger.interval import DAY
from farthing.model.errors import InvalidError

_EPOCH = date(1970, 1, 1)


def period_of(day: int) -> str:
    """The month, as text that sorts (2026-11), of a day counted since 1970."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m")


def next_period(period: str) -> str:
    return period_of(last_day(period) + 1)


def parse_period(text: str) -> str:
    """A month such as 2026-11; InvalidError where it is none."""
    try:
        found = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidError("period", f"{text!r} is no month; expected one such as 2026-11") from error
    return found.strftime("%Y-%m")


def first_day(period: str) -> int:
    return (date.fromisoformat(f"{period}-01") - _EPOCH).days


def last_day(period: str) -> int:
    first = date.fromisoformat(f"{period}-01")
    return (first - _EPOCH).days + calendar.monthrange(first.year, first.month)[1] - 1


def day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_of(text: str) -> int:
    """A date in days since 1970."""
    return (date.fromisoformat(text) - _EPOCH).days


def day_at(at: int) -> int:
    """The day of an instant in seconds since 1970."""
    return at // DAY
