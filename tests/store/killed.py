"""A meter's log and its way into the ledger, to be killed: `python -m tests.store.killed URL FOLDER`.

It writes batch after batch down and says so, hands over and settles meanwhile, and goes on after the last one that the
log or the ledger has. What it would say is the same each time.
"""

import sys
import threading
from pathlib import Path

from sqlalchemy import select

from farthing.ledger.interval import DAY, Batch
from farthing.spoke.metering import Metering
from farthing.spoke.metrics import Metrics
from farthing.spoke.settings import LedgerSettings
from farthing.store.ledger import Ledger
from farthing.store.schema import progress
from tests.ledgers import book, interval, supply

START = 100 * DAY
HOUR = 3600
COUNT = 240
"""Many more than are read before the last kill: on a machine that is busy, this runs ahead of whoever reads."""


def batches() -> list[Batch]:
    """An hour each: a share ends, another begins, on one of two devices."""
    devices = tuple(supply(f"d/n0/gpu-{i}", start=START) for i in range(2))
    found = [Batch("c", START, 1, START, (), devices)]
    for hour in range(COUNT - 1):
        device, at = f"d/n0/gpu-{hour % 2}", START + hour * HOUR
        begun = interval(f"s{hour}", device, start=at, team="ab"[hour % 3 == 0], compute=250 * (1 + hour % 4))
        ended = interval(f"s{hour}", device, start=at, end=at + HOUR, team=begun.team, compute=begun.compute)
        found.append(Batch("c", START, hour + 2, at + HOUR, (begun if hour % 5 == 0 else ended,)))
    return found


def ledger_of(url: str) -> Ledger:
    ledger = Ledger.open(url)
    ledger.set_prices(book())
    return ledger


def main(url: str, folder: Path) -> None:
    ledger_of(url).close()
    work = Metering(LedgerSettings(url, folder, "c"), Metrics(), lambda: START)
    with work._open_ledger().database.reading() as connection:
        known = connection.scalar(select(progress.c.seq)) or 0
    known = max([known, *(b.seq for segment in work._wal.complete() for b in work._wal.read(segment)[0])])
    done = threading.Event()

    def hand_over() -> None:
        while not done.is_set():
            work._push()
            work._open_ledger().settle()

    handing = threading.Thread(target=hand_over, daemon=True)
    handing.start()
    for batch in batches()[known:]:
        work._wal.append(batch)
        print(batch.seq, flush=True)
    done.set()
    handing.join()
    work._push()
    work._open_ledger().settle()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
