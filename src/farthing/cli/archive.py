"""`farthing ledger archive`, `restore` and `archives`: closed months leave the database and come back."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, counted, show_json, show_table
from farthing.ledger.period import parse_period
from farthing.model.errors import InvalidError

if TYPE_CHECKING:
    from farthing.store.archive import Said
    from farthing.store.archived import Archived


@dataclasses.dataclass(frozen=True)
class ArchiveRow:
    """A month that has left the database. `restoring`: it is on its way back. `size` is bytes of its files."""

    month: str
    folder: str
    files: tuple[str, ...]
    size: int
    intervals: int
    postings: int
    restoring: bool


def archive(
    period: Annotated[str, typer.Argument(metavar="MONTH", help="A month that is closed, such as 2026-11.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where its files go; they must stay there.")],
    copy: Annotated[bool, typer.Option("--copy", help="Only write the files; nothing leaves the ledger.")] = False,
    ledger: LedgerUrl = "",
) -> None:
    """Move a closed month's intervals and postings into Parquet files, out of the ledger's database.

    The files are read back and compared row by row before anything leaves. Costs, statements and balances stay in the
    database, and what needs the rows themselves reads them from the files. Where it was interrupted, do it again.
    Months leave in their order, a week after they are over. Needs farthing[parquet].

    \b
    farthing ledger archive 2026-11 --folder /var/lib/farthing/archive
    farthing ledger archive 2026-11 --folder /tmp/november --copy
    """
    from farthing.store.archive import archive as begin  # noqa: PLC0415 -- SQL takes most of a second to import

    month = parse_period(period)
    with _errors_name(folder), opened(ledger) as found, _progress() as said:
        done = begin(found.database, month, folder, copy=copy, said=said)
    for name, file in done.files.items():
        console().print(f"{done.folder / file.name}: {counted(file.rows, 'row')} of {name}", soft_wrap=True)
    left = f"{counted(done.files['postings'].rows, 'posting')} and the intervals that ended have left the ledger"
    console().print("nothing has left the ledger" if copy else left)


def restore(
    period: Annotated[str, typer.Argument(metavar="MONTH", help="A month that is archived, such as 2026-11.")],
    ledger: LedgerUrl = "",
) -> None:
    """Bring an archived month back into the ledger's database, so that what was learned about it late can be settled.

    Months come back from the last one. Where it was interrupted, do it again. The files stay; they count no more.

    \b
    farthing ledger restore 2026-11
    """
    from farthing.store.restore import restore as begin  # noqa: PLC0415 -- SQL takes most of a second to import

    month = parse_period(period)
    with opened(ledger) as found, _progress() as said:
        done = begin(found.database, month, said)
    console().print(f"{month} is back: {counted(done.files['postings'].rows, 'posting')}")


def archives(
    moved: Annotated[
        list[str] | None,
        typer.Option("--moved", help="MONTH=FOLDER: its files are there now; looked at first. Repeatable."),
    ] = None,
    ledger: LedgerUrl = "",
    output: Output = Format.table,
) -> None:
    """Which months are archived, and where their files are.

    \b
    farthing ledger archives
    farthing ledger archives --moved 2026-11=/mnt/archive
    """
    with opened(ledger) as found:
        from farthing.store.archived import archived_months  # noqa: PLC0415 -- SQL takes most of a second to import
        from farthing.store.restore import moved as note  # noqa: PLC0415 -- as above

        for month, folder in map(_moved, moved or []):
            note(found.database, month, folder)
        with found.database.reading() as connection:
            rows = [_row(one) for one in archived_months(connection)]
    if output is Format.json:
        show_json(rows)
    elif not rows:
        console().print("no month is archived")
    else:
        columns = [Column("month"), Column("intervals", right=True), Column("postings", right=True)]
        columns += [Column("MiB", right=True), Column("folder"), Column("")]
        show_table(console(), columns, [_cells(row) for row in rows])


def _moved(text: str) -> tuple[str, Path]:
    month, equals, folder = text.partition("=")
    if not (equals and folder):
        raise InvalidError("--moved", f"{text!r} names no folder; expected one such as 2026-11=/mnt/archive")
    return parse_period(month), Path(folder)


def _row(found: "Archived") -> ArchiveRow:
    files = found.files
    return ArchiveRow(
        month=found.period,
        folder=str(found.folder),
        files=tuple(file.name for file in files.values()),
        size=sum(file.size for file in files.values()),
        intervals=files["intervals"].rows,
        postings=files["postings"].rows,
        restoring=found.restoring,
    )


def _cells(row: ArchiveRow) -> tuple[str, ...]:
    numbers = (f"{row.intervals:,}", f"{row.postings:,}", f"{row.size / 2**20:,.1f}")
    return (row.month, *numbers, row.folder, "coming back" if row.restoring else "")


@contextlib.contextmanager
def _errors_name(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidError("--folder", f"{folder} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _progress() -> Iterator["Said"]:
    """A bar for each step, on standard error, gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = {}

        def said(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step)
            progress.update(tasks[step], completed=done, total=total)

        yield said
