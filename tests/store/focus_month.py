"""A month with everything in it that FOCUS rows are made of; `python -m tests.store.focus_month FILE` writes it."""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import day_of
from farthing.store.export import export_focus
from farthing.store.ledger import Ledger
from tests.ledgers import GIB, book, interval, supply

FIRST = day_of("2026-11-01")
START = FIRST * DAY
OTHER = "d/n0/gpu-1"


def a_month(ledger: Ledger) -> None:
    """Two devices, three teams, a device that is stranded for a while, a factor for isolation; and one day more."""
    ledger.set_prices(book(isolation={"hard": "1.1"}))
    shares = (
        interval("a", start=START, end=START + 20 * DAY),
        interval("b", start=START + 3600, compute=333, memory=20 * GIB, team="speech", isolation="shared"),
        interval("c", OTHER, start=START + DAY, end=START + 2 * DAY, compute=1000, team="vision-2"),
        interval("", OTHER, start=START + 5 * DAY, end=START + 6 * DAY, team="", share="", use="stranded", owners=()),
    )
    devices = (supply(start=START), supply(OTHER, start=START, model="l4"))
    ledger.ingest(Batch("c", START, 1, START + 31 * DAY, shares, devices))
    ledger.settle()


def corrected(ledger: Ledger) -> None:
    """It turns out that a share belonged to another team."""
    later = (interval("c", OTHER, start=START + DAY, end=START + 2 * DAY, compute=1000, team="speech"),)
    ledger.ingest(Batch("c", START, 2, START + 33 * DAY, later))
    ledger.settle()


def write(folder: Path) -> None:
    """The month and the next, with the corrections, in both months' files."""
    with (
        tempfile.TemporaryDirectory() as where,
        closing(Ledger.open(f"sqlite:///{where}/ledger.db")) as ledger,
    ):
        a_month(ledger)
        ledger.close_period("2026-11", 0)
        corrected(ledger)
        for month in ("2026-11", "2026-12"):
            with (folder / f"{month}.csv").open("w", encoding="utf-8", newline="") as out:
                export_focus(ledger.database, month, "GPU platform", "1.2", out)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
