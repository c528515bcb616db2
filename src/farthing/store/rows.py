"""Values to rows and back: what meters said, and what is in the books."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping

from farthing.ledger.entry import Entry, Posting
from farthing.ledger.interval import Batch, Interval, Supply
from farthing.ledger.price import PriceBook
from farthing.store.schema import intervals

Row = RowMapping | dict[str, Any]
"""A row by the names of its columns, as it was read or is to be written."""

INTERVAL_COLUMNS: Final = tuple(column.name for column in intervals.columns)

_OWNERS_END: Final = "\n"
"""Between owners; names hold nothing that cannot be printed."""


def _encode(tags: tuple[tuple[str, str], ...]) -> str:
    return msgspec.json.encode(tags).decode()


_tags = lru_cache(maxsize=10_000)(msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode)


def interval_row(interval: Interval, batch: Batch) -> dict[str, Any]:
    return {
        "cluster": interval.cluster,
        "device": interval.device,
        "start": interval.start,
        "claim": interval.claim,
        "share": interval.share,
        "end": interval.end,
        "team": interval.team,
        "namespace": interval.namespace,
        "node": interval.node,
        "model": interval.model,
        "compute": interval.compute,
        "memory": interval.memory,
        "isolation": interval.isolation,
        "pod": interval.pod,
        "owners": _OWNERS_END.join(interval.owners),
        "use": interval.use,
        "tags": _encode(interval.tags) if interval.tags else "",
        "epoch": batch.epoch,
        "seq": batch.seq,
    }


def interval_of(row: Row, end: int | None) -> Interval:
    return replace(interval_from([row[name] for name in INTERVAL_COLUMNS]), end=end)


def interval_from(values: Sequence[Any]) -> Interval:
    """An interval from a row's values in the order of `INTERVAL_COLUMNS`; millions of them, so by their places."""
    cluster, device, start, claim, share, end, team, namespace, node, model, compute, memory, *more = values
    isolation, pod, owners, use, _, _, tags = more
    return Interval(
        cluster,
        device,
        claim,
        share,
        start,
        end,
        team,
        namespace,
        node,
        model,
        compute,
        memory,
        isolation,
        pod,
        _owners(owners) if owners else (),
        use,
        _tags(tags) if tags else (),
    )


@lru_cache(maxsize=10_000)
def _owners(text: str) -> tuple[str, ...]:
    return tuple(text.split(_OWNERS_END))


def supply_row(supply: Supply, batch: Batch) -> dict[str, Any]:
    return {
        "cluster": supply.cluster,
        "device": supply.device,
        "start": supply.start,
        "end": supply.end,
        "node": supply.node,
        "model": supply.model,
        "compute": supply.compute,
        "memory": supply.memory,
        "commitment": supply.commitment,
        "spot": supply.spot,
        "epoch": batch.epoch,
        "seq": batch.seq,
    }


def supply_of(row: Row, end: int | None) -> Supply:
    return Supply(
        cluster=row["cluster"],
        device=row["device"],
        start=row["start"],
        end=end,
        node=row["node"],
        model=row["model"],
        compute=row["compute"],
        memory=row["memory"],
        commitment=row["commitment"],
        spot=bool(row["spot"]),
    )


def posting_rows(entry: Entry, number: int) -> list[tuple[Any, ...]]:
    """As values in the order of the table's columns."""
    return [(number, line, *posting) for line, posting in enumerate(entry.postings)]


def entry_of(row: Row, lines: Sequence[Row]) -> Entry:
    return Entry(
        kind=row["kind"],
        subject=row["subject"],
        cluster=row["cluster"],
        device=row["device"],
        model=row["model"],
        day=row["day"],
        capacity=row["capacity"],
        cause=row["cause"],
        postings=tuple(Posting(**{name: line[name] for name in Posting._fields}) for line in lines),
    )


def book_row(book: PriceBook) -> dict[str, Any]:
    content = msgspec.json.encode(book).decode()
    return {"version": book.version, "since": book.since, "currency": book.currency, "content": content}


def book_of(content: str) -> PriceBook:
    return msgspec.json.decode(content, type=PriceBook)
