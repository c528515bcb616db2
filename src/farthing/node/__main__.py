"""`python -m farthing.node`: a driver's pod loads nothing but the driver, which saves it a quarter of its memory."""

from farthing.node.command import node
from farthing.node.program import run_alone

if __name__ == "__main__":
    run_alone(node)
