"""The ledger's speed: intervals taken in, days settled, costs asked for, FOCUS rows; on SQLite and on PostgreSQL.

One month of a fleet, made by chance with a fixed seed: shares of a quarter to a whole device, of twenty teams and a
thousand workloads, one after the other on each slot of each device. Of a large fleet the first `TAKEN_IN` devices are
taken in as meters report them, and copied in the database under other names to make the rest; all of it is settled.
"""

import csv
import itertools
import json
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Column, MetaData, Table, and_, func, insert, select

from farthing.ledger.interval import DAY, Batch, Interval, Supply
from farthing.ledger.period import day_of, period_of
from farthing.ledger.read_prices import parse_price_book
from farthing.store.ask import Question, ask
from farthing.store.export import export_focus
from farthing.store.ledger import Ledger
from farthing.store.rows import interval_row
from farthing.store.schema import intervals as interval_table
from farthing.store.schema import postings, supplies
from farthing.store.statement import make_statement
from tests.postgres import binaries, running_postgres

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-ledger.md"
START = day_of("2026-06-01") * DAY
DAYS = 30
A_BATCH = 1000
TAKEN_IN = 2000
"""Devices at most whose intervals go through `ingest`. Each has pages of its own, so more devices take somewhat longer."""
GIB = 1 << 30
SLOTS = ((250, 20), (250, 20), (500, 40))
BOOK = {
    "version": 1,
    "since": "2026-01-01",
    "currency": "GBP",
    "lines": [{"perHour": "2.50"}, {"perHour": "1.25", "window": {"from": "22:00", "to": "06:00"}}],
}

COPIED = 1_000_000
"""Postings at most that are copied, to compare with."""

DONE = Path(tempfile.gettempdir()) / "farthing-bench-ledger.json"
"""What was measured of one database, for the page with both."""


@dataclass(frozen=True)
class Speed:
    """One database. Rates are intervals per second; `plain` is inserting the same rows with nothing else around.

    `export_cpu` are seconds of CPU, all processes together; `copy_seconds` is reading as many postings and writing them
    as CSV as they are, in one process, reckoned from `COPIED` of them; `export_mib` the largest process.
    """

    database: str
    intervals: int
    devices: int
    plain: float
    ingest: float
    settle_seconds: float
    days_of_devices: int
    statement_seconds: float
    month_seconds: float
    team_milliseconds: float
    statement_of_team_seconds: float
    export_rows: int
    export_seconds: float
    export_cpu: float
    export_mib: float
    copy_seconds: float
    mib: float


