"""`farthing traces`: the public traces that `farthing replay` submits."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from rich.console import Console

from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, show_json, show_table
from farthing.cli.tracefile import FILES, ORIGIN, checksum, fetch, find_file, folders
from farthing.local.paths import home
from farthing.model.errors import NotFoundError

app = typer.Typer(help="The public traces that `farthing replay` submits: list them, fetch them.", no_args_is_help=True)

Traces = Annotated[
    Path | None,
    typer.Option("--traces", help="Folder of the traces; default: $FARTHING_TRACES, ../shared/traces, Farthing's own."),
]

_PATIENCE = aiohttp.ClientTimeout(total=300, connect=15, sock_read=60)


@dataclass(frozen=True)
class TraceRow:
    """One file of the trace. `state` is intact, changed or missing; `path` is empty where it is missing."""

    file: str
    state: str
    path: str
    bytes: int


@dataclass(frozen=True)
class Fetched:
    """What became of one file: fetched, or kept since it was there."""

    file: str
    outcome: str
    path: str


@app.command("list")
def list_(traces: Traces = None, output: Output = Format.table) -> None:
    """Which files of the traces are there, and whether they are what was published."""
    rows = [trace_row(name, traces) for name in FILES]
    if output is Format.json:
        show_json(rows)
        return
    out = console()
    columns = (Column("file"), Column("state"), Column("bytes", right=True), Column("path", from_width=100))
    show_table(out, columns, ((r.file, r.state, f"{r.bytes:,}" if r.path else "-", r.path or "-") for r in rows))
    if any(row.state == "missing" for row in rows):
        looked = ", ".join(str(folder) for folder in folders(traces))
        out.print(f"\nLooked in {looked}. `farthing traces fetch` gets what is missing.", style="dim")


def trace_row(name: str, traces: Path | None) -> TraceRow:
    """One file as it is found."""
    try:
        path = find_file(name, traces)
    except NotFoundError:
        return TraceRow(name, "missing", "", 0)
    state = "intact" if checksum(path) == FILES[name] else "changed"
    return TraceRow(name, state, str(path), path.stat().st_size)


@app.command("fetch")
def fetch_(traces: Traces = None, output: Output = Format.table) -> None:
    """Download the traces and check them; whole files or none. Needs the internet, and about 3 MB.

    They go to --traces, $FARTHING_TRACES, or else Farthing's own folder.

    They are data of hkust-adsl/kubernetes-scheduler-simulator, under Apache-2.0.
    """
    folder = (traces or _default()) / "openb"
    rows = asyncio.run(_fetch(folder))
    if output is Format.json:
        show_json(rows)
        return
    columns = (Column("file"), Column("outcome"), Column("path", from_width=100))
    show_table(console(), columns, ((row.file, row.outcome, row.path) for row in rows))


def _default() -> Path:
    return folders(None)[0] if len(folders(None)) == 1 else home() / "traces"


async def _fetch(folder: Path) -> list[Fetched]:
    async with aiohttp.ClientSession(timeout=_PATIENCE, trust_env=True) as session:
        with Console(stderr=True).status(f"Fetching from {ORIGIN}"):
            return [Fetched(name, await fetch(session, name, folder), str(folder / name)) for name in FILES]
