"""The command line: Typer for what is typed, Rich for what is shown.

Each command has a module of its own, makes frozen values, and shows them as a table or as JSON (`render`). Commands
that only read take one look at the cluster (`look`) and ask the same brain as the spoke (`judgement`).
Never here: decisions of their own. Start with `status.py`.
"""

import typer

from farthing.cli import traces
from farthing.cli.devices import devices
from farthing.cli.explain import explain
from farthing.cli.install import install, uninstall
from farthing.cli.replay import replay
from farthing.cli.simulate import simulate
from farthing.cli.spoke import spoke
from farthing.cli.status import status
from farthing.cli.top import top
from farthing.cli.up import down, up

app = typer.Typer(
    help="The GPUs of many clusters as one shared, fractional, governed pool.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (up, down, install, uninstall, status, top, explain, devices, spoke, replay, simulate):
    app.command()(command)
app.add_typer(traces.app, name="traces")
