"""Money as integers: micro-units of one currency, shared out and accrued without losing one.

Parsing is exact: what has more than six decimals is refused, never rounded.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from farthing.model.errors import InvalidError

MICRO: Final = 1_000_000
HOUR: Final = 3600
LARGEST_PRICE: Final = 1_000_000 * MICRO
"""Per device and hour. A larger price is a slip of the keyboard, and sums of it would not fit the database."""


def accrued(rate: int, start: int, end: int) -> int:
    """Micro-units that `rate` (micro-units an hour) comes to from `start` to `end`, in seconds since 1970.

    Parts add up to the whole however time is cut, since both ends are rounded on one line from 1970.
    """
    return rate * end // HOUR - rate * start // HOUR


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """`total` shared out by weights to the unit: largest remainder, ties to the first. Not all weights may be 0."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    short = total - sum(parts)
    if short == 0:
        return parts
    rests = [total * weight % whole for weight in weights]
    if short == 1:  # what mostly happens, and this is done for every share and piece of time
        parts[rests.index(max(rests))] += 1
        return parts
    for i in sorted(range(len(weights)), key=lambda i: (-rests[i], i))[:short]:
        parts[i] += 1
    return parts


def parse_micro(path: str, text: object, most: int = LARGEST_PRICE) -> int:
    """A decimal number, given as text or as a whole number, in micro-units; InvalidError names the field."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise InvalidError(path, f'{text!r} is no exact number; write it as text, such as "2.50"')
    if isinstance(text, str) and len(text) > 40:
        raise InvalidError(path, f"a number of {len(text):,} characters; expected one such as 2.50")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise InvalidError(path, f"{text!r} is no number; expected one such as 2.50") from error
    if not number.is_finite() or number < 0:
        raise InvalidError(path, f"{text} is negative or not finite; expected 0 or more")
    if number * MICRO > most:
        raise InvalidError(path, f"{text} is beyond the limit of {most // MICRO:,}")
    if (number * MICRO) % 1:
        raise InvalidError(path, f"{text} has more than six decimals; the ledger counts in millionths")
    return int(number * MICRO)


def format_money(micro: int, places: int = 2) -> str:
    """Micro-units for a person, half rounded to even: 1234567 is "1.23"."""
    return f"{Decimal(micro) / MICRO:,.{places}f}"


def format_exact(micro: int) -> str:
    """Micro-units as the exact decimal: 1234567 is "1.234567"."""
    sign = "-" if micro < 0 else ""
    return f"{sign}{abs(micro) // MICRO}.{abs(micro) % MICRO:06d}"
