"""`farthing simulate`: a fleet and a trace through the planner in virtual time, beside other policies."""

import csv
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, show_json, show_table
from farthing.cli.replay import DEFAULT_TRACE
from farthing.cli.scene import DEFAULT_FLEET, Scene, scene
from farthing.cli.traces import Traces
from farthing.decide.jit import are_kept, cache_folder
from farthing.decide.warm import use_compiled
from farthing.model.errors import InvalidError, PermanentError
from farthing.sim.engine import Setting, run
from farthing.sim.policies import POLICIES
from farthing.sim.report import write_html, write_png
from farthing.sim.results import Mode, Run

_MOST_SEEDS: Final = 1000


def simulate(
    file: Annotated[
        Path | None, typer.Option("--from", help="A file of `farthing export`: its fleet and the pods that came to it.")
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", help=f"Fleet file (YAML) or openb node list; else {DEFAULT_FLEET}.")
    ] = None,
    trace: Annotated[
        str | None, typer.Option("--trace", help=f"List of pods: a file of the trace or a path; else {DEFAULT_TRACE}.")
    ] = None,
    mode: Annotated[
        Mode, typer.Option("--mode", help="fill: until nothing fits. churn: at a load. replay.")
    ] = Mode.fill,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", "-p", help=f"One or more of {', '.join(POLICIES)}; or all.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed of chance.")] = 42,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=_MOST_SEEDS, help="So many seeds in a row.")] = 1,
    window: Annotated[int, typer.Option("--window", min=1, help="Place so many pods jointly, the largest first.")] = 1,
    load: Annotated[float, typer.Option("--load", min=0.01, max=10, help="churn: what is offered; 1: all GPUs.")] = 1.0,
    ratio: Annotated[float, typer.Option("--ratio", min=0.01, max=10, help="fill: what arrives, 1 = all GPUs.")] = 1.3,
    log: Annotated[Path | None, typer.Option("--log", help="Write each decision (CSV); one policy and seed.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with pictures, one file in all.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write the pictures as one image.")] = None,
    traces: Traces = None,
    output: Output = Format.table,
) -> None:
    """Let pods of a trace arrive at a fleet in virtual time; no Kubernetes is needed.

    In `fill`, pods arrive and none leaves, as in the paper on fragmentation gradient descent (FGD); in `churn` they
    come and go by chance; in `replay` when the trace says, and wait for their turn. Nodes stand in an order of chance,
    by the seed. Without --policy, Farthing's planner runs alone.

    An export has a fleet and pods of its own; --fleet or --trace beside it takes the place of the one or the other.

    \b
    farthing simulate
    farthing simulate --policy all --seeds 10 --html report.html
    farthing simulate --mode churn --load 0.95 -p Farthing -p FGD -p BestFit
    farthing simulate --fleet fleet.yaml --trace pods.csv --mode replay -o json
    farthing simulate --from cluster.json --mode replay
    farthing simulate --from cluster.json --fleet larger.yaml --mode replay
    """
    chosen = _policies(policy)
    if log is not None and len(chosen) * seeds > 1:
        raise InvalidError("--log", "is for one run; name one --policy and one --seed")
    found = scene(file, fleet, trace, traces)
    _compile()
    settings = [Setting(mode, number, window, load, ratio, log=log is not None) for number in range(seed, seed + seeds)]
    runs = list(_run(found, chosen, settings))
    if log is not None:
        _write_log(log, runs[0])
    if html is not None:
        write_html(runs, html)
    if png is not None:
        write_png(runs, png)
    if output is Format.json:
        show_json(runs)
    else:
        _show(console(), mode, runs)
    _note(found.notes)


