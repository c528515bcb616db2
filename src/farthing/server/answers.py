"""What the cost API answers: shapes, units, and what each means. Money is exact decimal text."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from farthing.ledger.interval import Interval
from farthing.ledger.money import MICRO, format_exact
from farthing.ledger.period import day_text
from farthing.ledger.price import Line, PriceBook, Window, instant_text
from farthing.ledger.read_prices import WEEKDAYS
from farthing.store.ask import Standing

Item = TypeVar("Item", bound=BaseModel)

_NEXT = Field(default=None, description="Give it as `cursor` to get the next page; null on the last one.")


class Page(BaseModel, Generic[Item]):
    """Some items, in a fixed order."""

    items: list[Item]
    next: str | None = _NEXT


class Health(BaseModel):
    """The server is up, and its database answers."""

    status: str = "ok"


class Books(BaseModel):
    """How far a cluster's books go."""

    cluster: str
    settled_through: str | None = Field(description="The last day that is settled.")
    heard_until: str | None = Field(description="Everything up to here has been reported.")
    missing_batches: int = Field(description="Batches that have not arrived although later ones have.")
    retired_from: str | None = Field(description="The instant from which on nothing is expected of it.")

    @classmethod
    def of(cls, found: Standing) -> "Books":
        """From where a cluster stands."""
        return cls(
            cluster=found.cluster,
            settled_through=day_text(found.settled_day) if found.settled_day >= 0 else None,
            heard_until=instant_text(found.watermark) if found.watermark else None,
            missing_batches=found.missing,
            retired_from=None if found.retired is None else instant_text(found.retired),
        )


class CostItem(BaseModel):
    """What one group costs."""

    names: dict[str, str] = Field(description="By what costs are shown; capacity of no team is (idle) or (stranded).")
    period: str | None = Field(default=None, description="The day or month, where a step is asked for.")
    cost: str
    not_settled: str = Field(description="The part of `cost` that may still change.")
    gpu_hours: float = Field(description="A device that is taken whole for an hour counts as 1.")
    gib_hours: float


class Costs(Page[CostItem]):
    """Costs of whole days in UTC, `since` and `until` included. `total` is of all pages."""

    since: str
    until: str
    currency: str
    total: str
    books: list[Books]
    problems: list[str] = Field(description="Sentences about what is not in it, such as devices without a price.")


class IdleItem(BaseModel):
    """What capacity that no team was charged for cost on one day."""

    day: str
    cluster: str
    model: str
    kind: str = Field(description="idle, or stranded: nobody new could have used it.")
    cost: str
    not_settled: str
    gpu_hours: float


class Idle(Page[IdleItem]):
    """Idle and stranded capacity, by day. What a rule shared out among teams is not in it."""

    since: str
    until: str
    currency: str
    total: str


class Allocation(BaseModel):
    """One share: who holds which part of which device."""

    cluster: str
    node: str
    device: str = Field(description="driver/pool/name")
    model: str
    team: str
    namespace: str
    workload: str
    pod: str
    claim: str
    share: str
    compute: int = Field(description="In the device's own unit, most often thousandths.")
    memory: int = Field(description="Bytes.")
    isolation: str
    start: str
    end: str | None = Field(description="null where it is still held.")

    @classmethod
    def of(cls, found: Interval) -> "Allocation":
        """From an interval."""
        named = {name: getattr(found, name) for name in cls.model_fields if name not in ("start", "end")}
        end = instant_text(found.end) if found.end is not None else None
        return cls(**named, start=instant_text(found.start), end=end)


class Allocations(Page[Allocation]):
    """Who holds what, in the order of clusters and devices."""


class PriceWindow(BaseModel):
    """Minutes of the day in UTC, on some weekdays."""

    start: str
    end: str
    weekdays: list[str]


class PriceLine(BaseModel):
    """What a device costs; a field that is null speaks of all."""

    per_hour: str
    model: str | None
    cluster: str | None
    commitment: str | None
    window: PriceWindow | None


class Prices(BaseModel):
    """One version of the price book."""

    version: int
    since: str
    currency: str
    lines: list[PriceLine]
    spot_factor: str = Field(description="The part of the price that devices of spot nodes cost.")
    isolation: dict[str, str] = Field(description="Factors on what a share at a level is charged.")

    @classmethod
    def of(cls, book: PriceBook) -> "Prices":
        """From a price book."""
        return cls(
            version=book.version,
            since=instant_text(book.since),
            currency=book.currency,
            lines=[_line(line) for line in book.lines],
            spot_factor=format_exact(book.spot),
            isolation={level: format_exact(factor) for level, factor in book.isolation if factor != MICRO},
        )


def _line(line: Line) -> PriceLine:
    return PriceLine(
        per_hour=format_exact(line.price),
        model=line.model or None,
        cluster=line.cluster or None,
        commitment=line.commitment or None,
        window=_window(line.window) if line.window else None,
    )


def _window(window: Window) -> PriceWindow:
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start, window.end))
    return PriceWindow(start=start, end=end, weekdays=[WEEKDAYS[day] for day in window.weekdays])
