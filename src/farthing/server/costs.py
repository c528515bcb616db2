"""The cost API: `/v1`."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from farthing.ledger.interval import IntervalId
from farthing.ledger.money import format_exact
from farthing.ledger.period import day_text, parse_period
from farthing.ledger.read_prices import parse_instant
from farthing.ledger.span import days_of
from farthing.ledger.statement import Statement
from farthing.model.errors import InvalidError
from farthing.model.quantity import MILLI_GPU_HOUR
from farthing.server import paging
from farthing.server.access import View, view
from farthing.server.answers import Allocation, Allocations, Books, CostItem, Costs, Health, Idle, IdleItem, Prices
from farthing.server.context import Asker, Context, Here, Seen, Team, address_of, everything
from farthing.server.paging import Cursors
from farthing.server.problems import Problem
from farthing.store.ask import Answer, Cost, Question, Where, ask
from farthing.store.held import Holding, held
from farthing.store.statement import make_statement

MOST_DAYS: Final = 1100
"""Days that one question may be about: three years."""

BY: Final = ("team", "namespace", "workload", "model", "cluster", "isolation", "kind")

_PROBLEM: Final[dict[str, Any]] = {"application/problem+json": {"schema": Problem.model_json_schema()}}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    int(status): {"description": status.phrase, "content": _PROBLEM}
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}
_NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "Not Found", "content": _PROBLEM}}

router = APIRouter(prefix="/v1", responses=_REFUSALS)
open_router = APIRouter(prefix="/v1", responses={status: _REFUSALS[status] for status in (429, 503)})
"""What asks for no token."""

Since = Annotated[str, Query(description="The first day, or a length of time such as 7d; default: this month.")]
Until = Annotated[str, Query(description="The last day; default: today.")]
Name = Annotated[str, Query(max_length=506, description="Only this one.")]
Limit = Annotated[int, Query(ge=1, le=paging.MOST, description="Items in a page.")]
Cursor = Annotated[str, Query(description="Where the page begins: `next` of the page before.")]


@open_router.get("/health")
def health(request: Request, context: Here) -> Health:
    """Whether the server is up and its database answers. Asks for no token, and says nothing of what is in it."""
    context.addresses.take(address_of(request))
    context.ledger.closed()
    return Health()


@router.get("/costs")
def costs(
    context: Here,
    seen: Seen,
    by: Annotated[str, Query(description=f"By what, separated by commas: {', '.join(BY)}.")] = "team",
    since: Since = "",
    until: Until = "",
    step: Annotated[Literal["total", "day", "month"], Query(description="One sum, or one for each.")] = "total",
    team: Team = "",
    namespace: Name = "",
    workload: Name = "",
    model: Name = "",
    cluster: Name = "",
    limit: Limit = paging.USUAL,
    cursor: Cursor = "",
) -> Costs:
    """What GPUs cost: settled days and today so far, to the micro-unit. Items are in the order of their names.

    Who does not see everything is told what their teams are charged.
    """
    fields = _fields(by)
    first, last = _days(context, since, until)
    named = {"team": team, "namespace": namespace, "workload": workload, "model": model, "cluster": cluster}
    wanted = {name: frozenset({value}) for name, value in named.items() if value}
    steps = (step,) if step != "total" else ()
    answer = _ask(context, seen, (*steps, *fields), (first, last), wanted)
    cursors = Cursors("costs", fields, step, first, last, sorted(named.items()))

    def item(cost: Cost) -> CostItem:
        names = cost.names[len(steps) :]
        return CostItem(
            names=dict(zip(fields, names, strict=True)),
            period=cost.names[0] if steps else None,
            cost=format_exact(cost.amount),
            not_settled=format_exact(cost.unsettled),
            gpu_hours=_gpu_hours(cost),
            gib_hours=round(cost.mib_seconds / 1024 / 3600, 6),
        )

    items, following = _page(answer.costs, cursors, cursor, limit, item)
    return Costs(
        items=items,
        next=following,
        since=day_text(first),
        until=day_text(last),
        currency=answer.currency,
        total=format_exact(sum(cost.amount for cost in answer.costs)),
        books=[Books.of(found) for found in answer.standing],
        problems=list(answer.unpriced) if seen.teams is None else [],
    )


@router.get("/idle")
def idle(
    context: Here,
    seen: Annotated[View, Depends(everything)],
    since: Since = "",
    until: Until = "",
    cluster: Name = "",
    model: Name = "",
    limit: Limit = paging.USUAL,
    cursor: Cursor = "",
) -> Idle:
    """What capacity that no team was charged for cost, by day, cluster and model. For those who see everything."""
    first, last = _days(context, since, until)
    named = {"cluster": cluster, "model": model}
    wanted = {name: frozenset({value}) for name, value in named.items() if value}
    wanted["kind"] = frozenset({"idle", "stranded"})
    fields = ("day", "cluster", "model", "kind")
    answer = _ask(context, seen, fields, (first, last), wanted)

    def item(cost: Cost) -> IdleItem:
        return IdleItem(
            **dict(zip(fields, cost.names, strict=True)),
            cost=format_exact(cost.amount),
            not_settled=format_exact(cost.unsettled),
            gpu_hours=_gpu_hours(cost),
        )

    cursors = Cursors("idle", first, last, sorted(named.items()))
    items, following = _page(answer.costs, cursors, cursor, limit, item)
    return Idle(
        items=items,
        next=following,
        since=day_text(first),
        until=day_text(last),
        currency=answer.currency,
        total=format_exact(sum(cost.amount for cost in answer.costs)),
    )


@router.get("/allocations")
def allocations(
    context: Here,
    seen: Seen,
    team: Team = "",
    namespace: Name = "",
    workload: Name = "",
    cluster: Name = "",
    since: Annotated[str, Query(description="Held after this instant; default: held now.")] = "",
    until: Annotated[str, Query(description="And before this one.")] = "",
    limit: Limit = paging.USUAL,
    cursor: Cursor = "",
) -> Allocations:
    """Who holds which part of which device, now or in some time, in the order of clusters and devices."""
    if until and not since:
        raise InvalidError("until", "means nothing without since")
    start = parse_instant("since", since) if since else None
    end = parse_instant("until", until) if until else None
    wanted = frozenset({team}) if team else seen.teams
    cursors = Cursors("allocations", team, namespace, workload, cluster, start, end)
    found = held(
        context.ledger.database,
        Holding(wanted, cluster, namespace, workload, start, end),
        _interval_id(cursors.read(cursor)),
        limit + 1,
    )
    following = cursors.make(found[limit - 1].id) if len(found) > limit else None
    return Allocations(items=[Allocation.of(interval) for interval in found[:limit]], next=following)


@router.get("/statements/{team}/{month}", responses=_NOT_FOUND)
async def statement(
    context: Here,
    caller: Asker,
    team: Annotated[str, Path(max_length=253)],
    month: Annotated[str, Path(description="Such as 2026-11.")],
) -> Statement:
    """What a team owes for a month, by kind of charge, workload, model, cluster and day."""
    await view(context.access, caller, team, list)
    period = parse_period(month)
    return await run_in_threadpool(make_statement, context.ledger, team, period, context.so_far)


@router.get("/prices")
def prices(context: Here, _: Asker) -> list[Prices]:
    """Every version of the price book. For whoever has a good token."""
    return [Prices.of(book) for book in context.ledger.prices().books]


# Helpers ----------------------------------------------------------------------------------------------------------

ItemType = TypeVar("ItemType", bound=BaseModel)


def _gpu_hours(cost: Cost) -> float:
    return round(cost.milli_gpu_seconds / MILLI_GPU_HOUR, 6)


def _fields(by: str) -> tuple[str, ...]:
    fields = tuple(name.strip() for name in by.split(",") if name.strip())
    for name in fields:
        if name not in BY:
            raise InvalidError("by", f"{name[:60]!r} is nothing to show costs by; expected some of {', '.join(BY)}")
    return fields


def _days(context: Context, since: str, until: str) -> tuple[int, int]:
    first, last = days_of(since, until, int(context.now()), "")
    if last - first >= MOST_DAYS:
        raise InvalidError("since", f"{last - first + 1:,} days; expected at most {MOST_DAYS:,}")
    return first, last


def _ask(
    context: Context, seen: View, by: tuple[str, ...], days: tuple[int, int], wanted: dict[str, frozenset[str]]
) -> Answer:
    if seen.teams is not None:
        wanted = wanted | {"team": wanted.get("team", seen.teams) & seen.teams}
    where: Where = tuple(sorted(wanted.items()))
    return ask(context.ledger.database, Question(by, *days, where=where), context.so_far)


def _page(
    found: Sequence[Cost], cursors: Cursors, cursor: str, limit: int, item: Callable[[Cost], ItemType]
) -> tuple[list[ItemType], str | None]:
    """The costs after the cursor, in the order of their names."""
    after = cursors.read(cursor)
    ordered = sorted(found, key=lambda cost: cost.names)
    rest = [cost for cost in ordered if after is None or cost.names > tuple(after)]
    following = cursors.make(rest[limit - 1].names) if len(rest) > limit else None
    return [item(cost) for cost in rest[:limit]], following


def _interval_id(key: list[Any] | None) -> IntervalId | None:
    return IntervalId(*key) if key is not None else None
