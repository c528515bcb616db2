"""Reading the ledger: what was charged, by whatever it is wanted by, settled or so far.

Days that are settled are read from their sums; what came after them, up to what the meters have said, is rated on the
spot and marked as not settled. It may change until its day is over.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, and_, case, func, literal, select

from farthing.ledger.entry import Movement, entry_of, movements
from farthing.ledger.interval import DAY
from farthing.ledger.period import day_text, period_of
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import Rated, rate
from farthing.model.errors import InvalidError
from farthing.store.database import Database
from farthing.store.ledger import read_prices
from farthing.store.meters import epochs, known_of, missing, settled_day
from farthing.store.schema import daily, progress, supplies

FIELDS: Final = ("team", "namespace", "workload", "model", "cluster", "isolation", "kind", "day", "month")
"""What costs can be shown by."""

_KEYS: Final = tuple(column.name for column in daily.primary_key.columns)
_NUMBERS: Final = ("amount", "seconds", "milli_gpu_seconds", "mib_seconds")


@dataclass(frozen=True, slots=True)
class Question:
    """Which costs, by what: days since 1970, both included. Empty `team` or `workload` stands for all.

    With a `period`, a month, what was posted in it counts, corrections of earlier months included; the days must be
    the month's.
    """

    by: tuple[str, ...]
    first: int
    last: int
    team: str = ""
    workload: str = ""
    period: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """One group. Amounts in micro-units; `unsettled` is the part that may still change."""

    names: tuple[str, ...]
    amount: int
    unsettled: int
    milli_gpu_seconds: int
    mib_seconds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one cluster's books go: settled up to and with `settled_day` (-1: nothing), heard up to `watermark`.

    `missing` counts batches that came before their turn: something between has not arrived.
    """

    cluster: str
    settled_day: int
    watermark: int
    missing: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The groups, dearest first; where each cluster stands; `unpriced` are sentences about what has no price."""

    currency: str
    costs: tuple[Cost, ...]
    standing: tuple[Standing, ...]
    unpriced: tuple[str, ...] = ()


def ask(database: Database, question: Question) -> Answer:
    """Answer a question about costs; InvalidError for a field that costs cannot be shown by."""
    for i, name in enumerate(question.by):
        if name not in FIELDS:
            raise InvalidError("--by", f"{name!r} is nothing to show costs by; expected some of {', '.join(FIELDS)}")
        if name in question.by[:i]:
            raise InvalidError("--by", f"{name!r} is named twice")
    groups: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 4)
    unpriced: set[str] = set()
    with database.reading() as connection:
        for names, amount, milli, mib in _settled(connection, question):
            _add(groups[names], (amount, 0, milli, mib))
        prices = read_prices(connection)
        where = tuple(standing(connection))
        for found in where:
            for names, moved in _unsettled(connection, question, prices, found, unpriced):
                _add(groups[names], (moved.amount, moved.amount, moved.milli_gpu_seconds, moved.mib_seconds))
    costs = sorted((Cost(names, *sums) for names, sums in groups.items() if any(sums)), key=_dearest)
    currency = prices.books[-1].currency if prices.books else ""
    return Answer(currency, tuple(costs), where, tuple(sorted(unpriced)))


def standing(connection: Connection) -> Iterator[Standing]:
    """Where each cluster's books stand."""
    for cluster in connection.scalars(select(progress.c.cluster).distinct().order_by(progress.c.cluster)).all():
        watermark = epochs(connection, cluster).watermark
        yield Standing(cluster, settled_day(connection, cluster), watermark, missing(connection, cluster))


def _dearest(cost: Cost) -> tuple[int, tuple[str, ...]]:
    return -cost.amount, cost.names


def _add(sums: list[int], more: Sequence[int]) -> None:
    for i, number in enumerate(more):
        sums[i] += number


# What is settled --------------------------------------------------------------------------------------------------


def _settled(connection: Connection, question: Question) -> Iterator[tuple[tuple[str, ...], int, int, int]]:
    columns = [_column(name).label(f"by_{i}") for i, name in enumerate(question.by)]
    numbers = [func.sum(daily.c[name]) for name in ("amount", "milli_gpu_seconds", "mib_seconds")]
    days = and_(daily.c.day >= question.first, daily.c.day <= question.last)
    query = select(*columns, *numbers).where(daily.c.period == question.period if question.period else days)
    if question.team:
        query = query.where(daily.c.team == question.team)
    if question.workload:
        query = query.where(daily.c.workload == question.workload)
    if columns:
        query = query.group_by(*columns)
    for row in connection.execute(query):
        *names, amount, milli, mib = row
        if amount is not None:
            shown = (day_text(n) if by == "day" else n for n, by in zip(names, question.by, strict=True))
            yield tuple(shown), int(amount), int(milli), int(mib)


def _column(name: str) -> Any:
    """A field of the table; where nobody is charged, the team is the kind in brackets: (idle)."""
    if name == "team":
        nobody = literal("(") + daily.c.kind + literal(")")
        return case((daily.c.team == literal(""), nobody), else_=daily.c.team)
    column: Column[Any] = daily.c["period" if name == "month" else name]
    return column


# What is not ------------------------------------------------------------------------------------------------------


def _unsettled(
    connection: Connection, question: Question, prices: Prices, found: Standing, unpriced: set[str]
) -> Iterator[tuple[tuple[str, ...], Movement]]:
    """What has happened after the last settled day of a cluster, rated as if each day ended with what is known."""
    begun = connection.scalar(select(func.min(supplies.c.start)).where(supplies.c.cluster == found.cluster))
    if begun is None:
        return
    first = max(question.first, found.settled_day + 1, begun // DAY)
    for day in range(first, min(question.last, (found.watermark - 1) // DAY) + 1):
        start, end = day * DAY, min((day + 1) * DAY, found.watermark)
        for device, known in known_of(connection, found.cluster, None, start, end):
            try:
                rated = rate(start, end, known.supplies, known.intervals, prices)
            except UnpricedError as error:
                unpriced.add(f"{device}: {error}")
                continue
            for moved in _moved(rated):
                if question.team in ("", moved.team) and question.workload in ("", moved.workload):
                    model = rated.model if rated else ""
                    yield tuple(_name(by, moved, found.cluster, model, day) for by in question.by), moved


def _moved(rated: Rated | None) -> Iterator[Movement]:
    return (moved for posting in entry_of(rated).postings for moved in movements(posting)) if rated else iter(())


def _name(by: str, moved: Movement, cluster: str, model: str, day: int) -> str:
    match by:
        case "team":
            return moved.team or f"({moved.kind})"
        case "cluster":
            return cluster
        case "model":
            return model
        case "day":
            return day_text(day)
        case "month":
            return period_of(day)
        case _:
            return str(getattr(moved, by))
