"""Prints the reference of the commands from the commands: `python -m farthing.cli.reference FILE`.

A test compares the page with what would be printed. What `-o json` answers is described by the docstrings of the
dataclasses that the commands make.
"""

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import typer.main

from farthing.cli import app
from farthing.cli.cost import BooksRow, CostReport, CostRow
from farthing.cli.devices import DeviceRow, OnDevice
from farthing.cli.expected import Expected
from farthing.cli.explain import Excluded, Explanation, HeldShare
from farthing.cli.leader import Leader
from farthing.cli.repack import MoveRow, ProposalRow, RepackReport
from farthing.cli.replay import Report, WaitingFor
from farthing.cli.retire import RetirementRow
from farthing.cli.status import Status, WaitingRow, Wrong
from farthing.cli.top import PodRow, TeamRow
from farthing.cli.traces import Fetched, TraceRow
from farthing.cli.use import ModelRow, NodeRow, Use
from farthing.cli.whatif import Held, Side, WhatIfReport
from farthing.kube.evicting import Moved, Outcome
from farthing.ledger.statement import Statement, StatementLine, StatementPart

_HEAD: Final = """\
# Commands

% Printed by `make print` from farthing.cli; edits here are overwritten.

Every command has `--help`. Commands that answer take `-o json`; keys are stable, numbers are numbers, and units are in
the names. An error is one sentence on standard error, with exit status 1.
"""

_ANSWERS: Final[dict[str, tuple[type[Any], ...]]] = {
    "status": (Status, Leader, ModelRow, Use, WaitingRow, Wrong),
    "top": (NodeRow, ModelRow, TeamRow, PodRow, Use),
    "explain": (Explanation, Expected, Excluded, HeldShare),
    "devices": (DeviceRow, OnDevice),
    "cost": (CostReport, CostRow, BooksRow),
    "ledger retirements": (RetirementRow,),
    "statement": (Statement, StatementPart, StatementLine),
    "replay": (Report, WaitingFor),
    "repack": (RepackReport, ProposalRow, MoveRow, Outcome, Moved),
    "what-if": (WhatIfReport, Side, Held),
    "traces list": (TraceRow,),
    "traces fetch": (Fetched,),
}
"""What commands answer as JSON: the outermost first, or what the list holds."""


def reference() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_commands("", typer.main.get_command(app))]).rstrip() + "\n"


def _commands(path: str, command: Any) -> Iterator[str]:
    if inner_commands := getattr(command, "commands", None):
        for name, inner in inner_commands.items():
            yield from _commands(f"{path} {name}".strip(), inner)
        return
    yield f"## farthing {path}\n"
    yield from _help(command.help or "")
    yield "| option | says |\n|---|---|"
    for parameter in command.params:
        yield from _parameter(parameter)
    yield ""
    for answer in _ANSWERS.get(path, ()):
        yield from _answer(answer)


def _help(text: str) -> Iterator[str]:
    """Paragraphs as they are, examples (after a backspace, as Click has it) as code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        yield f"```shell\n{rest}\n```\n" if first.strip() == "\b" else f"{paragraph}\n"


def _parameter(parameter: Any) -> Iterator[str]:
    says = getattr(parameter, "help", None)
    if says and parameter.name != "help":
        named = (parameter.metavar or parameter.name) if parameter.param_type_name == "argument" else ""
        text = " ".join(says.split()).replace("|", "\\|")
        yield f"| `{named or ', '.join(parameter.opts)}` | {text} |"


def _answer(answer: type[Any]) -> Iterator[str]:
    yield f"**{answer.__name__}** — {' '.join(inspect.cleandoc(answer.__doc__ or '').split())}\n"
    types = get_type_hints(answer)
    yield "| key | value |\n|---|---|"
    yield from (f"| `{field.name}` | {_type(types[field.name])} |" for field in dataclasses.fields(answer))
    yield ""


_JSON: Final = {"str": "text", "int": "number", "float": "number", "bool": "true or false", "None": "null"}


def _type(annotation: Any) -> str:
    """A type as JSON calls it."""
    if get_origin(annotation) is tuple:
        return f"list of {_type(get_args(annotation)[0])}"
    if get_origin(annotation) is UnionType:
        return " or ".join(_type(part) for part in get_args(annotation))
    name = "None" if annotation is NoneType else str(annotation.__name__)
    return _JSON.get(name, name)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
