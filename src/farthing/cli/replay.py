"""`farthing replay`: submit pods of a public trace to a cluster and tell what became of them."""

import asyncio
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from farthing.cli.leader import read_leader
from farthing.cli.look import look
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Cell, Column, bar, console, counted, percent, show_json, show_table
from farthing.cli.replaying import Fate, Replay, manifest
from farthing.cli.tracefile import path_of
from farthing.cli.traces import Traces
from farthing.files.pods import TracePod, read_pods
from farthing.kube.connection import Connection
from farthing.model.errors import InvalidError, NotFoundError

DEFAULT_TRACE: Final = "openb_pod_list_default.csv"


@dataclass(frozen=True)
class WaitingFor:
    """Pods of the replay that wait for one reason."""

    reason: str
    pods: int


@dataclass(frozen=True)
class Report:
    """What became of the pods. `found` of them were there before; `open` had neither a node nor a reason in the end.

    `gpu_milli_bound` is what the bound pods hold, in thousandths of a device, of `gpu_milli_capacity`.
    Seconds are by this machine's clock; latencies are from the answer to the creation until the node was seen, of the
    pods that this run created, and None where there are none.
    """

    trace: str
    namespace: str
    pods: int
    created: int
    found: int
    bound: int
    waiting: tuple[WaitingFor, ...]
    open: int
    gpu_milli_asked: int
    gpu_milli_bound: int
    gpu_milli_capacity: int
    allocation_percent: float
    seconds: float
    pods_per_second: float
    latency_p50_seconds: float | None
    latency_p99_seconds: float | None


def replay(
    pods: Annotated[int, typer.Option("--pods", "-p", min=1, help="How many pods to submit.")],
    trace: Annotated[str, typer.Option("--trace", help="File of the trace: its name, or a path.")] = DEFAULT_TRACE,
    start: Annotated[int, typer.Option("--start", min=0, help="Leave out the first so many pods.")] = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Pods per second; 0: as fast as they are taken.")] = 0,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where to submit them; made if needed.")
    ] = "replay",
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to follow them at most.")] = 600,
    traces: Traces = None,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.table,
) -> None:
    """Submit pods of a public trace, follow them until each is bound or told why not, and report.

    Pods keep their names: running it again submits only what is not there yet, and follows all.

    The exit status is 1 where pods had neither a node nor a reason in the end.

    \b
    farthing replay --pods 300
    farthing replay --pods 3000 --trace openb_pod_list_gpuspec33.csv --rate 50
    farthing replay --pods 300 --start 300 -o json | jq .allocation_percent
    """
    path = path_of(trace, traces)
    chosen = list(itertools.islice(read_pods(path), start, start + pods))
    if not chosen:
        raise InvalidError("--start", f"{path} has no more than {start} pods")
    report = asyncio.run(_replay(kubeconfig, context, path.name, chosen, namespace, rate, timeout))
    if output is Format.json:
        show_json(report)
    else:
        _show(console(), report)
    if report.open:
        raise typer.Exit(1)


async def _replay(
    kubeconfig: Path | None,
    context: str,
    trace: str,
    chosen: list[TracePod],
    namespace: str,
    rate: float,
    timeout: float,  # noqa: ASYNC109 -- pods that are not decided by then are reported, not abandoned
) -> Report:
    async with connect(kubeconfig, context) as connection:
        devices = await _devices(connection)
        running = Replay(connection, namespace, [manifest(pod, namespace, trace) for pod in chosen], rate)
        with _progress() as bars:
            task = bars.add_task("bound or told why not", total=len(chosen))
            await running.run(timeout, lambda done: bars.update(task, completed=done))
        return report_of(trace, namespace, chosen, running.fates, devices)


