"""Prints the reference of asks, reasons and metrics from the code: `python -m farthing.cli.pages FOLDER`."""

import ast
import inspect
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from farthing.cli.pages_cost_api import SIGN, cell, cost_api
from farthing.model import ask, reason
from farthing.node.metrics import NodeMetrics
from farthing.server.app import openapi
from farthing.server.metrics import LedgerMetrics
from farthing.spoke.metrics import Metrics

_EXAMPLES = {
    "fraction": ("0.25", "part of one device, in thousandths"),
    "whole": ("2", "whole devices of one node"),
    "many": ("4x0.5", "equal parts of several devices of one node"),
    "memory": ("10Gi", "memory on one device, compute in proportion"),
    "profile": ("1g.10gb", "a MIG partition"),
}


def pages() -> dict[str, str]:
    """Each page by its file name."""
    return {
        "asks.md": _asks(),
        "cost-api.json": json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n",
        "cost-api.md": cost_api(),
        "reasons.md": _reasons(),
        "metrics.md": _metrics(),
    }


def _asks() -> str:
    rows = (
        f"| {name} | `{_EXAMPLES[name][0]}` | {_EXAMPLES[name][1]} | `{cell(shape)}` |"
        for name, shape in ask.FORMS.items()
    )
    others = (
        (ask.GPU_MODEL, ask.MODELS_EXPECTED),
        (ask.ISOLATION, ask.ISOLATION_EXPECTED),
        (ask.DURATION, ask.DURATION_EXPECTED),
        (ask.PRIORITY, ask.PRIORITY_EXPECTED),
        (ask.MOVE, ask.MOVE_EXPECTED),
    )
    return "\n".join(
        [
            "# Asks\n",
            SIGN,
            f"The annotation `{ask.GPU}` takes one of these forms; admission and the spoke use the same expressions:\n",
            "| form | example | means | expression |",
            "|---|---|---|---|",
            *rows,
            "\nBeside it:\n",
            *(f"* `{name}`: {expected}" for name, expected in others),
            "",
        ]
    )


def _reasons() -> str:
    lines = (f"| `{name}` | {sentence} |" for name, sentence in reasons())
    return "\n".join(["# Reasons\n", SIGN, "| reason | means |", "|---|---|", *lines, ""])


def reasons() -> Iterator[tuple[str, str]]:
    """Each reason's name and the docstring under it."""
    tree = ast.parse(inspect.getsource(reason))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == reason.Why.__name__)
    for named, said in itertools.pairwise(body):
        if isinstance(named, ast.Assign) and isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
            value = named.value
            yield (str(value.value) if isinstance(value, ast.Constant) else ""), " ".join(str(said.value.value).split())


def _metrics() -> str:
    ledger = CollectorRegistry()
    ledger.register(LedgerMetrics(None, lambda: 0.0))
    tables = [_table(registry) for registry in (Metrics().registry, NodeMetrics().registry, ledger)]
    return "\n".join(
        [
            "# Metrics\n",
            SIGN,
            "They are served where `--metrics-port` says, on loopback unless told otherwise.\n",
            "## The spoke\n",
            *tables[0],
            "\n## The node driver\n",
            *tables[1],
            "\n## The cost server\n",
            *tables[2],
            "",
        ]
    )


def _table(registry: CollectorRegistry) -> list[str]:
    found = registry.collect()
    lines = (f"| `{family.name}` | {family.type} | {family.documentation} |" for family in found)
    return ["| metric | kind | says |", "|---|---|---|", *lines]


def write(folder: Path) -> None:
    """Write all pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
