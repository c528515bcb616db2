"""`farthing export`: the state of a cluster as a file, to be looked at and thought about elsewhere."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.options import Context, Kubeconfig
from farthing.cli.render import counted
from farthing.cli.sources import live
from farthing.model.cluster import Node, Pod
from farthing.model.errors import PermanentError
from farthing.sim.export import write


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; - for standard output.")],
    kubeconfig: Kubeconfig = None,
    context: Context = "",
) -> None:
    """Write everything that decisions look at into a file (JSON).

    Names, sizes, labels of nodes, claims and pods are in it; environments, images, commands and secrets are not.

    \b
    farthing export cluster.json
    farthing export - | jq '.pods | length'
    farthing what-if --from cluster.json --add-nodes 4xH100x8
    """
    source = asyncio.run(live(kubeconfig, context))
    content = write(source.world, source.at)
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise PermanentError(f"{file} cannot be written: {error.strerror}") from error
    nodes, pods = sum(1 for _ in source.world.all(Node)), sum(1 for _ in source.world.all(Pod))
    Console(stderr=True).print(Text(f"{file}: {counted(nodes, 'node')}, {counted(pods, 'pod')}"))
