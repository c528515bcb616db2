"""`farthing install` and `farthing uninstall`.

The one puts into a cluster what `farthing.api` prints and waits until it is in force; the other takes it out and says
what that means for whoever waits or runs.
"""

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from farthing.api.manifests import DRIVERS, manifests, printed
from farthing.api.names import MANAGED
from farthing.cli.applying import Step, apply_all, policies_in_force
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Column, console, counted, show_json, show_table
from farthing.cli.requirements import check_server
from farthing.cli.uninstalling import Survey, remove, survey
from farthing.kube.connection import Connection
from farthing.model.errors import NotFoundError, PermanentError

_PROFILES: Final = "/apis/farthing.dev/v1/driverprofiles"
_SLICES: Final = "/apis/resource.k8s.io/v1/resourceslices"
_COLUMNS: Final = (Column("KIND"), Column("NAME"), Column("OUTCOME"))


class InstallFormat(StrEnum):
    """How `install` answers; yaml is what `--print` is for."""

    table = "table"
    yaml = "yaml"
    json = "json"


def install(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    driver: Annotated[
        list[str] | None,
        typer.Option(
            "--driver", help=f"DRA driver whose devices Farthing takes over; repeatable. Default: {', '.join(DRIVERS)}."
        ),
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print what would be applied, and apply nothing.")
    ] = False,
    output: Annotated[
        InstallFormat,
        typer.Option("--output", "-o", help="table for people, json for programs; yaml or json with --print."),
    ] = InstallFormat.table,
) -> None:
    """Put Farthing's types, rights and policies into a cluster. Safe to run again."""
    if only_print:
        sys.stdout.write(_as_text(driver or list(DRIVERS), output))
        return
    asyncio.run(_install(kubeconfig, context, driver or [], output))


def uninstall(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    force: Annotated[bool, typer.Option("--force", help="Go on although pods wait or devices are in use.")] = False,
    output: Output = Format.table,
) -> None:
    """Take Farthing out of a cluster. Says first what that means for pods that wait or run."""
    asyncio.run(_uninstall(kubeconfig, context, force, output))


async def install_into(connection: Connection, drivers: list[str]) -> list[Step]:
    """Apply everything and wait until it is in force. Drivers that are managed already stay managed."""
    managed = sorted({*await _drivers(connection, _PROFILES), *drivers}) or list(DRIVERS)
    steps = await apply_all(connection, manifests(managed))
    await policies_in_force(connection)
    return steps


async def _install(kubeconfig: Path | None, context: str, drivers: list[str], output: InstallFormat) -> None:
    async with connect(kubeconfig, context) as connection:
        version = await check_server(connection)
        _show(await install_into(connection, drivers), as_json=output is not InstallFormat.table)
        if output is not InstallFormat.table:
            return
        out = console()
        out.print(f"Farthing is installed in Kubernetes {version}, and its policies are in force.")
        for name in sorted(await _drivers(connection, _SLICES) - await _drivers(connection, _PROFILES)):
            out.print(
                f"Devices of {name} stay with kube-scheduler; `farthing install --driver {name}` takes them over."
            )
        out.print(f"Namespaces whose unchanged manifests shall be planned need the label {MANAGED}=true.")


async def _drivers(connection: Connection, path: str) -> set[str]:
    """The drivers that profiles, or slices, name."""
    try:
        found, _ = await connection.list_all(path)
    except NotFoundError:
        return set()
    return {item["spec"]["driver"] for item in found}


async def _uninstall(kubeconfig: Path | None, context: str, force: bool, output: Format) -> None:
    async with connect(kubeconfig, context) as connection:
        seen = await survey(connection)
        if seen.concerned and not force:
            raise PermanentError(f"{consequences(seen)}\nNothing was changed; `farthing uninstall --force` goes on")
        if seen.concerned:
            sys.stderr.write(f"{consequences(seen)}\n")
        _show(await remove(connection), as_json=output is Format.json)


def consequences(seen: Survey) -> str:
    """What uninstalling means for those who wait and those who run, in sentences."""
    lines: list[str] = []
    if seen.waiting:
        lines.append(
            f"Waiting for Farthing: {counted(len(seen.waiting), 'pod')}. Their gate will be opened, but they stay "
            "Pending: their claims name a device class that will be gone. Delete them, and mind that without Farthing "
            "the annotation has no effect: what their workloads create then starts without a GPU."
        )
        lines += [f"  {name}" for name in seen.waiting]
    if seen.holding:
        lines.append(
            f"Holding devices: {counted(len(seen.holding), 'claim')}. Their pods keep running, and "
            "kube-controller-manager takes the devices back when they end."
        )
        lines += [f"  {name}" for name in seen.holding]
    if seen.teams:
        lines.append(
            f"Written by people: {counted(len(seen.teams), 'Team')}. They are deleted with their type; "
            "`kubectl get teams -o yaml` keeps a copy."
        )
        lines += [f"  {name}" for name in seen.teams]
    return "\n".join(lines)


def _as_text(drivers: list[str], output: InstallFormat) -> str:
    if output is InstallFormat.json:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests(drivers)}, indent=2) + "\n"
    return "---\n".join(printed(drivers).values())


def _show(steps: list[Step], *, as_json: bool) -> None:
    if as_json:
        show_json(steps)
    else:
        show_table(console(), _COLUMNS, [(step.kind, step.name, step.outcome) for step in steps])
