"""Full disks, databases that go, processes that are killed: nothing is lost, nothing is billed twice, and it is said.

The disks are real and small (tmpfs), the database servers real and stopped as in a crash.
"""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from farthing.ledger.interval import DAY
from farthing.model.cluster import Claim
from farthing.model.errors import TransientError
from farthing.model.plan import Gone
from farthing.spoke import metering
from farthing.store import database
from farthing.store.ledger import Ledger
from tests.ledgers import HOUR_COST
from tests.postgres import MISSING, ROOT, binaries, postgres_server
from tests.store import killed
from tests.store.databases import new_database
from tests.store.spokes import START, Spoke, kinds, until
from tests.store.sums import daily_recomputed, daily_sums, standing

MIB = 2**20
KILLS = 3
ROOM = {"sqlite": 2 * MIB, "postgresql": 70 * MIB}
"""Of the small disk: SQLite takes a quarter of it, PostgreSQL takes 60 MiB before anything is in it."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(metering, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(metering, "PUSH_SECONDS", 0.02)
    monkeypatch.setattr(metering, "LONGEST_WAIT", 0.1)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """What the books hold where nothing went wrong."""
    with closing(killed.ledger_of(f"sqlite:///{tmp_path_factory.mktemp('truth')}/ledger.db")) as ledger:
        ledger.ingest(*killed.batches())
        ledger.settle()
        return standing(ledger), daily_sums(ledger)


def check(ledger: Ledger, truth):
    ledger.settle()
    assert (standing(ledger), daily_sums(ledger)) == truth
    assert daily_sums(ledger) == daily_recomputed(ledger)


# Killed ------------------------------------------------------------------------------------------------------------


def test_kill_9_at_any_moment_ends_in_the_same_books(url, tmp_path, truth):
    """`FARTHING_FAULT_SEED` names another series of moments."""
    chance = random.Random(os.environ.get("FARTHING_FAULT_SEED", "1"))
    command = [sys.executable, "-m", "tests.store.killed", url, str(tmp_path / "log")]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    kills = 0
    for life in range(50):
        with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE) as process:
            for _ in range(chance.randrange(1, 30) if life < KILLS else killed.COUNT):
                if not process.stdout.readline():
                    break
            if life < KILLS:
                process.send_signal(signal.SIGKILL)
                kills += 1
        if process.returncode == 0:
            break
    assert (process.returncode, kills) == (0, KILLS)
    with closing(Ledger.open(url)) as ledger:
        check(ledger, truth)
    assert not list((tmp_path / "log").glob("*.log"))


# Disks -------------------------------------------------------------------------------------------------------------


class Disk:
    """A small disk of its own, which can be made larger."""

    def __init__(self, where: Path, size: int) -> None:
        self.where = where
        self._mount("-t", "tmpfs", "-o", f"size={size}", "farthing-test")

    def enlarge(self) -> None:
        self._mount("-o", f"remount,size={512 * MIB}")

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.where)], check=True, capture_output=True)


@contextmanager
def small_disk(where: Path, size: int) -> Iterator[Disk]:
    where.mkdir()
    try:
        disk = Disk(where, size)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted here; it takes root and the right to mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextmanager
def on_disk(kind: str, where: Path):
    """A database on a disk: its URL, and what to do where the disk's filling up was the end of it."""
    if kind == "sqlite":
        yield f"sqlite:///{where}/ledger.db", lambda: None
        return
    programs = binaries()
    if programs is None:
        pytest.skip(MISSING)
    where.chmod(0o700)
    with postgres_server(programs, where) as server:
        yield new_database(server.url), lambda: None if server.runs() else server.start()


@pytest.mark.skipif(not ROOT, reason="only root mounts disks")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_disk_that_is_full_takes_whole_batches_or_none(kind, truth):
    """`/tmp` of its own, since the paths of PostgreSQL's sockets must be short."""
    folder = Path("/tmp") / f"farthing-disk-{os.getpid()}-{kind}"  # noqa: S108 -- ours, and mounted over
    try:
        with small_disk(folder, ROOM[kind]) as disk, on_disk(kind, folder) as (url, revive):
            taken = _fill(url, folder)
            disk.enlarge()
            (folder / "filler").unlink()
            revive()
            with closing(Ledger.open(url)) as ledger:
                sent = killed.batches()
                assert sum(ledger.ingest(batch) for batch in sent[:taken]) == 0
                assert sum(ledger.ingest(batch) for batch in sent[taken:]) == len(sent) - taken
                check(ledger, truth)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


FULL = r"(?i)no space|is full|i/o error|terminat|recovery"


def _fill(url: str, folder: Path) -> int:
    """Fill the disk, the ledger's last part with batches; how many the ledger said it has."""
    taken: list[int] = []
    with (
        closing(killed.ledger_of(url)) as ledger,
        (folder / "filler").open("wb", buffering=0) as filler,
        pytest.raises(TransientError, match=FULL),
    ):
        _ingest_until_full(ledger, filler, taken)
    assert 20 < len(taken) < killed.COUNT
    return len(taken)


def _ingest_until_full(ledger: Ledger, filler, taken: list[int]) -> None:
    for batch in killed.batches():
        assert ledger.ingest(batch) == 1
        taken.append(batch.seq)
        if len(taken) > 20:
            _write(filler, shutil.disk_usage(filler.name).free // 2)


def _write(filler, size: int) -> None:
    try:
        filler.write(bytes(size))
    except OSError:
        return


# Databases that are away -------------------------------------------------------------------------------------------


@contextmanager
def away(kind: str, tmp_path: Path):
    """A database: its URL, a way to take it away, and one to bring it back."""
    if kind == "sqlite":
        url, file = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            yield url, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK")
        return
    programs = binaries()
    if programs is None:
        pytest.skip(MISSING)
    with postgres_server(programs) as server:
        yield new_database(server.url), server.stop, server.start


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_database_that_is_gone_for_an_hour_gets_it_all_when_it_is_back(kind, tmp_path, monkeypatch):
    """SQLite is held by somebody else, PostgreSQL stopped as in a crash. The hour is the meter's."""
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.05 if kind == "sqlite" else 5)
    with away(kind, tmp_path) as (url, take_away, bring_back):
        killed.ledger_of(url).close()
        spoke = Spoke(url, tmp_path / "log")
        async with spoke.metering() as work:
            await until(lambda: work._seq and not logged(spoke))
            take_away()
            for _ in range(12):
                spoke.clock.at += 300
                await asyncio.sleep(0.05)
            spoke.fold(work, Gone(Claim, spoke.held.key, 10**9))
            spoke.clock.at += 60
            await until(lambda: len(logged(spoke)) and work.meter.now > START + 3600)
            assert spoke.metrics.registry.get_sample_value("farthing_meter_log_bytes") > 0
            bring_back()
            spoke.clock.at = START + 2 * DAY
            await until(lambda: not logged(spoke))
        assert kinds(spoke)["share"] == HOUR_COST // 2
        assert sum(kinds(spoke).values()) == 2 * 24 * HOUR_COST


def logged(spoke: Spoke) -> list[Path]:
    return list(spoke.settings.log.glob("*.log"))