def month(devices: int, per_device: int) -> Iterator[Interval]:
    """A month's intervals, day by day, as meters report them."""
    slots = [_slot(device, slot, per_device) for device in range(devices) for slot in range(len(SLOTS))]
    ahead = [next(found, None) for found in slots]
    for day in range(START // DAY + 1, START // DAY + DAYS + 1):
        for i, found in enumerate(slots):
            while (interval := ahead[i]) is not None and interval.start < day * DAY:
                yield interval
                ahead[i] = next(found, None)


def _slot(device: int, slot: int, per_device: int) -> Iterator[Interval]:
    """One share after the other on the same part of a device."""
    chance = random.Random(device * len(SLOTS) + slot)  # noqa: S311 -- a month made up, not a secret
    compute, gib = SLOTS[slot]
    length = DAYS * DAY * len(SLOTS) // per_device
    at, number = START, 0
    while at < START + DAYS * DAY:
        end = min(at + int(length * chance.uniform(0.5, 1.5)), START + DAYS * DAY)
        work, number = chance.randrange(1000), number + 1
        yield Interval(
            cluster="bench",
            device=f"gpu.farthing.dev/node-{device // 8}/gpu-{device % 8}",
            claim=f"{device:08x}-{slot:04x}-4000-8000-{number:012x}",
            share=f"{device:08x}-{slot:04x}-5000-8000-{number:012x}",
            start=at,
            end=end,
            team=f"team-{work % 20}",
            namespace=f"team-{work % 20}-prod",
            node=f"node-{device // 8}",
            model="h100",
            compute=compute,
            memory=gib * GIB,
            isolation="hard",
            pod=f"job-{work}-{number}",
            owners=(f"Job/job-{work}",),
        )
        at = end + chance.randrange(600)


def batches(devices: int, per_device: int) -> Iterator[Batch]:
    """All of it as batches, the devices in the first; the last says that the month is over."""
    supplies = tuple(
        Supply(
            "bench",
            f"gpu.farthing.dev/node-{i // 8}/gpu-{i % 8}",
            START,
            None,
            f"node-{i // 8}",
            "h100",
            1000,
            80 * GIB,
        )
        for i in range(devices)
    )
    yield Batch("bench", START, 1, START, (), supplies)
    found = month(devices, per_device)
    number = 1
    while some := tuple(itertools.islice(found, A_BATCH)):
        number += 1
        yield Batch("bench", START, number, START, some)
    yield Batch("bench", START, number + 1, START + DAYS * DAY)


def measure(devices: int, per_device: int, only: str = "") -> list[Speed]:
    """Both databases, one after the other, or only one."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="farthing-bench-"))
        stack.callback(shutil.rmtree, folder)
        urls = {"SQLite": f"sqlite:///{folder}/ledger.db"}
        if (programs := binaries()) is not None:
            urls["PostgreSQL"] = stack.enter_context(running_postgres(programs))
        return [_measure(name, url, devices, per_device) for name, url in urls.items() if only in ("", name)]


def _measure(name: str, url: str, devices: int, per_device: int) -> Speed:
    plain = _plain(url, list(itertools.islice(batches(devices, per_device), 1, 50)))
    ledger = Ledger.open(url)
    ledger.set_prices(parse_price_book(BOOK))
    taken_in = min(devices, TAKEN_IN)
    count, ingested, ingest = 0, 0, 0.0
    for batch in batches(taken_in, per_device):
        if batch.watermark > START:  # the month is over: the rest of the fleet is to be there before
            ingested = count
            count += sum(copy_fleet(ledger, i) for i in range(1, -(-devices // taken_in)))
        ingest += _once(lambda batch=batch: ledger.ingest(batch))  # type: ignore[misc]
        count += len(batch.intervals)
    print(f"{name}: {count:,} intervals, {ingested / ingest:,.0f} taken in a second", flush=True)
    with _timed() as settle:
        done = ledger.settle()
    print(f"{name}: {count / settle[0]:,.0f} settled a second", flush=True)
    found = Speed(
        database=name,
        intervals=count,
        devices=devices,
        plain=plain,
        ingest=ingested / ingest,
        settle_seconds=settle[0],
        days_of_devices=done.rated,
        **asked(ledger),
    )
    ledger.close()
    return found


def asked(ledger: Ledger) -> dict[str, Any]:
    """What is asked of a month that is settled, and its export."""
    first = START // DAY
    last = first + DAYS - 1
    by = ("team", "namespace", "workload", "model", "cluster", "kind")
    with _timed() as statement:
        ask(ledger.database, Question(by, first, last))
    with _timed() as by_month:
        ask(ledger.database, Question(("team",), first, last))
    team = min(_once(lambda: ask(ledger.database, Question(("day",), first, last, "team-3"))) for _ in range(5))
    with _timed() as team_statement:
        make_statement(ledger, "team-3", period_of(first))
    memory = psutil.Process().memory_info().rss / 2**20
    return {
        "statement_seconds": statement[0],
        "month_seconds": by_month[0],
        "team_milliseconds": team * 1000,
        "statement_of_team_seconds": team_statement[0],
        **_exported(ledger, period_of(first)),
        "mib": memory,
    }


def copy_fleet(ledger: Ledger, number: int) -> int:
    """All devices and their intervals once more, under the names of other nodes; how many intervals."""
    with ledger.database.writing() as connection:
        for table in (supplies, interval_table):
            mine = and_(table.c.device.like("%/node-%"), table.c.device.not_like("%/copy-%"))
            other = {"device": func.replace(table.c.device, "node-", f"copy-{number}-node-")}
            if table is interval_table:
                other |= {name: table.c[name] + f"-{number}" for name in ("claim", "share")}
                other |= {"node": func.replace(table.c.node, "node-", f"copy-{number}-node-")}
            columns = [other.get(column.name, column).label(column.name) for column in table.columns]
            names = [column.name for column in table.columns]
            done = connection.execute(insert(table).from_select(names, select(*columns).where(mine)))
        return done.rowcount


def _exported(ledger: Ledger, month: str) -> dict[str, Any]:
    """The month's FOCUS rows into a file that is thrown away; and its postings as they are."""
    before = _cpu()
    with Path(os.devnull).open("w", encoding="utf-8") as out:
        with _timed() as export:
            rows = export_focus(ledger.database, month, "bench", "1.2", out)
        after = _cpu()
        with _timed() as copy, ledger.database.reading() as connection:
            query = select(postings).limit(COPIED).execution_options(yield_per=10_000)
            csv.writer(out).writerows(connection.execute(query))
    usage = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "export_rows": rows,
        "export_seconds": export[0],
        "export_cpu": after - before,
        "export_mib": max(usage),
        "copy_seconds": copy[0] * max(1, rows / COPIED),
    }


