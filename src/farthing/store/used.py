"""What was measured to be in use, and what came of it, by the same fields and days as costs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from farthing.ledger.interval import USED_NUMBERS, Used
from farthing.ledger.period import day_text
from farthing.model.errors import InvalidError
from farthing.store.ask import Question
from farthing.store.database import Database
from farthing.store.schema import used

FIELDS = ("team", "namespace", "workload", "cluster", "day")
"""What use is known by."""


def ask_used(database: Database, question: Question, option: str) -> dict[tuple[str, ...], Used]:
    """Sums by the question's fields; InvalidError names the `option` where use is not known by one of them."""
    for name in question.by:
        if name not in FIELDS:
            raise InvalidError(option, f"use is not known by {name!r}; expected --by some of {', '.join(FIELDS)}")
    columns: list[Any] = [used.c[name].label(f"by_{i}") for i, name in enumerate(question.by)]
    numbers = [func.sum(used.c[name]) for name in USED_NUMBERS]
    query = select(*columns, *numbers).where(used.c.day >= question.first, used.c.day <= question.last)
    for name, value in (("team", question.team), ("workload", question.workload)):
        if value:
            query = query.where(used.c[name] == value)
    with database.reading() as connection:
        rows = connection.execute(query.group_by(*columns) if columns else query).all()
    return dict(_sums(question.by, row) for row in rows if row[-1] is not None)


def _sums(by: Sequence[str], row: Sequence[Any]) -> tuple[tuple[str, ...], Used]:
    names = tuple(day_text(n) if name == "day" else n for n, name in zip(row, by, strict=False))
    return names, Used("", 0, "", "", "", *(int(number) for number in row[len(by) :]))
