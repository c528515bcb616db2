"""`farthing repack`: what could be moved so that those who wait get devices; and, told so, moving it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.leader import read_leader
from farthing.cli.look import Look, look
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Column, console, counted, several, show_json, show_table
from farthing.decide.movable import may_move
from farthing.decide.moves import Budget, Proposal
from farthing.decide.repack import USUAL, Repack
from farthing.decide.repack import repack as find_moves
from farthing.kube.connection import Connection, Json
from farthing.kube.evicting import Outcome, carry_out
from farthing.model.cluster import Owner
from farthing.model.errors import InvalidError, NotFoundError, UnsupportedError
from farthing.state.residents import Resident, residents


@dataclass(frozen=True)
class MoveRow:
    """A pod that would be restarted elsewhere. `lost_gpu_seconds` is work to be done again, at most."""

    pod: str
    team: str
    gpu_milli: int
    node: str
    devices: tuple[str, ...]
    to_node: str
    to_devices: tuple[str, ...]
    lost_gpu_seconds: int


@dataclass(frozen=True)
class ProposalRow:
    """Moves that let one waiting pod start. `gpu_milli` is what starts; the cost is restarts and lost work."""

    pod: str
    team: str
    gpu_milli: int
    node: str
    devices: tuple[str, ...]
    lost_gpu_seconds: int
    moves: tuple[MoveRow, ...]


@dataclass(frozen=True)
class RepackReport:
    """What could be done, and with `--yes` what became of it.

    `stuck` pods wait for room, `movable` pods may be moved. `outcomes` is null where nothing was to be done.
    """

    proposals: tuple[ProposalRow, ...]
    stuck: int
    movable: int
    outcomes: tuple[Outcome, ...] | None = None


def repack(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out: evict the pods that move.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what could be done (default).")] = False,
    moves: Annotated[int, typer.Option("--max-moves", min=1, help="Restart at most so many pods.")] = USUAL.moves,
    lost: Annotated[
        float, typer.Option("--max-lost", min=0, help="Throw away at most so many GPU-hours of work.")
    ] = USUAL.lost_gpu_seconds / 3600,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.table,
) -> None:
    """Free whole devices and nodes for pods that wait, by restarting pods elsewhere that allow it.

    Only pods with farthing.dev/move: allowed move, by eviction, within their PodDisruptionBudgets, and only where each
    has another place beforehand. The exit status is 1 where something was to be done and not all of it was.

    \b
    farthing repack
    farthing repack --max-moves 4 --max-lost 0.5
    farthing repack --yes
    farthing repack -o json | jq '.proposals[] | {pod, gpu_milli, restarts: (.moves | length)}'
    """
    if yes and dry_run:
        raise InvalidError("--yes", "and --dry-run exclude each other; leave one out")
    budget = Budget(moves, round(lost * 3600))
    with Console(stderr=True).status("looking") as status:
        report = asyncio.run(_repack(kubeconfig, context, budget, yes, status.update))
    if output is Format.json:
        show_json(report)
    else:
        _show(console(), report)
    if any(not outcome.placed for outcome in report.outcomes or ()):
        raise typer.Exit(1)


async def _repack(
    kubeconfig: Path | None, context: str, budget: Budget, yes: bool, say: Callable[[str], None]
) -> RepackReport:
    async with connect(kubeconfig, context) as connection:
        found, at = await _find(connection, budget)
        report = RepackReport(tuple(map(_row, found.proposals)), found.stuck, found.movable)
        if not yes:
            return report
        leader = await read_leader(connection, at)
        if not leader.leads:
            raise UnsupportedError(f"nobody would place the replacements: {leader.sentence}")
        return replace(report, outcomes=await _carry_out(connection, found, budget, say))


async def _find(connection: Connection, budget: Budget) -> tuple[Repack, float]:
    """The moves, and the instant of the look that they were found by."""
    seen = await look(connection)
    return find_moves(seen.snapshot(), await _who_survives(connection, seen), budget), seen.at


async def _carry_out(
    connection: Connection, found: Repack, budget: Budget, say: Callable[[str], None]
) -> tuple[Outcome, ...]:
    """One proposal after the other, each looked for anew: only what was shown, and still holds, is done."""
    shown = {move.pod.uid for one in found.proposals for move in one.moves}
    outcomes: list[Outcome] = []
    for wanted in found.proposals:
        again, _ = await _find(connection, budget)
        fresh = {one.pod.uid: one for one in again.proposals}
        proposal = fresh.get(wanted.pod.uid)
        if proposal is None or not shown.issuperset(move.pod.uid for move in proposal.moves):
            sentence = "the cluster has changed, and these moves no longer do; look again"
            outcomes.append(Outcome(str(wanted.pod.key), placed=False, sentence=sentence))
            continue
        outcomes.append(await carry_out(connection, proposal, say))
    return tuple(outcomes)


# Whose controller makes another -----------------------------------------------------------------------------------


async def _who_survives(connection: Connection, seen: Look) -> tuple[Resident, ...]:
    """The residents, without pods of Jobs that would rather fail than make another."""
    everybody = residents(seen.world)
    jobs = {(r.pod.key.namespace, r.pod.owner) for r in everybody if may_move(r) and _is_job(r.pod.owner)}
    lasting = {owner for namespace, owner in jobs if owner and await _survives(connection, namespace, owner)}
    return tuple(r for r in everybody if not _is_job(r.pod.owner) or r.pod.owner in lasting)


def _is_job(owner: Owner | None) -> bool:
    return owner is not None and owner.kind == "Job"


async def _survives(connection: Connection, namespace: str, owner: Owner) -> bool:
    """Whether a Job makes another pod for one that is evicted: it ignores disruptions, or may fail once more."""
    try:
        job = await connection.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/{owner.name}")
    except NotFoundError:
        return False
    return ignores_disruptions(job) or int(job["spec"].get("backoffLimit", 6)) > int(job["status"].get("failed", 0))


def ignores_disruptions(job: Json) -> bool:
    """Whether a Job's podFailurePolicy has evicted pods not count as failed."""
    rules = job["spec"].get("podFailurePolicy", {}).get("rules", ())
    first = next((rule for rule in rules if _speaks_of_disruptions(rule)), None)
    return first is not None and first["action"] == "Ignore"


