"""FOCUS rows as lines of CSV: charges that are alike share a form, whose gaps take what is a charge's own."""

import csv
import io
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final

from farthing.ledger.entry import Entry
from farthing.ledger.focus import OWN_COLUMNS, Alike, Invoice, Own, charges, columns, common_row

MOST_FORMS: Final = 20_000
"""Forms that are kept; a day of a fleet has about as many as it has workloads."""

_GAP: Final = "\0"
"""Marks a gap while a form is made; no name holds it."""


class Printer:
    """Prints one month's charges in one version of FOCUS."""

    def __init__(self, invoice: Invoice, version: str) -> None:
        self.invoice = invoice
        self.version = version
        self._names = columns(version)
        order = [Own._fields.index(OWN_COLUMNS[name]) for name in self._names if name in OWN_COLUMNS]
        self._in_order = itemgetter(*order)
        self._form = lru_cache(maxsize=MOST_FORMS)(self._make_form)

    def head(self) -> str:
        """The line with the columns' names."""
        return _line(self._names)

    def text(self, entries: Iterable[Entry]) -> tuple[str, int]:
        """The lines of some entries, and how many they are."""
        form, in_order = self._form, self._in_order
        found = [form(alike) % in_order(own) for entry in entries for alike, own in charges(entry, self.version)]
        return "".join(found), len(found)

    def _make_form(self, alike: Alike) -> str:
        row = common_row(alike, self.invoice)
        line = _line(_GAP if name in OWN_COLUMNS else row[name] for name in self._names)
        return line.replace("%", "%%").replace(_GAP, "%s")


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
