"""`farthing node`: what `python -m farthing.node` is, too, which loads nothing of the other commands."""

import functools
from pathlib import Path
from typing import Any

from farthing.cli.options import find_kubeconfig
from farthing.node import command


@functools.wraps(command.node)
def node(*, kubeconfig: Path | None = None, **options: Any) -> None:
    """The driver; the embedded cluster is found, too."""
    command.node(kubeconfig=find_kubeconfig(kubeconfig), **options)
