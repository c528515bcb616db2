"""`farthing install` and `farthing uninstall`.

The one puts into a cluster what `farthing.api` prints and waits until it is in force; the other takes it out and says
what that means for whoever waits or runs.
"""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from farthing.api.manifests import DRIVERS, manifests, printed
from farthing.api.names import MANAGED
from farthing.cli.applying import Step, apply_all, policies_in_force
from farthing.cli.requirements import check_server
from farthing.cli.uninstalling import Survey, remove, survey
from farthing.kube.connection import Connection
from farthing.model.errors import NotFoundError, PermanentError

Kubeconfig = Annotated[Path | None, typer.Option(help="Kubeconfig file; default: $KUBECONFIG, else ~/.kube/config.")]
Context = Annotated[str, typer.Option(help="Context in the kubeconfig; default: the current one.")]

_PROFILES: Final = "/apis/farthing.dev/v1/driverprofiles"
_SLICES: Final = "/apis/resource.k8s.io/v1/resourceslices"


class Format(StrEnum):
    """How to answer."""

    table = "table"
    yaml = "yaml"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="table, yaml or json.")]


def install(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    driver: Annotated[
        list[str] | None,
        typer.Option(help=f"Take over the devices of this DRA driver; may be repeated. Default: {', '.join(DRIVERS)}."),
    ] = None,
    print_: Annotated[bool, typer.Option("--print", help="Only print what would be applied.")] = False,
    output: Output = Format.table,
) -> None:
    """Put Farthing's types, rights and policies into a cluster. Safe to run again."""
    if print_:
        typer.echo(_as_text(driver or list(DRIVERS), output), nl=False)
        return
    steps, version, unmanaged = asyncio.run(_install(kubeconfig, context, driver or []))
    _show(steps, output)
    if output is Format.table:
        typer.echo(f"Farthing is installed in Kubernetes {version}, and its policies are in force.")
        for name in unmanaged:
            typer.echo(
                f"Devices of {name} stay with kube-scheduler; `farthing install --driver {name}` takes them over."
            )
        typer.echo(f"Namespaces whose unchanged manifests shall be planned need the label {MANAGED}=true.")


def uninstall(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    force: Annotated[bool, typer.Option(help="Go on although pods wait or devices are in use.")] = False,
    output: Output = Format.table,
) -> None:
    """Take Farthing out of a cluster. Says what would be stranded, and asks for --force where something would."""
    steps = asyncio.run(_uninstall(kubeconfig, context, force))
    _show(steps, output)


async def install_into(connection: Connection, drivers: list[str]) -> list[Step]:
    """Apply everything and wait until it is in force. Drivers managed already stay managed."""
    managed = sorted({*await _drivers(connection, _PROFILES), *drivers}) or list(DRIVERS)
    steps = await apply_all(connection, manifests(managed))
    await policies_in_force(connection)
    return steps


async def _install(kubeconfig: Path | None, context: str, drivers: list[str]) -> tuple[list[Step], str, list[str]]:
    async with Connection.from_kubeconfig(kubeconfig, context) as connection:
        version = await check_server(connection)
        steps = await install_into(connection, drivers)
        published = await _drivers(connection, _SLICES)
        return steps, version, sorted(published - await _drivers(connection, _PROFILES))


async def _drivers(connection: Connection, path: str) -> set[str]:
    """The drivers that profiles, or slices, name."""
    try:
        found, _ = await connection.list_all(path)
    except NotFoundError:
        return set()
    return {item["spec"]["driver"] for item in found}


async def _uninstall(kubeconfig: Path | None, context: str, force: bool) -> list[Step]:
    async with Connection.from_kubeconfig(kubeconfig, context) as connection:
        seen = await survey(connection)
        if seen.concerned and not force:
            raise PermanentError(f"{consequences(seen)}\nNothing was changed; `farthing uninstall --force` goes on.")
        if seen.concerned:
            typer.echo(consequences(seen), err=True)
        return await remove(connection)


def consequences(seen: Survey) -> str:
    """What uninstalling means for those who wait and those who run, in sentences."""
    lines: list[str] = []
    if seen.waiting:
        lines.append(
            f"{len(seen.waiting)} pods wait for Farthing. Their gate will be opened, but they stay Pending: their "
            "claims name a device class that will be gone. Delete them, and mind that without Farthing the annotation "
            "has no effect: what their workloads create then starts without a GPU."
        )
        lines += [f"  waits  {name}" for name in seen.waiting]
    if seen.holding:
        lines.append(
            f"{len(seen.holding)} claims hold devices. Their pods keep running, and kube-controller-manager takes the "
            "devices back when they end."
        )
        lines += [f"  holds  {name}" for name in seen.holding]
    return "\n".join(lines)


def _as_text(drivers: list[str], output: Format) -> str:
    if output is Format.json:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests(drivers)}, indent=2) + "\n"
    return "---\n".join(printed(drivers).values())


def _show(steps: list[Step], output: Format) -> None:
    rows: list[dict[str, Any]] = [step._asdict() for step in steps]
    if output is not Format.table:
        typer.echo(json.dumps(rows, indent=2))  # JSON is YAML, too
        return
    table = Table("object", "name", "outcome", box=None, pad_edge=False)
    for step in steps:
        table.add_row(*step)
    Console().print(table)
