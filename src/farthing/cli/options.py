"""What all commands have in common: which cluster they speak to, and how they answer.

A cluster is found in this order: `--kubeconfig`, `$KUBECONFIG`, the embedded cluster of `farthing up` where exactly one
is there, `~/.kube/config`, the service account of the pod that we run in.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from farthing.kube.connection import Connection
from farthing.local.paths import home
from farthing.model.errors import InvalidError

Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig", help="Kubeconfig file; default: $KUBECONFIG, the cluster of `farthing up`, ~/.kube/config."
    ),
]
Context = Annotated[str, typer.Option("--context", help="Context in the kubeconfig; default: the current one.")]


class Format(StrEnum):
    """How to answer."""

    table = "table"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="table for people, json for programs.")]


def find_kubeconfig(named: Path | None) -> Path | None:
    """The kubeconfig to use; None leaves the choice to `load_credentials`."""
    if named is not None or os.environ.get("KUBECONFIG"):
        return named
    embedded = sorted(home().glob("*/kubeconfig"))
    if len(embedded) > 1:
        names = ", ".join(str(path) for path in embedded)
        raise InvalidError("--kubeconfig", f"several local clusters are there; name one of {names}")
    return embedded[0] if embedded else None


def connect(kubeconfig: Path | None, context: str) -> Connection:
    """A connection to the cluster that the options mean. Must be called inside a running event loop."""
    return Connection.from_kubeconfig(find_kubeconfig(kubeconfig), context)
