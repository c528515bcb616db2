"""Programs of a node's pods: each loads no more than it needs, not the whole command line."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from farthing.model.errors import FarthingError


def run_alone(command: Callable[..., Any]) -> None:
    """Run one command; an error is one sentence on standard error and exit status 1."""
    try:
        typer.run(command)
    except FarthingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
