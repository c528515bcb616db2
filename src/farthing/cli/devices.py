"""`farthing devices`: every device, who is on it, and what is left."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from farthing.cli.look import Look, Share, look_at, shares
from farthing.cli.options import Context, Format, Kubeconfig, Output
from farthing.cli.render import Cell, Column, bar, console, counted, given, percent, show_json, show_table
from farthing.model.ask import ISOLATIONS
from farthing.model.errors import NotFoundError
from farthing.state.fleet import LEVEL_BIT, model_name


@dataclass(frozen=True)
class OnDevice:
    """One share of a device. `compute` is in the driver's unit (thousandths of a device for Farthing's own)."""

    claim: str
    pods: tuple[str, ...]
    team: str
    isolation: str
    compute: int
    memory_bytes: int


@dataclass(frozen=True)
class DeviceRow:
    """One device. `mode` is how it is shared now, empty where nobody is on it; `levels` what it could deliver."""

    node: str
    device: str
    pool: str
    driver: str
    model: str
    levels: tuple[str, ...]
    mode: str
    team: str
    compute: int
    compute_given: int
    memory_bytes: int
    memory_bytes_given: int
    divisible: bool
    taints: tuple[str, ...]
    shares: tuple[OnDevice, ...]


def device_rows(look: Look) -> list[DeviceRow]:
    """All devices, in order of node and name."""
    fleet, snapshot = look.world.fleet, look.snapshot()
    held: dict[int, list[Share]] = defaultdict(list)
    for share in shares(look):
        held[share.device].append(share)
    rows = []
    for i, name in enumerate(fleet.devices):
        here = sorted(held[i], key=lambda share: share.claim.key)
        rows.append(
            DeviceRow(
                node=fleet.nodes[fleet.node_of[i]].name,
                device=name.name,
                pool=name.pool,
                driver=name.driver,
                model=fleet.models[fleet.model_of[i]].upper(),
                levels=_levels(int(fleet.levels[i])),
                mode="|".join(_levels(int(snapshot.free.mode[i]))),
                team="|".join(sorted({share.team for share in here if share.team})),
                compute=int(fleet.compute[i]),
                compute_given=sum(share.compute for share in here),
                memory_bytes=int(fleet.memory[i]),
                memory_bytes_given=sum(share.memory for share in here),
                divisible=bool(fleet.divisible[i]),
                taints=tuple(f"{t.key}:{t.effect}" for t in fleet.specs[i].taints),
                shares=tuple(_on_device(share) for share in here),
            )
        )
    return rows


def _on_device(share: Share) -> OnDevice:
    pods = tuple(str(pod) for pod in share.pods)
    return OnDevice(str(share.claim.key), pods, share.team, share.isolation, share.compute, share.memory)


def _levels(bits: int) -> tuple[str, ...]:
    return tuple(level for level in ISOLATIONS if bits & LEVEL_BIT[level])


def chosen(rows: list[DeviceRow], node: str, model: str, *, free: bool) -> list[DeviceRow]:
    """The rows that the filters let through; NotFoundError where a filter names what is not there."""
    if node and not any(row.node == node for row in rows):
        raise NotFoundError(
            f"no node {node!r} has devices that Farthing plans; `farthing top nodes` lists those that do"
        )
    wanted = model_name(model)
    models = sorted({row.model for row in rows if row.model})
    if model and not any(f"-{wanted}-" in f"-{known.lower()}-" for known in models):
        raise NotFoundError(f"no device is of model {model!r}; the cluster has {', '.join(models) or 'none'}")
    return [
        row
        for row in rows
        if (not node or row.node == node)
        and (not model or f"-{wanted}-" in f"-{row.model.lower()}-")
        and not (free and (row.shares or row.taints))
    ]


def devices(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    node: Annotated[str, typer.Option("--node", help="Only the devices of this node.")] = "",
    model: Annotated[str, typer.Option("--model", help="Only devices of this model, as asks name it.")] = "",
    free: Annotated[bool, typer.Option("--free", help="Only devices that nobody is on and nothing taints.")] = False,
    output: Output = Format.table,
) -> None:
    """Every device: its model, how it is shared, who is on it and how much of it is given.

    \b
    farthing devices --node gpu-node-3
    farthing devices --model H100 --free
    farthing devices -o json | jq '[.[] | select(.compute_given == 0)] | length'
    """
    rows = chosen(device_rows(asyncio.run(look_at(kubeconfig, context))), node, model, free=free)
    if output is Format.json:
        show_json(rows)
        return
    out = console()
    _show(out, rows)


def _show(out: Console, rows: list[DeviceRow]) -> None:
    if not rows:
        out.print("No such device. `farthing status` says what drivers have published.")
        return
    columns = (
        Column("node"),
        Column("device"),
        Column("model"),
        Column("can do", from_width=130),
        Column("mode"),
        Column("team", from_width=90),
        Column("compute"),
        Column("memory", from_width=110),
        Column("shares"),
    )
    show_table(out, columns, (_cells(out, row) for row in rows))
    idle = sum(1 for row in rows if not row.shares)
    out.print(f"\n{counted(len(rows), 'device')}, {idle:,} idle", style="dim")


def _cells(out: Console, row: DeviceRow) -> tuple[Cell, ...]:
    width = 10 if out.width >= 120 else 5
    return (
        row.node,
        row.device,
        row.model or "-",
        " ".join(row.levels) or "whole only",
        row.mode or "-",
        row.team or "-",
        bar(out, *_use(row), width),
        given(row.memory_bytes_given, row.memory_bytes),
        "\n".join((*(f"taint {taint}" for taint in row.taints), *(_share_text(row, s) for s in row.shares))) or "-",
    )


def _use(row: DeviceRow) -> tuple[float, float]:
    """What is given of a device, and of how much: by compute, by memory, or by whether anybody is on it."""
    if row.compute:
        return row.compute_given, row.compute
    if row.memory_bytes:
        return row.memory_bytes_given, row.memory_bytes
    return len(row.shares), 1


def _share_text(row: DeviceRow, share: OnDevice) -> str:
    part = f" {percent(share.compute, row.compute)}" if row.compute else ""
    return f"{', '.join(share.pods) or share.claim + ' (no pod)'}{part}"
