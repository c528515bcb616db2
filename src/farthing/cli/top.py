"""`farthing top`: who uses how much, by node, model, team or pod."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from farthing.cli.judgement import in_line
from farthing.cli.look import Look, Share, look_at, shares
from farthing.cli.options import Context, Format, Kubeconfig, Output
from farthing.cli.render import (
    Cell,
    Column,
    age,
    bar,
    console,
    cores,
    counted,
    given,
    percent,
    several,
    show_json,
    show_table,
)
from farthing.cli.use import ModelRow, NodeRow, Use, by_model, by_node
from farthing.decide.needs import needs_of
from farthing.model.cluster import Key, Pod


class Of(StrEnum):
    """What use is shown of."""

    nodes = "nodes"
    models = "models"
    teams = "teams"
    pods = "pods"


@dataclass(frozen=True)
class TeamRow:
    """What one team holds. `used` is in devices, `part` of all the cluster's devices. `waiting` counts its pods."""

    team: str
    pods: int
    shares: int
    used: float
    part: float
    waiting: int


@dataclass(frozen=True)
class PodRow:
    """One pod with shares. `used` is in devices; `asks` as the claims say it."""

    pod: str
    team: str
    asks: tuple[str, ...]
    used: float
    node: str
    devices: tuple[str, ...]
    isolation: str
    age_seconds: float


def by_pod(look: Look) -> list[PodRow]:
    """The use of each pod that holds shares, the largest first."""
    held: dict[Key, list[Share]] = defaultdict(list)
    for share in shares(look):
        for pod in share.pods:
            held[pod].append(share)
    rows = [_pod_row(look, key, mine) for key, mine in held.items()]
    return sorted(rows, key=lambda row: (-row.used, row.pod))


def _pod_row(look: Look, key: Key, mine: list[Share]) -> PodRow:
    fleet, pod = look.world.fleet, look.world.get(Pod, key)
    claims = {share.claim.key: share.claim for share in mine}
    return PodRow(
        pod=str(key),
        team=mine[0].team or key.namespace,
        asks=tuple(str(need) for claim in claims.values() for _, need in needs_of(claim)),
        used=round(sum(used(look, share) for share in mine), 3),
        node=fleet.nodes[fleet.node_of[mine[0].device]].name,
        devices=tuple(fleet.devices[share.device].name for share in mine),
        isolation=mine[0].isolation,
        age_seconds=max(0.0, look.at - pod.created) if pod else 0.0,
    )


def used(look: Look, share: Share) -> float:
    """The part of a device that a share takes: of its compute or of its memory, whichever is more."""
    fleet, i = look.world.fleet, share.device
    parts = [taken / has for taken, has in ((share.compute, fleet.compute[i]), (share.memory, fleet.memory[i])) if has]
    return float(max(parts, default=1.0))


def by_team(look: Look) -> list[TeamRow]:
    """The use of each team that holds shares or waits for some, the largest first."""
    mine: dict[str, list[Share]] = defaultdict(list)
    for share in shares(look):
        mine[share.team or share.claim.key.namespace].append(share)
    waiting: dict[str, int] = defaultdict(int)
    for waits in in_line(look, look.snapshot()):
        waiting[waits.team] += 1
    devices = len(look.world.fleet.devices)
    rows = []
    for team in mine.keys() | waiting.keys():
        total = round(sum(used(look, share) for share in mine[team]), 3)
        pods = {pod for share in mine[team] for pod in share.pods}
        part = round(total / devices, 4) if devices else 0.0
        rows.append(TeamRow(team, len(pods), len(mine[team]), total, part, waiting[team]))
    return sorted(rows, key=lambda row: (-row.used, row.team))


