"""`python -m farthing.node`: a driver's pod loads nothing but the driver, which saves it a quarter of its memory."""

import sys

import typer

from farthing.model.errors import FarthingError
from farthing.node.command import node

if __name__ == "__main__":
    try:
        typer.run(node)
    except FarthingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
