"""Reading price books: from what YAML or JSON holds to values, or a refusal that names the field."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final

from farthing.ledger.interval import LATEST
from farthing.ledger.money import MICRO, parse_micro
from farthing.ledger.price import ANY, MINUTES, Line, PriceBook, Window
from farthing.model.ask import ISOLATIONS
from farthing.model.currency import CURRENCIES
from farthing.model.errors import InvalidError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_LINES: Final = 1_000

_BOOK_KEYS: Final = ("version", "since", "currency", "lines", "spotDiscount", "isolation")
_LINE_KEYS: Final = ("model", "cluster", "commitment", "perHour", "window")
_WINDOW_KEYS: Final = ("from", "to", "weekdays")


def parse_price_book(data: object) -> PriceBook:
    """A price book from what YAML or JSON holds; InvalidError names the field's path.

    Amounts are decimal text of at most six decimals; times of windows are UTC.
    """
    book = mapping("", data, _BOOK_KEYS, required=("version", "since", "currency", "lines"))
    version = book["version"]
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= 1_000_000:
        raise InvalidError("version", f"{version!r} is no version; expected a whole number from 1")
    if book["currency"] not in CURRENCIES:
        raise InvalidError("currency", f"{book['currency']!r} is no currency of ISO 4217; expected one such as GBP")
    lines = _parse_lines(book["lines"])
    discount = parse_micro("spotDiscount", book.get("spotDiscount", 0))
    if discount > MICRO:
        raise InvalidError("spotDiscount", f"{book['spotDiscount']} is more than all; expected a part such as 0.6")
    return PriceBook(
        version=version,
        since=parse_instant("since", book["since"]),
        currency=book["currency"],
        lines=lines,
        spot=MICRO - discount,
        isolation=_parse_factors(book.get("isolation", {})),
    )


def _parse_lines(data: object) -> tuple[Line, ...]:
    if not isinstance(data, list) or not data:
        raise InvalidError("lines", "expected a list of prices")
    if len(data) > MOST_LINES:
        raise InvalidError("lines", f"{len(data):,} lines; expected at most {MOST_LINES:,}")
    lines = [_parse_line(f"lines[{i}]", entry) for i, entry in enumerate(data)]
    _no_overlap(lines)
    return tuple(lines)


def _parse_line(path: str, data: object) -> Line:
    line = mapping(path, data, _LINE_KEYS, required=("perHour",))
    names = {name: line.get(name, ANY) for name in ("model", "cluster", "commitment")}
    for name, text in names.items():
        if not isinstance(text, str) or len(text) > 253:
            raise InvalidError(f"{path}.{name}", f"{str(text)[:60]!r} is no name")
    window = _parse_window(f"{path}.window", line["window"]) if "window" in line else None
    price = parse_micro(f"{path}.perHour", line["perHour"])
    return Line(price, names["model"].lower(), names["cluster"], names["commitment"], window)


def _parse_window(path: str, data: object) -> Window:
    window = mapping(path, data, _WINDOW_KEYS)
    names = window.get("weekdays", list(WEEKDAYS))
    if not isinstance(names, list) or not names or any(name not in WEEKDAYS for name in names):
        raise InvalidError(f"{path}.weekdays", f"expected a list of {', '.join(WEEKDAYS)}")
    start = _minute(f"{path}.from", window.get("from", "00:00"))
    end = _minute(f"{path}.to", window.get("to", "24:00"))
    if start == end:
        raise InvalidError(f"{path}.to", "the window is empty; leave it out for all day")
    return Window(start, end, tuple(sorted({WEEKDAYS.index(name) for name in names})))


def _minute(path: str, text: object) -> int:
    hours, colon, minutes = str(text).partition(":")
    good = colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()
    if not good or int(minutes) > 59 or (at := int(hours) * 60 + int(minutes)) > MINUTES:
        raise InvalidError(path, f"{text!r} is no time of day; expected text such as '22:00'")
    return at


def _no_overlap(lines: Sequence[Line]) -> None:
    alike: dict[object, list[tuple[int, Line]]] = {}
    for i, line in enumerate(lines):
        alike.setdefault((line.model, line.cluster, line.commitment, line.window is None), []).append((i, line))
    for group in alike.values():
        for (i, one), (j, other) in combinations(group, 2):
            if one.window is None or other.window is None or _meet(one.window, other.window):
                raise InvalidError(f"lines[{j}]", f"overlaps with lines[{i}]: both speak of the same devices and times")


def _meet(one: Window, other: Window) -> bool:
    return any(a < d and c < b for a, b in one.pieces() for c, d in other.pieces())


def _parse_factors(data: object) -> tuple[tuple[str, int], ...]:
    factors = mapping("isolation", data, ISOLATIONS)
    found = {level: parse_micro(f"isolation.{level}", text) for level, text in factors.items()}
    for level, factor in found.items():
        if factor > 100 * MICRO:
            raise InvalidError(f"isolation.{level}", "expected a factor of at most 100")
    return tuple(sorted(found.items()))


def mapping(
    path: str, data: object, keys: Sequence[str], required: Sequence[str] = (), what: str = "price book"
) -> Mapping[str, Any]:
    """A mapping with these keys and no others; InvalidError names the field."""
    if not isinstance(data, Mapping):
        raise InvalidError(path or what, f"expected a mapping with {', '.join(keys)}")
    for key in data:
        if key not in keys:
            raise InvalidError(f"{path}.{key}".lstrip("."), f"is unknown; expected {', '.join(keys)}")
    for key in required:
        if key not in data:
            raise InvalidError(f"{path}.{key}".lstrip("."), "is missing")
    return data


def parse_instant(path: str, text: object) -> int:
    """A date (its midnight in UTC) or an instant with its offset, in whole seconds since 1970."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidError(
            path, f"{text!r} is no instant; expected one such as 2026-01-31 or 2026-01-31T09:00Z"
        ) from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    at = int(found.timestamp())
    if not 0 <= at < LATEST:
        raise InvalidError(path, f"{text!r} is not after 1970")
    return at