def _cpu() -> float:
    """Seconds of CPU, of this process and its children that have ended."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system


def _plain(url: str, work: list[Batch]) -> float:
    """The same rows into a table without keys, upserts or bookkeeping: what the driver and the disk can do."""
    ledger = Ledger.open(url)
    table = Table("plain", MetaData(), *(Column(c.name, c.type) for c in interval_table.columns))
    with ledger.database.writing() as connection:
        table.create(connection)
    rows = [[interval_row(interval, batch) for interval in batch.intervals] for batch in work]
    with _timed() as taken:
        for some in rows:
            with ledger.database.writing() as connection:
                connection.execute(insert(table), some)
    with ledger.database.writing() as connection:
        table.drop(connection)
    ledger.close()
    return sum(map(len, rows)) / taken[0]


def _once(work: Callable[[], object]) -> float:
    with _timed() as taken:
        work()
    return taken[0]


@contextmanager
def _timed() -> Iterator[list[float]]:
    taken = [0.0]
    start = time.perf_counter()
    yield taken
    taken[0] = time.perf_counter() - start


def page(found: list[Speed]) -> str:
    """The tables for docs/benchmarks-ledger.md."""
    rows = (
        f"| {s.database} | {s.devices:,} | {s.intervals:,} | {s.ingest:,.0f} | {s.plain:,.0f} | **{s.ingest / s.plain:.2f}** "
        f"| {s.intervals / s.settle_seconds:,.0f} | {s.statement_seconds:.2f} s | {s.month_seconds:.2f} s | {s.team_milliseconds:.0f} ms |"
        for s in found
    )
    exports = (
        f"| {s.database} | {s.export_rows:,} | {s.export_seconds:.1f} | {s.export_cpu:.1f} | {s.export_mib:.0f} MiB "
        f"| {s.copy_seconds:.1f} s | **{s.export_cpu / s.copy_seconds:.1f}** | {s.statement_of_team_seconds:.2f} s |"
        for s in found
    )
    return "\n".join(
        [
            "# Benchmarks of the ledger",
            "",
            f"Written by `python -m bench ledger` on {date.today().isoformat()}, {os.cpu_count()} cores, everything on one machine: a month of a fleet.",
            f"Of the devices {TAKEN_IN:,} at most were taken in, and the others copied from them in the database; all were settled. The process",
            f"takes {max(s.mib for s in found):.0f} MiB at most.",
            "*Plain* inserts the same rows into a table without keys, in the same run: the ratio is what the ledger adds.",
            "",
            "| database | devices | intervals | taken in /s | plain /s | ratio | settled /s | month by six fields | month by team | one team by day |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "The month as FOCUS 1.2: a row for each share, device and day. *Copy* reads as many postings and writes them as CSV as they",
            f"are, in one process of the same run, reckoned from {COPIED:,} of them.",
            "",
            "| database | rows | seconds | CPU seconds, all processes | largest process | copy | CPU / copy | statement of a team |",
            "|---|---|---|---|---|---|---|---|",
            *exports,
            "",
        ]
    )


def main(devices: str = "2000", per_device: str = "500", only: str = "") -> None:
    """Measure, and write the page; of a database that was not measured now, with what was measured last."""
    known = json.loads(DONE.read_text()) if only and DONE.exists() else {}
    known |= {speed.database: asdict(speed) for speed in measure(int(devices), int(per_device), only)}
    DONE.write_text(json.dumps(known))
    text = page([Speed(**found) for _, found in sorted(known.items(), reverse=True)])
    PAGE.write_text(text, encoding="utf-8")
    print(text)