async def _devices(connection: Connection) -> int:
    """How many devices the cluster has; an error where nobody would act on the pods."""
    seen = await look(connection)
    leader = await read_leader(connection, seen.at)
    if not seen.world.fleet.devices:
        raise NotFoundError("no device is published that Farthing plans, so pods would wait for ever: farthing status")
    if not leader.leads:
        raise NotFoundError(f"nobody would place the pods: {leader.sentence}")
    return len(seen.world.fleet.devices)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def report_of(trace: str, namespace: str, chosen: list[TracePod], fates: dict[str, Fate], devices: int) -> Report:
    """What became of the pods, in numbers."""
    bound = [pod for pod in chosen if fates[pod.name].bound]
    reasons = Counter(fate.reason for fate in fates.values() if not fate.bound and fate.reason)
    created = [fate for fate in fates.values() if fate.created is not None]
    latencies = sorted(f.bound_at - f.created for f in created if f.created is not None and f.bound_at is not None)
    ends = [fate.bound_at for fate in created if fate.bound_at is not None]
    seconds = max(ends) - min(f.created for f in created if f.created is not None) if ends else 0.0
    held = sum(pod.total_milli for pod in bound)
    return Report(
        trace=trace,
        namespace=namespace,
        pods=len(chosen),
        created=len(created),
        found=len(chosen) - len(created),
        bound=len(bound),
        waiting=tuple(
            WaitingFor(reason, count) for reason, count in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))
        ),
        open=sum(1 for fate in fates.values() if not fate.bound and not fate.reason),
        gpu_milli_asked=sum(pod.total_milli for pod in chosen),
        gpu_milli_bound=held,
        gpu_milli_capacity=devices * 1000,
        allocation_percent=round(held / (devices * 10), 2) if devices else 0.0,
        seconds=round(seconds, 3),
        pods_per_second=round(len(latencies) / seconds, 1) if seconds else 0.0,
        latency_p50_seconds=_percentile(latencies, 50),
        latency_p99_seconds=_percentile(latencies, 99),
    )


def _percentile(ordered: list[float], percentage: int) -> float | None:
    """The nearest-rank percentile of sorted numbers."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(percentage / 100 * len(ordered)) - 1)], 3)


# For people -------------------------------------------------------------------------------------------------------


def _show(out: Console, found: Report) -> None:
    there = f", {found.found:,} were there before" if found.found else ""
    out.print(f"{counted(found.pods, 'pod')} of {found.trace} in namespace {found.namespace}{there}\n")
    rows: list[tuple[Cell, ...]] = [(Text("bound", "green"), f"{found.bound:,}", percent(found.bound, found.pods))]
    rows += [(f"waits: {w.reason}", f"{w.pods:,}", percent(w.pods, found.pods)) for w in found.waiting]
    if found.open:
        undecided = Text("undecided when time was up", "red")
        rows.append((undecided, f"{found.open:,}", percent(found.open, found.pods)))
    show_table(out, (Column("outcome"), Column("pods", right=True), Column("of all", right=True)), rows)
    out.print()
    show_table(out, (Column(""), Column("")), _numbers(out, found), head=False)
    out.print(f"\nTo clear them away: kubectl delete namespace {found.namespace}", style="dim")


def _numbers(out: Console, found: Report) -> list[tuple[Cell, Cell]]:
    held, asked, has = (
        f"{milli / 1000:,.1f}" for milli in (found.gpu_milli_bound, found.gpu_milli_asked, found.gpu_milli_capacity)
    )
    use = bar(out, found.gpu_milli_bound, found.gpu_milli_capacity, 20)
    rows: list[tuple[Cell, Cell]] = [
        ("GPU held", Text.assemble(use, f"  {held} of {has} devices; {asked} were asked for"))
    ]
    if found.latency_p50_seconds is not None:
        p50, p99 = found.latency_p50_seconds, found.latency_p99_seconds or 0.0
        rows.append(("throughput", f"{found.pods_per_second:,} pods bound per second, over {found.seconds:.1f} s"))
        rows.append(("created to bound", f"p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms"))
    return rows
