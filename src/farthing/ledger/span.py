"""Days as people write them: dates, or lengths of time such as 7d, until today."""

from datetime import UTC, datetime

from farthing.ledger.interval import DAY
from farthing.ledger.period import day_of, day_text
from farthing.ledger.read_prices import parse_instant
from farthing.model.ask import parse_duration
from farthing.model.errors import InvalidError


def days_of(since: str, until: str, now: int, options: str = "--") -> tuple[int, int]:
    """The first and last day, counted since 1970. Errors name `since` and `until` as `options` begin."""
    last = _day(f"{options}until", until) if until else now // DAY
    if not since:
        first = day_of(datetime.fromtimestamp(now, UTC).strftime("%Y-%m-01"))
    elif since[-1] in "smhd":
        first = (now - _length(f"{options}since", since)) // DAY
    else:
        first = _day(f"{options}since", since)
    if first > last:
        raise InvalidError(f"{options}since", f"{day_text(first)} is after the last day, {day_text(last)}")
    return first, last


def _day(option: str, text: str) -> int:
    return parse_instant(option, text) // DAY


def _length(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except InvalidError as error:
        raise InvalidError(option, error.message) from error
