"""Small builders for ledgers: one H100 at 3.60 an hour, a thousand micro-units a second."""

from typing import Any, cast

from farthing.ledger.interval import Interval, Supply
from farthing.ledger.price import PriceBook, Prices
from farthing.ledger.rate import Rated, rate
from farthing.ledger.read_prices import parse_price_book

GIB = 1 << 30
HOUR_COST = 3_600_000
DEVICE = "gpu.farthing.dev/n0/gpu-0"


def supply(device: str = DEVICE, **more: Any) -> Supply:
    fields = {"cluster": "c", "start": 0, "end": None, "node": "n0", "model": "h100", "compute": 1000}
    return Supply(device=device, **{**fields, "memory": 80 * GIB, **more})


def interval(claim: str = "claim", device: str = DEVICE, **more: Any) -> Interval:
    fields: dict[str, Any] = {
        "cluster": "c",
        "share": f"share-{claim}",
        "start": 0,
        "end": None,
        "team": "vision",
        "namespace": "vision-prod",
        "node": "n0",
        "model": "h100",
        "compute": 500,
        "memory": 40 * GIB,
        "isolation": "hard",
        "pod": f"{claim}-pod",
        "owners": (f"Job/{claim}",),
    }
    return Interval(claim=claim, device=device, **{**fields, **more})


def book(per_hour: str = "3.60", **more: Any) -> PriceBook:
    fields = {"version": 1, "since": "1970-01-01", "currency": "GBP", "lines": [{"perHour": per_hour}]}
    return parse_price_book({**fields, **more})


def prices(*books: PriceBook) -> Prices:
    return Prices(books or (book(),))


def rated(
    *intervals: Interval, on: Supply | None = None, factors: dict[str, str] | None = None, hours: int = 1
) -> Rated:
    found = rate(0, hours * 3600, [on or supply()], intervals, prices(book(isolation=factors or {})))
    return cast("Rated", found)


def charges(found: Rated) -> dict[str, int]:
    """What each claim is charged, and what is idle."""
    return {charge.interval.claim if charge.interval else "idle": charge.amount for charge in found.charges}
