"""Reading the ledger: what was charged, by whatever it is wanted by, settled or so far.

Days that are settled are read from their sums; what came after them, up to what the meters have said, is rated on the
spot and marked as not settled. It may change until its day is over.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, and_, case, func, literal, select

from farthing.ledger.interval import DAY, LATEST
from farthing.ledger.period import day_of, day_text, period_of
from farthing.ledger.price import Prices
from farthing.model.errors import InvalidError
from farthing.store.database import Database
from farthing.store.epochs import epochs
from farthing.store.ledger import read_prices
from farthing.store.meters import missing, settled_day
from farthing.store.schema import daily, progress, supplies
from farthing.store.so_far import Line, SoFar, Stretch, Sums

FIELDS: Final = ("team", "namespace", "workload", "model", "cluster", "isolation", "kind", "day", "month")
"""What costs can be shown by."""

Where = tuple[tuple[str, frozenset[str]], ...]
"""Fields, and the values of each that are wanted."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which costs, by what: days since 1970, both included. Empty `team` or `workload` stands for all.

    `where` names further fields and what they may be. With a `period`, a month, what was posted in it counts,
    corrections of earlier months included; the days must be the month's.
    """

    by: tuple[str, ...]
    first: int
    last: int
    team: str = ""
    workload: str = ""
    period: str = ""
    where: Where = ()

    @property
    def accepted(self) -> dict[str, frozenset[str]]:
        """Every field that is asked for, and what it may be."""
        named = {"team": self.team, "workload": self.workload}
        found = dict(self.where)
        for name, text in named.items():
            if text:
                found[name] = found.get(name, frozenset({text})) & {text}
        return found


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

    `missing` counts batches that came before their turn: something between has not arrived. `retired`: the instant
    from which on nothing is expected of it.
    """

    cluster: str
    settled_day: int
    watermark: int
    missing: int
    retired: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The groups, dearest first; where each cluster stands; `unpriced` are sentences about what has no price."""

    currency: str
    costs: tuple[Cost, ...]
    standing: tuple[Standing, ...]
    unpriced: tuple[str, ...] = ()


def ask(database: Database, question: Question, so_far: SoFar | None = None) -> Answer:
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
            for names, sums in _unsettled(connection, question, prices, found, so_far or SoFar(), unpriced):
                _add(groups[names], (sums.amount, *sums))
    costs = sorted((Cost(names, *numbers) for names, numbers in groups.items() if any(numbers)), key=_dearest)
    currency = prices.books[-1].currency if prices.books else ""
    return Answer(currency, tuple(costs), where, tuple(sorted(unpriced)))


def clusters(connection: Connection) -> Sequence[str]:
    """Every cluster whose meter was heard."""
    return connection.scalars(select(progress.c.cluster).distinct().order_by(progress.c.cluster)).all()


def teams(database: Database, so_far: SoFar) -> frozenset[str]:
    """Every team that was ever charged anything."""
    with database.reading() as connection:
        found = set(connection.scalars(select(daily.c.team).distinct()))
        prices = read_prices(connection)
        for where in standing(connection):
            for stretch in _unsettled_days(connection, prices, where, so_far, (0, LATEST // DAY)):
                found.update(line.team for line, _ in stretch.lines)
    return frozenset(found - {""})


def standing(connection: Connection) -> Iterator[Standing]:
    """Where each cluster's books stand."""
    for cluster in clusters(connection):
        known = epochs(connection, cluster)
        done = settled_day(connection, cluster)
        yield Standing(cluster, done, known.watermark, missing(connection, cluster), known.retired)


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
    for name, values in question.accepted.items():
        query = query.where(_is_one_of(name, values))
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


def _is_one_of(name: str, values: frozenset[str]) -> Any:
    match name:
        case "day":
            return daily.c.day.in_([day_of(text) for text in values])
        case "team" if all(values) and not any(text.startswith("(") for text in values):
            return daily.c.team.in_(sorted(values))  # as it is in the index
        case _:
            return _column(name).in_(sorted(values))


# What is not ------------------------------------------------------------------------------------------------------


def _unsettled(
    connection: Connection, question: Question, prices: Prices, found: Standing, so_far: SoFar, unpriced: set[str]
) -> Iterator[tuple[tuple[str, ...], Sums]]:
    """What has happened after the last settled day of a cluster, rated as if each day ended with what is known."""
    accepted = question.accepted.items()
    for stretch in _unsettled_days(connection, prices, found, so_far, (question.first, question.last)):
        unpriced.update(stretch.unpriced)
        for line, sums in stretch.lines:
            if all(name_of(by, line) in values for by, values in accepted):
                yield tuple(name_of(by, line) for by in question.by), sums


def _unsettled_days(
    connection: Connection, prices: Prices, found: Standing, so_far: SoFar, days: tuple[int, int]
) -> Iterator[Stretch]:
    begun = connection.scalar(select(func.min(supplies.c.start)).where(supplies.c.cluster == found.cluster))
    if begun is None:
        return
    first = max(days[0], found.settled_day + 1, begun // DAY)
    for day in range(first, min(days[1], (found.watermark - 1) // DAY) + 1):
        yield so_far.day(connection, prices, found.cluster, day, found.watermark)


def name_of(by: str, line: Line) -> str:
    """What a line is called when costs are shown by a field."""
    match by:
        case "team":
            return line.team or f"({line.kind})"
        case "day":
            return day_text(line.day)
        case "month":
            return period_of(line.day)
        case _:
            return str(getattr(line, by))
