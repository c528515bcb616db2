"""`farthing status`: one screen about one cluster."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.installed import missing
from farthing.cli.judgement import in_line, on_its_way
from farthing.cli.leader import Leader, read_leader
from farthing.cli.look import Look, is_ours, look, shares
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Cell, Column, age, console, counted, several, show_json, show_table
from farthing.cli.top import amounts
from farthing.cli.use import ModelRow, by_model
from farthing.decide.audit import audit
from farthing.model.cluster import Claim, DriverProfile, Pod
from farthing.state.snapshot import Waiting

UNDECIDED: Final = "Undecided"
"""Stands for the reason of pods that no spoke has looked at yet."""

_SHOWN: Final = 5
"""Sentences of one sort on the screen; JSON has them all."""


@dataclass(frozen=True)
class WaitingRow:
    """Pods that wait for one reason; `example` is the sentence of the oldest."""

    reason: str
    pods: int
    oldest: str
    oldest_seconds: float
    example: str


@dataclass(frozen=True)
class Wrong:
    """A difference between what was given and what is there."""

    about: str
    sentence: str


@dataclass(frozen=True)
class Status:
    """One cluster. `healthy`: Farthing is installed, a spoke leads, and the books are right.

    `missing` are objects of the installation that are not there. `running` pods have shares and a node, `on_the_way`
    have shares only. `left_out` are sentences about pools and devices that are not planned, `unreadable` about objects
    that nobody could read. `books` is empty where the shares of all devices add up.
    """

    server: str
    kubernetes: str
    healthy: bool
    installed: bool
    missing: tuple[str, ...]
    leader: Leader
    drivers: tuple[str, ...]
    nodes: int
    nodes_with_devices: int
    models: tuple[ModelRow, ...]
    running: int
    on_the_way: int
    waiting: tuple[WaitingRow, ...]
    left_out: tuple[str, ...]
    unreadable: tuple[str, ...]
    books: tuple[Wrong, ...]


def status(kubeconfig: Kubeconfig = None, context: Context = "", output: Output = Format.table) -> None:
    """One screen about a cluster: is Farthing in it, who decides, what is used, what waits and why.

    The exit status is 0 where Farthing is installed, a spoke leads and the books are right, else 1.

    Pods that wait and devices that are left out do not change it.

    \b
    farthing status
    farthing status -o json | jq '.waiting[] | "\\(.reason) \\(.pods)"'
    """
    found = asyncio.run(_status(kubeconfig, context))
    if output is Format.json:
        show_json(found)
    else:
        _show(console(), found)
    if not found.healthy:
        raise typer.Exit(1)


async def _status(kubeconfig: Path | None, context: str) -> Status:
    async with connect(kubeconfig, context) as connection:
        version, absent, seen = await asyncio.gather(connection.get("/version"), missing(connection), look(connection))
        leader = await read_leader(connection, seen.at)
        return summary(seen, leader, connection.server, str(version["gitVersion"]), absent)


def summary(seen: Look, leader: Leader, server: str, kubernetes: str, absent: tuple[str, ...]) -> Status:
    """The screen's content."""
    fleet, snapshot = seen.world.fleet, seen.snapshot()
    books = audit(fleet, snapshot.free, seen.world.all(Claim))
    holders = {pod for share in shares(seen) for pod in share.pods}
    bound = {key for key in holders if (pod := seen.world.get(Pod, key)) and pod.node and not pod.over}
    return Status(
        server=server,
        kubernetes=kubernetes,
        healthy=not absent and leader.leads and not books,
        installed=not absent,
        missing=absent,
        leader=leader,
        drivers=tuple(sorted(profile.driver for profile in seen.world.all(DriverProfile))),
        nodes=len(fleet.nodes),
        nodes_with_devices=len(set(fleet.node_of.tolist())),
        models=tuple(by_model(seen)),
        running=len(bound),
        on_the_way=sum(1 for waits in snapshot.waiting if is_ours(seen, waits.pod) and on_its_way(waits)),
        waiting=tuple(waiting_rows(in_line(seen, snapshot), seen.at)),
        left_out=fleet.faults,
        unreadable=seen.unreadable,
        books=tuple(Wrong(difference.about, difference.sentence) for difference in books),
    )


