"""The composition root: what the command `farthing` runs."""

import sys

from rich.console import Console
from rich.text import Text

from farthing.cli import app
from farthing.model.errors import FarthingError


def main() -> None:
    """Run a command; an error is one sentence on standard error and exit status 1."""
    try:
        app()
    except FarthingError as error:
        Console(stderr=True, soft_wrap=True).print(Text(str(error), "red"))
        sys.exit(1)
