"""How the ledger grows: month after month of the same fleet, what the newest month takes to settle and to ask about.

If a month costs the same however many are before it, the last column stays near 1.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from bench.ledger import BOOK, DAYS, START, _once, batches
from farthing.ledger.interval import DAY, Batch, Interval
from farthing.ledger.period import day_text, period_of
from farthing.ledger.read_prices import parse_price_book
from farthing.store.ask import Question, ask
from farthing.store.ledger import Ledger
from farthing.store.statement import make_statement

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-growth.md"
PER_DEVICE = 500


@dataclass(frozen=True)
class Month:
    """After one more month: all that is in the ledger, and what the newest month took, in seconds of CPU."""

    intervals: int
    mib: float
    ingest: float
    settle: float
    statement: float
    team_by_day: float


def shifted(batch: Batch, months: int) -> Batch:
    """The same, so many times 30 days later."""
    by = months * DAYS * DAY

    def later(thing: Interval) -> Interval:
        return replace(thing, start=thing.start + by, end=None if thing.end is None else thing.end + by)

    intervals = tuple(replace(later(i), claim=f"{i.claim}-{months}") for i in batch.intervals)
    supplies = batch.supplies if months == 0 else ()
    return Batch(
        batch.cluster, batch.epoch, batch.seq, batch.watermark + by * (batch.watermark > START), intervals, supplies
    )


def measure(devices: int, months: int) -> list[Month]:
    """On SQLite."""
    folder = Path(tempfile.mkdtemp(prefix="farthing-bench-"))
    found, total, seq = [], 0, 0
    try:
        with closing(Ledger.open(f"sqlite:///{folder}/ledger.db")) as ledger:
            ledger.set_prices(parse_price_book(BOOK))
            for month in range(months):
                ingest = 0.0
                for plain in batches(devices, PER_DEVICE):
                    batch = shifted(plain, month)
                    seq, total = seq + 1, total + len(batch.intervals)
                    ingest += _cpu(lambda batch=batch, seq=seq: ledger.ingest(replace(batch, seq=seq)))  # type: ignore[misc]
                settle = _cpu(ledger.settle)
                first = START // DAY + month * DAYS
                question = Question(("day",), first, first + DAYS - 1, "team-3")
                size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
                statement = _once(lambda first=first: make_statement(ledger, "team-3", period_of(first)))  # type: ignore[misc]
                team = min(_once(lambda question=question: ask(ledger.database, question)) for _ in range(3))  # type: ignore[misc]
                found.append(Month(total, size, ingest, settle, statement, team))
                print(day_text(first), found[-1], flush=True)
    finally:
        shutil.rmtree(folder)
    return found


def _cpu(work: Callable[[], object]) -> float:
    before = sum(os.times()[:2])
    work()
    return sum(os.times()[:2]) - before


def page(found: list[Month], devices: int) -> str:
    """The table, as Markdown."""
    rows = (
        f"| {m.intervals:,} | {m.mib:,.0f} MiB | {m.ingest:.1f} s | {m.settle:.1f} s | {m.statement * 1000:.0f} ms "
        f"| {m.team_by_day * 1000:.0f} ms | **{m.settle / found[0].settle:.2f}** |"
        for m in found
    )
    return "\n".join(
        [
            "# How the ledger grows",
            "",
            f"Written by `python -m bench growth` on {date.today().isoformat()}, {os.cpu_count()} cores, SQLite: month after month of a fleet of",
            f"{devices:,} devices, each row what the newest month took. Taking in and settling are seconds of CPU.",
            "",
            "| intervals in all | size | taking in | settling | a team's statement | one team by day | settling / first month's |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(devices: int = 500, months: int = 12) -> None:
    """Measure, and write the page."""
    text = page(measure(devices, months), devices)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
