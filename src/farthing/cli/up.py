"""`farthing up` and `farthing down`: a real Kubernetes with simulated GPUs on this machine, and nothing of it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from farthing.cli.install import install_into
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, show_json, show_table
from farthing.cli.running import Row, settled_rows
from farthing.cli.submit import Submitted, manifests_in, submit
from farthing.kube.connection import Connection
from farthing.local.binaries import obtain
from farthing.local.machine import Machine, machines
from farthing.local.publish import publish

_SETTLE_SECONDS = 60.0

Workloads = list[tuple[Path, dict[str, Any]]]

Name = Annotated[str, typer.Option("--name", help="Name of the cluster; several may run side by side.")]


@dataclass(frozen=True)
class Report:
    """What is up, and what became of the manifests that were submitted."""

    name: str
    kubeconfig: str
    submitted: tuple[Submitted, ...]
    pods: tuple[Row, ...]


def up(
    name: Name = "local",
    fleet: Annotated[
        Path | None,
        typer.Option(
            "--fleet",
            help="Fleet file (YAML), or an openb node list (.csv), to simulate; remembered. What is there stays.",
        ),
    ] = None,
    programs: Annotated[
        Path | None, typer.Option("--bin", help="Folder with etcd, kube-apiserver, ... Default: $FARTHING_BIN.")
    ] = None,
    demo: Annotated[
        Path | None, typer.Option("--demo", help="Submit the manifests of this folder and show what became of them.")
    ] = None,
    output: Output = Format.table,
) -> None:
    """Start a real Kubernetes on this machine, with simulated GPUs and Farthing in it. Safe to run again.

    The first time, the control plane is downloaded, or built in about 6 minutes where there is no internet.

    \b
    farthing up
    farthing up --fleet my-fleet.yaml
    farthing up --demo examples
    """
    manifests = Machine.named(name, Path()).fleet(fleet)
    workloads = manifests_in(demo) if demo else []
    machine = Machine.named(name, _obtained(programs))
    with _steps() as step, machine.alone(lambda: step(f"waiting for another farthing that starts or stops {name}")):
        step("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler, KWOK")
        machine.plane.start()
        if fleet:
            machine.keep_fleet(fleet)
        submitted, rows = asyncio.run(_fill(machine, manifests, workloads, step))
    if output is Format.json:
        show_json(Report(name, str(machine.plane.kubeconfig), tuple(submitted), tuple(rows)))
        return
    _show(machine, submitted, rows)


def down(
    name: Name = "local",
    all_: Annotated[bool, typer.Option("--all", help="Every cluster that `farthing up` started.")] = False,
) -> None:
    """Stop a cluster of `farthing up` and remove everything it left.

    \b
    farthing down
    farthing down --all
    """
    there = machines()
    chosen = there if all_ else tuple(found for found in there if found == name)
    if not chosen:
        typer.echo(f"No cluster named {name} is here." if not all_ else "No cluster is here.")
        return
    for found in chosen:
        _remove(Machine.named(found, Path()))
        typer.echo(f"{found} is stopped and removed.")


def _remove(machine: Machine) -> None:
    with _steps() as step, machine.alone(lambda: step(f"waiting for another farthing that uses {machine.name}")):
        step(f"stopping {machine.name}")
        machine.remove()


def _obtained(programs: Path | None) -> Path:
    """The control plane's programs, with a bar where getting them takes long."""
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = None

        def progress(what: str, done: int, total: int) -> None:
            nonlocal task
            if task is None:
                bars.console.print(
                    "Getting Kubernetes' own programs, this once: a download, or where there is no internet a build "
                    f"of about {round(total / 60)} minutes on 2 cores."
                )
                task = bars.add_task("", total=total)
            bars.update(task, description=what, completed=done)

        return obtain(programs, progress)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A line that says what is being done just now, on standard error."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as line:
        task = line.add_task("")
        yield lambda what: line.update(task, description=what)


async def _fill(
    machine: Machine, manifests: list[dict[str, Any]], workloads: Workloads, step: Callable[[str], None]
) -> tuple[list[Submitted], list[Row]]:
    """Farthing, the fleet, the spoke and the demo."""
    async with Connection.from_kubeconfig(machine.plane.kubeconfig) as connection:
        step("installing Farthing")
        await install_into(connection, [])
        await publish(
            connection, manifests, lambda done, total: step(f"publishing simulated nodes and GPUs {done}/{total}")
        )
        step("starting the spoke")
        await machine.start_spoke(connection)
        if not workloads:
            return [], []
        step("submitting workloads")
        submitted = await submit(connection, workloads)
        step("waiting until every workload runs or says why it waits")
        return submitted, await settled_rows(connection, time.monotonic() + _SETTLE_SECONDS, time.monotonic)


def _show(machine: Machine, submitted: list[Submitted], rows: list[Row]) -> None:
    out = console()
    if rows:
        columns = (
            Column("POD"),
            Column("ASK"),
            Column("STATE"),
            Column("NODE"),
            Column("DEVICES"),
            Column("WHY", from_width=100),
        )
        show_table(out, columns, [(row.pod, row.ask, row.state, row.node, row.devices, row.why) for row in rows])
    for refused in (found for found in submitted if found.refusal):
        out.print(f"\nrefused: {refused.kind} {refused.name}: {refused.refusal}", style="yellow", markup=False)
    out.print(f"\nKubernetes with simulated GPUs runs here: export KUBECONFIG={machine.plane.kubeconfig}")
    out.print("Try: farthing status, farthing top, farthing explain pod/NAME; stop it with: farthing down")