def _speaks_of_disruptions(rule: Json) -> bool:
    return any(on["type"] == "DisruptionTarget" for on in rule.get("onPodConditions") or ())


# Rows -------------------------------------------------------------------------------------------------------------


def _row(one: Proposal) -> ProposalRow:
    return ProposalRow(
        pod=str(one.pod.key),
        team=one.team,
        gpu_milli=one.gpu_milli,
        node=one.node,
        devices=tuple(device.name for device in one.devices),
        lost_gpu_seconds=one.lost_gpu_seconds,
        moves=tuple(
            MoveRow(
                pod=str(move.pod.key),
                team=move.team,
                gpu_milli=move.gpu_milli,
                node=move.pod.node,
                devices=tuple(device.name for device in move.devices),
                to_node=move.to_node,
                to_devices=tuple(device.name for device in move.to_devices),
                lost_gpu_seconds=move.lost_gpu_seconds,
            )
            for move in one.moves
        ),
    )


def _show(out: Console, found: RepackReport) -> None:
    if not found.proposals:
        out.print(_nothing(found), markup=False)
        return
    starts = (
        Column("starts"),
        Column("gpus", right=True),
        Column("on"),
        Column("restarts", right=True),
        Column("loses", right=True),
    )
    rows = (
        (
            one.pod,
            _gpus(one.gpu_milli),
            f"{one.node}: {several(one.devices, 8)}",
            str(len(one.moves)),
            _lost(one.lost_gpu_seconds),
        )
        for one in found.proposals
    )
    show_table(out, starts, rows)
    out.print()
    columns = (
        Column("moves"),
        Column("gpus", right=True),
        Column("from"),
        Column("to"),
        Column("loses", right=True),
        Column("team", from_width=100),
    )
    show_table(
        out,
        columns,
        (
            (
                m.pod,
                _gpus(m.gpu_milli),
                f"{m.node}: {several(m.devices, 8)}",
                f"{m.to_node}: {several(m.to_devices, 8)}",
                _lost(m.lost_gpu_seconds),
                m.team,
            )
            for one in found.proposals
            for m in one.moves
        ),
    )
    if found.outcomes is None:
        out.print("\nNothing was done. To carry it out: farthing repack --yes", style="dim")
    for outcome in found.outcomes or ():
        _show_outcome(out, outcome)


def _nothing(found: RepackReport) -> str:
    if not found.stuck:
        return "No pod waits for room."
    return (
        f"{counted(found.stuck, 'pod')} wait for room, and no moves within the budget would make it: "
        f"{counted(found.movable, 'pod')} may be moved (farthing.dev/move: allowed)."
    )


def _show_outcome(out: Console, outcome: Outcome) -> None:
    out.print()
    if outcome.placed:
        out.print(Text.assemble((outcome.pod, "bold"), (f" was placed on {outcome.node}", "green")))
    else:
        out.print(Text.assemble((outcome.pod, "bold"), (" was not placed: ", "red"), outcome.sentence))
    for moved in outcome.moved:
        said = f"runs again as {moved.replacement} on {moved.node}" if moved.node else moved.sentence
        out.print(f"  {moved.pod} {said}", markup=False)


def _gpus(milli: int) -> str:
    return f"{milli / 1000:g}"


def _lost(seconds: int) -> str:
    return f"{seconds / 3600:.1f} GPU-h" if seconds else "-"
