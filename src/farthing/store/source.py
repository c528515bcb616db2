"""Entries with their postings, many at a time: from the database, or from an archived month's file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, select

from farthing.ledger.entry import Entry, Posting
from farthing.store.archived import Archived, archived_postings
from farthing.store.schema import postings

Heads = list[tuple[Any, ...]]
"""Entries without their postings: the columns of `HEAD`."""

HEAD: Final = ("id", "kind", "subject", "cluster", "device", "model", "day", "capacity", "cause")


@dataclass(frozen=True, slots=True)
class Source:
    """Where postings are read: in the database, or in the file of a month that is archived."""

    connection: Connection
    archived: Archived | None

    def read(self, heads: Heads) -> Iterator[Entry]:
        """Entries in the order of their ids, as `heads` are."""
        found = self._in_database(heads) if self.archived is None else self._in_file(self.archived, heads)
        lines = {entry: tuple(Posting(*row[1:]) for row in rows) for entry, rows in groupby(found, itemgetter(0))}
        return (Entry(*(*head[1:], lines.get(head[0], ()))) for head in heads)

    def _in_database(self, heads: Heads) -> Iterable[Sequence[Any]]:
        query = (
            select(postings.c.entry, *(postings.c[name] for name in Posting._fields))
            .where(postings.c.entry.in_([head[0] for head in heads]))
            .order_by(postings.c.entry, postings.c.line)
        )
        return self.connection.execute(query).all()

    def _in_file(self, archived: Archived, heads: Heads) -> Iterable[Sequence[Any]]:
        in_order = itemgetter(*(postings.columns.keys().index(name) for name in ("entry", *Posting._fields)))
        return map(in_order, archived_postings(archived, heads[0][0], heads[-1][0]))
