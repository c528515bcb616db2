"""Statements out of the ledger."""

from typing import Final

from farthing.ledger.money import format_exact
from farthing.ledger.period import first_day, last_day
from farthing.ledger.statement import PARTS, Statement, StatementLine, StatementPart
from farthing.model.errors import NotFoundError
from farthing.store.ask import Cost, Question, ask
from farthing.store.ledger import Ledger
from farthing.store.so_far import SoFar

_MILLI_GPU_HOUR: Final = 3_600_000


def make_statement(ledger: Ledger, team: str, month: str, so_far: SoFar | None = None) -> Statement:
    """What a team owes for a month; NotFoundError where it was charged nothing."""
    answers = {
        part: ask(ledger.database, Question((part,), first_day(month), last_day(month), team, period=month), so_far)
        for part in PARTS
    }
    if not any(answer.costs for answer in answers.values()):
        raise NotFoundError(f"{team} was charged nothing in {month}; `farthing cost --by team,month` shows who was")
    costs = answers["kind"].costs
    return Statement(
        team=team,
        month=month,
        currency=answers["kind"].currency,
        closed=month in ledger.closed(),
        total=format_exact(sum(cost.amount for cost in costs)),
        not_settled=format_exact(sum(cost.unsettled for cost in costs)),
        parts=tuple(StatementPart(part, _lines(part, answer.costs)) for part, answer in answers.items()),
    )


def _lines(part: str, costs: tuple[Cost, ...]) -> tuple[StatementLine, ...]:
    """The dearest first, but days in their order."""
    ordered = sorted(costs, key=lambda cost: cost.names) if part == "day" else costs
    return tuple(
        StatementLine(
            name=cost.names[0] or "-",
            cost=format_exact(cost.amount),
            gpu_hours=round(cost.milli_gpu_seconds / _MILLI_GPU_HOUR, 3),
        )
        for cost in ordered
    )
