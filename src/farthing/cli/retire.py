"""`farthing ledger retire` and `retirements`: clusters that are gone for good."""

import getpass
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, show_json, show_table
from farthing.ledger.price import instant_text
from farthing.ledger.read_prices import parse_instant
from farthing.model.errors import InvalidError

if TYPE_CHECKING:
    from farthing.store.retire import Retirement


@dataclass(frozen=True)
class RetirementRow:
    """An event: from `since` on nothing is expected of the cluster; empty where it was undone."""

    cluster: str
    since: str
    said_at: str
    said_by: str


def retire(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="As the ledger names it.")],
    since: Annotated[
        str, typer.Option("--since", help="The instant from which on it is gone; default: when it was last heard.")
    ] = "",
    undo: Annotated[bool, typer.Option("--undo", help="It is back: expect news of it again.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who says so; default: the name of the user.")] = "",
    ledger: LedgerUrl = "",
) -> None:
    """Say that a cluster is gone for good, so that months can close without it.

    What it still holds ends at that instant, and its devices with it. Reports of what was before count as late ones;
    a report of a later time is refused, and waits in the log of the spoke. Who said it and when is written down for
    good. It can be undone until a month is closed without the cluster.

    \b
    farthing ledger retire paris
    farthing ledger retire paris --since 2026-11-20T09:00Z --by ada
    farthing ledger retire paris --undo
    """
    if undo and since:
        raise InvalidError("--since", "goes without --undo")
    instant = parse_instant("--since", since) if since else None
    with opened(ledger) as found:
        from farthing.store import retire as events  # noqa: PLC0415 -- SQL takes most of a second to import

        at, who = int(time.time()), by or _user()
        if undo:
            events.undo(found.database, cluster, at, who)
            console().print(f"{cluster} is expected again")
            return
        done = events.retire(found.database, cluster, instant, at, who)
    console().print(
        f"{cluster} is retired from {instant_text(done.since or 0)} on; `farthing ledger settle` settles it"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise InvalidError("--by", "this user has no name here; say who you are") from error


def retirements(ledger: LedgerUrl = "", output: Output = Format.table) -> None:
    """Which clusters were retired, or are expected again: who said so, and when.

    \b
    farthing ledger retirements
    farthing ledger retirements -o json
    """
    with opened(ledger) as found:
        from farthing.store.retire import events  # noqa: PLC0415 -- SQL takes most of a second to import

        rows = [_row(event) for event in events(found.database)]
    if output is Format.json:
        show_json(rows)
    elif not rows:
        console().print("no cluster was ever retired")
    else:
        columns = [Column(name) for name in ("cluster", "retired from", "said", "by")]
        show_table(console(), columns, [(r.cluster, r.since or "undone", r.said_at, r.said_by) for r in rows])


def _row(event: "Retirement") -> RetirementRow:
    since = "" if event.since is None else instant_text(event.since)
    return RetirementRow(event.cluster, since, instant_text(event.said_at), event.said_by)
