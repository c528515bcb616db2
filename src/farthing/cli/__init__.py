"""The command line: Typer for what is typed, Rich for what is shown.

Each command has a module of its own, makes frozen values, and shows them as a table or as JSON (`render`). Commands
that only read take one look at the cluster (`look`) and ask the same brain as the spoke (`judgement`).
Never here: decisions of their own. Start with `status.py`.
"""

import typer

from farthing.cli import ledger, serve, traces
from farthing.cli.budgets import budgets
from farthing.cli.can_i import can_i
from farthing.cli.cost import cost
from farthing.cli.devices import devices
from farthing.cli.explain import explain
from farthing.cli.export import export
from farthing.cli.install import install, uninstall
from farthing.cli.migrate import migrate
from farthing.cli.node import node
from farthing.cli.repack import repack
from farthing.cli.replay import replay
from farthing.cli.simulate import simulate
from farthing.cli.spoke import spoke
from farthing.cli.statement import statement
from farthing.cli.status import status
from farthing.cli.teams import teams
from farthing.cli.top import top
from farthing.cli.up import down, up
from farthing.cli.whatif import what_if_command
from farthing.node.mps_host import mps_host

app = typer.Typer(
    help="The GPUs of many clusters as one shared, fractional, governed pool.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_FOR_PEOPLE = (up, down, install, uninstall, status, top, teams, explain, devices, repack, cost, budgets, statement)
_FOR_EXPERTS = (simulate, export, replay, migrate, spoke, node)
for command in (*_FOR_PEOPLE, *_FOR_EXPERTS):
    app.command()(command)
app.command("what-if")(what_if_command)
app.command("can-i")(can_i)
app.command("mps-host")(mps_host)
app.add_typer(ledger.app, name="ledger")
app.add_typer(serve.app, name="serve")
app.add_typer(traces.app, name="traces")
