"""What any stretch of time comes to: whole days from the books, parts of days rated on the spot.

The parts are rated anew from what the meters said, also where the day is settled. Money accrues on one line from 1970,
so parts add up to their day but for the rounding where a device is shared out: a micro-unit for each share and part.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from farthing.ledger.interval import DAY
from farthing.store.ask import Question, ask, name_of, standing
from farthing.store.database import Database
from farthing.store.ledger import read_prices
from farthing.store.so_far import SoFar, Sums, rate_stretch

Groups = Mapping[tuple[str, ...], Sums]


def between(database: Database, question: Question, start: int, end: int, so_far: SoFar) -> Groups:
    """The groups that a question asks for, from `start` to `end` in seconds since 1970 in place of its days."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for names, found in _all(database, question, start, end, so_far):
        for i, number in enumerate(found):
            sums[names][i] += number
    return {names: Sums(*numbers) for names, numbers in sums.items()}


def _all(
    database: Database, question: Question, start: int, end: int, so_far: SoFar
) -> Iterator[tuple[tuple[str, ...], Sums]]:
    first, last = -(-start // DAY), end // DAY - 1
    if first <= last:
        days = Question(question.by, first, last, where=question.where)
        for cost in ask(database, days, so_far).costs:
            yield cost.names, Sums(cost.amount, cost.milli_gpu_seconds, cost.mib_seconds)
        parts = [(start, first * DAY), ((last + 1) * DAY, end)]
    else:
        middle = first * DAY
        parts = [(start, middle), (middle, end)] if start < middle < end else [(start, end)]
    for a, b in parts:
        if a < b:
            yield from _part(database, question, a, b)


def _part(database: Database, question: Question, start: int, end: int) -> Iterator[tuple[tuple[str, ...], Sums]]:
    accepted = question.accepted.items()
    with database.reading() as connection:
        prices = read_prices(connection)
        for found in standing(connection):
            until = min(end, found.watermark)
            if start < until:
                for line, sums in rate_stretch(connection, prices, found.cluster, start, until).lines:
                    if all(name_of(by, line) in values for by, values in accepted):
                        yield tuple(name_of(by, line) for by in question.by), sums
