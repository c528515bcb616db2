"""How answers look: tables that give up columns on narrow terminals, bars, ages; the same values as JSON.

A command makes frozen dataclasses; as JSON they are printed field by field, as tables through the functions here.
Colour goes when the output is no terminal or NO_COLOR is set; bars keep their meaning without it.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from farthing.model.quantity import format_gib

PIPED_WIDTH: Final = 200
"""Columns where nobody says how wide the output is: enough that `grep` finds whole names."""

_AGES: Final = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (60 * 2, 60, "m"))

Cell = str | Text
"""A text is shown as it is, brackets and all; only a Text has styles."""


class Column(NamedTuple):
    """One column. It is left out on consoles narrower than `from_width`."""

    title: str
    right: bool = False
    from_width: int = 0


def console() -> Console:
    """Where people read: standard output."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(width=width, highlight=False)


def show_table(out: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, head: bool = True) -> None:
    """Print rows under their titles, without the columns for which the console is too narrow."""
    shown = [i for i, column in enumerate(columns) if out.width >= column.from_width]
    table = Table(box=None, pad_edge=False, show_header=head, header_style="bold", padding=(0, 2, 0, 0))
    for i in shown:
        table.add_column(columns[i].title, justify="right" if columns[i].right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row[i]) for i in shown))
    out.print(table)


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def show_json(answer: Any) -> None:
    """Print a dataclass, or a list of them, as JSON."""
    sys.stdout.write(json.dumps(plain(answer), indent=2, ensure_ascii=False) + "\n")


def plain(answer: Any) -> Any:
    """Dataclasses as dicts, tuples as lists: what JSON knows."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {f.name: plain(getattr(answer, f.name)) for f in dataclasses.fields(answer)}
    if isinstance(answer, list | tuple):
        return [plain(item) for item in answer]
    return answer


def age(seconds: float) -> str:
    """A length of time, short, as kubectl has it: 45s, 12m, 5h, 3d."""
    seconds = max(0, int(seconds))
    for least, unit, letter in _AGES:
        if seconds >= least:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def percent(part: float, whole: float) -> str:
    """A part of a whole in percent, a dash where there is no whole."""
    return f"{100 * part / whole:.1f}".removesuffix(".0") + "%" if whole else "-"


def bar(out: Console, part: float, whole: float, width: int = 10) -> Text:
    """A bar and its percentage: a whole that is used up is red, one nearly so yellow."""
    share = min(1.0, max(0.0, part / whole)) if whole else 0.0
    full = round(share * width)
    if full == 0 and share > 0:
        full = 1
    used, left = ("█", "░") if (out.encoding or "").lower().startswith("utf") else ("#", ".")
    style = "red" if share > 0.95 else "yellow" if share > 0.75 else "green"
    return Text.assemble((used * full, style), (left * (width - full), "dim"), f" {percent(part, whole):>5}")


def gib(amount: int, whole: int | None = None) -> str:
    """Bytes for a person: in GiB, or in TiB where the `whole` that they are part of is large."""
    large = (amount if whole is None else whole) >= 10 << 40
    return f"{amount / (1 << 40):,.1f}".removesuffix(".0") + " TiB" if large else format_gib(amount)


def given(part: int, whole: int) -> str:
    """Bytes of bytes, a dash where there are none."""
    return f"{gib(part, whole)} of {gib(whole)}" if whole else "-"


def cores(milli: int) -> str:
    """Thousandths of a core as cores."""
    return f"{milli / 1000:.1f}".removesuffix(".0")


def several(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 pod, 2 pods."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