def top(
    of: Annotated[Of, typer.Argument(help="Whose use.")] = Of.nodes,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    limit: Annotated[int, typer.Option("--limit", "-l", min=0, help="At most so many rows; 0: all.")] = 0,
    output: Output = Format.table,
) -> None:
    """Who uses how much, the most used first: nodes, models, teams or pods.

    \b
    farthing top
    farthing top teams
    farthing top pods --limit 10
    farthing top nodes -o json | jq '[.[].whole_free] | add'
    """
    seen = asyncio.run(look_at(kubeconfig, context))
    rows: list[Any] = _ROWS[of](seen)
    shown = rows[:limit] if limit else rows
    if output is Format.json:
        show_json(shown)
        return
    out = console()
    if not rows:
        out.print(_NOTHING[of])
        return
    columns, cells = _TABLES[of]
    show_table(out, columns, (cells(out, row) for row in shown))
    if len(shown) < len(rows):
        out.print(f"\n{len(shown)} of {counted(len(rows), 'row')}", style="dim")


_ROWS: dict[Of, Callable[[Look], list[Any]]] = {
    Of.nodes: by_node,
    Of.models: by_model,
    Of.teams: by_team,
    Of.pods: by_pod,
}
_NOTHING = {
    Of.nodes: "No node has devices that Farthing plans; `farthing status` says more.",
    Of.models: "No device that Farthing plans is published; `farthing status` says more.",
    Of.teams: "No team holds or waits for a share.",
    Of.pods: "No pod holds a share.",
}


# For people -------------------------------------------------------------------------------------------------------


def amounts(out: Console, use: Use) -> tuple[Cell, Cell, Cell]:
    """A bar of use, and how much compute and memory is given."""
    width = 20 if out.width >= 120 else 10
    compute, memory = percent(use.compute_given, use.compute), given(use.memory_bytes_given, use.memory_bytes)
    return bar(out, use.used, use.devices, width), compute, memory


def _node_cells(out: Console, row: NodeRow) -> Sequence[Cell]:
    left = given(row.memory_left_bytes, row.memory_bytes)
    use, compute, memory = amounts(out, row.use)
    return (
        row.node,
        several([model for model in row.models if model], 2) or "-",
        str(row.use.devices),
        str(row.whole_free),
        use,
        compute,
        memory,
        f"{cores(row.cpu_left_milli)} of {cores(row.cpu_milli)}",
        left,
    )


def _model_cells(out: Console, row: ModelRow) -> Sequence[Cell]:
    use, compute, memory = amounts(out, row.use)
    return row.model or "-", f"{row.use.devices:,}", f"{row.use.idle:,}", use, compute, memory


def _team_cells(out: Console, row: TeamRow) -> Sequence[Cell]:
    return (
        row.team,
        f"{row.pods:,}",
        f"{row.shares:,}",
        f"{row.used:,.2f}",
        bar(out, row.part, 1, 20 if out.width >= 120 else 10),
        f"{row.waiting:,}" if row.waiting else "-",
    )


def _pod_cells(_: Console, row: PodRow) -> Sequence[Cell]:
    return (
        row.pod,
        row.team,
        " and ".join(row.asks),
        f"{row.used:,.2f}",
        row.node,
        several(row.devices, 2),
        row.isolation or "-",
        age(row.age_seconds),
    )


_TABLES: dict[Of, tuple[tuple[Column, ...], Callable[[Console, Any], Sequence[Cell]]]] = {
    Of.nodes: (
        (
            Column("node"),
            Column("models", from_width=90),
            Column("devices", right=True),
            Column("free", right=True),
            Column("use"),
            Column("compute", right=True, from_width=130),
            Column("memory given", right=True, from_width=110),
            Column("cpu left", right=True),
            Column("memory left", right=True, from_width=80),
        ),
        _node_cells,
    ),
    Of.models: (
        (
            Column("model"),
            Column("devices", right=True),
            Column("idle", right=True),
            Column("use"),
            Column("compute", right=True),
            Column("memory given", right=True, from_width=80),
        ),
        _model_cells,
    ),
    Of.teams: (
        (
            Column("team"),
            Column("pods", right=True),
            Column("shares", right=True),
            Column("devices", right=True),
            Column("of the fleet"),
            Column("waiting", right=True),
        ),
        _team_cells,
    ),
    Of.pods: (
        (
            Column("pod"),
            Column("team", from_width=120),
            Column("asks for"),
            Column("devices", right=True, from_width=90),
            Column("node"),
            Column("on"),
            Column("isolation", from_width=130),
            Column("age", right=True),
        ),
        _pod_cells,
    ),
}