def waiting_rows(line: list[Waiting], at: float) -> list[WaitingRow]:
    """Pods that wait, by the reason that is written on them, the most frequent first."""
    groups: dict[str, list[Pod]] = defaultdict(list)
    for waits in line:
        told = waits.pod.verdict if not waits.pod.placed else None
        groups[told.why.value if told else UNDECIDED].append(waits.pod)
    rows = []
    for reason, pods in groups.items():
        oldest = min(pods, key=lambda pod: (pod.created, pod.key))
        says = oldest.verdict.sentence if oldest.verdict and reason != UNDECIDED else "no spoke has looked at it yet"
        rows.append(WaitingRow(reason, len(pods), str(oldest.key), max(0.0, at - oldest.created), says))
    return sorted(rows, key=lambda row: (-row.pods, row.reason))


# For people -------------------------------------------------------------------------------------------------------

_MODEL_COLUMNS: Final = (
    Column("model"),
    Column("devices", right=True),
    Column("idle", right=True),
    Column("use"),
    Column("compute", right=True),
    Column("memory given", right=True, from_width=76),
)
_WAITING_COLUMNS: Final = (
    Column("waits because"),
    Column("pods", right=True),
    Column("oldest", right=True),
    Column("such as"),
    Column("it says", from_width=110),
)


def _show(out: Console, found: Status) -> None:
    show_table(out, (Column(""), Column("")), _facts(found), head=False)
    if found.models:
        out.print()
        show_table(out, _MODEL_COLUMNS, (_model_cells(out, row) for row in found.models))
    if found.waiting:
        out.print()
        show_table(out, _WAITING_COLUMNS, (_waiting_cells(row) for row in found.waiting))
        out.print("\nfarthing explain pod/NAME says more about one of them.", style="dim")
    _show_sentences(out, "Left out of the fleet", found.left_out)
    _show_sentences(out, "Objects that cannot be read", found.unreadable)
    _show_sentences(out, "The books are wrong", tuple(f"{w.about} {w.sentence}" for w in found.books), "red")


def _facts(found: Status) -> list[tuple[Cell, Cell]]:
    devices = sum(row.use.devices for row in found.models)
    waiting = sum(row.pods for row in found.waiting)
    where = f"{devices:,} on {found.nodes_with_devices:,} of {counted(found.nodes, 'node')}"
    on_the_way = f", {found.on_the_way:,} on the way" if found.on_the_way else ""
    books = Text(counted(len(found.books), "difference"), "red") if found.books else Text("right", "green")
    return [
        ("cluster", f"{found.server}, Kubernetes {found.kubernetes}"),
        ("Farthing", _installation(found)),
        ("spoke", _leadership(found.leader)),
        ("devices", where + (f"; drivers: {', '.join(found.drivers)}" if found.drivers else "")),
        ("pods", f"{found.running:,} running on shares{on_the_way}, {waiting:,} waiting"),
        ("books", Text.assemble(books, ", computed now from the live claims")),
    ]


def _installation(found: Status) -> Text:
    if found.installed:
        return Text("installed", "green")
    if len(found.missing) > 2 * _SHOWN:
        return Text.assemble(("not installed", "red"), "; install it: farthing install")
    lacks = f", lacks {several(found.missing, 2)}; repair it: farthing install"
    return Text.assemble(("incomplete", "red"), lacks)


def _leadership(leader: Leader) -> Text:
    if not leader.leads:
        return Text.assemble(("none leads", "red"), f": {leader.sentence}")
    return Text.assemble((leader.holder, "green"), f", renewed {age(leader.renewed_seconds or 0)} ago")


def _model_cells(out: Console, row: ModelRow) -> tuple[Cell, ...]:
    return (row.model or "-", f"{row.use.devices:,}", f"{row.use.idle:,}", *amounts(out, row.use))


def _waiting_cells(row: WaitingRow) -> tuple[Cell, ...]:
    return row.reason, f"{row.pods:,}", age(row.oldest_seconds), row.oldest, row.example


def _show_sentences(out: Console, title: str, sentences: tuple[str, ...], style: str = "yellow") -> None:
    if not sentences:
        return
    out.print(f"\n{title}", style=style)
    for sentence in sentences[:_SHOWN]:
        out.print(f"  {sentence}", markup=False)
    if len(sentences) > _SHOWN:
        out.print(f"  and {len(sentences) - _SHOWN} more; -o json has them all", style="dim")