def _compile() -> None:
    """Use compiled kernels. Where they cannot be had, numpy gives the same answers, slower."""
    err = Console(stderr=True)
    try:
        with err.status("loading compiled kernels; the first time this takes some 20 seconds"):
            use_compiled()
    except Exception as error:  # noqa: BLE001 -- a broken cache has many faces
        where = f"; they are kept in {cache_folder()}, which may be removed" if are_kept() else ""
        said = f"compiled kernels cannot be used ({type(error).__name__}: {error}){where}. This will be slower."
        err.print(said, style="yellow", markup=False)


def _policies(named: list[str] | None) -> list[str]:
    known = {name.lower(): name for name in POLICIES}
    if named and [name.lower() for name in named] == ["all"]:
        return list(POLICIES)
    wrong = [name for name in named or () if name.lower() not in known]
    if wrong:
        raise InvalidError(
            "--policy", f"there is no policy {wrong[0]!r}; expected all, or any of {', '.join(POLICIES)}"
        )
    return list(dict.fromkeys(known[name.lower()] for name in named or ("Farthing",)))


def _run(found: Scene, policies: Sequence[str], settings: Sequence[Setting]) -> Iterator[Run]:
    """All runs, one after the other, with a bar of progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=len(policies) * len(settings))
        for setting in settings:
            there = found.fleet(setting.seed)
            for policy in policies:
                progress.update(task, description=f"{policy}, seed {setting.seed}")
                yield run(there, found.pods, policy, setting, found.name, time.perf_counter)
                progress.advance(task)


def _write_log(path: Path, found: Run) -> None:
    """The decisions in the order of arrival; a pod without a place has no node."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("pod", "node", "gpus"))
            writer.writerows((pod, node, "+".join(map(str, gpus))) for pod, node, gpus in found.log)
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror}") from error


# Showing ----------------------------------------------------------------------------------------------------------


def _show(out: Console, mode: Mode, runs: list[Run]) -> None:
    first = runs[0]
    seeds = len({found.seed for found in runs})
    out.print(
        f"{first.trace} on {first.gpus_total:,} GPUs, {mode.value}, "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}{f', windows of {first.window}' if first.window > 1 else ''}\n"
    )
    columns = (
        Column("policy"),
        *((Column("at 100%", right=True),) if mode is Mode.fill else ()),
        Column("allocation", right=True),
        Column("fragmented", right=True, from_width=60),
        Column("turned away", right=True),
        *((Column("waited", right=True),) if mode is Mode.replay else ()),
        Column("decisions/s", right=True, from_width=80),
    )
    grouped = itertools.groupby(sorted(runs, key=lambda r: list(POLICIES).index(r.policy)), key=lambda r: r.policy)
    show_table(out, columns, (_row(mode, name, list(group)) for name, group in grouped))


def _note(notes: Sequence[str]) -> None:
    """What was not simulated, beside the answer."""
    for note in notes:
        Console(stderr=True).print(note, style="dim", markup=False)


def _row(mode: Mode, name: str, runs: list[Run]) -> list[str]:
    """One policy: means over its seeds, with the standard deviation of the allocation."""
    spread = f" ±{statistics.stdev(r.allocation for r in runs):.2f}" if len(runs) > 1 else ""
    return [
        name,
        *([_mean(r.curve.allocation[_at(r, 100)] for r in runs)] if mode is Mode.fill else []),
        _mean(r.allocation for r in runs) + spread,
        _mean(r.curve.fragmentation[-1] for r in runs),
        f"{statistics.fmean(r.rejected for r in runs):,.0f} ({_mean(r.rejected_gpus for r in runs)} of GPUs)",
        *([f"{statistics.fmean(r.waited for r in runs):,.0f} s"] if mode is Mode.replay else []),
        f"{sum(r.decisions for r in runs) / max(1e-9, sum(r.seconds for r in runs)):,.0f}",
    ]


def _at(found: Run, percent: int) -> int:
    """The point of a curve after so much has arrived, or its last."""
    return min(percent, len(found.curve.at) - 1)


def _mean(values: Iterator[float]) -> str:
    return f"{statistics.fmean(values):.2f}%"
