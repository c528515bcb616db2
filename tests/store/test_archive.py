"""A closed month leaves the database for files, is read from there, and comes back; whatever happens in between."""

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, event, func, insert, select

from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import first_day
from farthing.model.errors import ConflictError, NotFoundError, PermanentError
from farthing.store import archive as archiving
from farthing.store.archive import archive
from farthing.store.archived import archived_months
from farthing.store.ask import Question, ask
from farthing.store.between import between
from farthing.store.export import export_focus
from farthing.store.held import Holding, held
from farthing.store.ledger import Ledger
from farthing.store.restore import moved, restore
from farthing.store.schema import archives, entries, intervals, postings
from farthing.store.so_far import SoFar
from farthing.store.statement import make_statement
from tests.ledgers import interval
from tests.store.focus_month import FIRST, OTHER, START, a_month
from tests.store.sums import by_kind, by_team, daily_recomputed, daily_sums, dump

NOVEMBER, DECEMBER = "2026-11", "2026-12"
END = (FIRST + 30) * DAY


class KilledError(Exception):
    """The process was killed."""


def heard(ledger, seq, day, *shares):
    ledger.ingest(Batch("c", START, seq, START + day * DAY, shares))
    ledger.settle()


def closed(ledger):
    """November, closed, and heard of until long after; one share of it goes on into December."""
    a_month(ledger)
    across = interval("d", OTHER, start=START + 28 * DAY, end=END + 3600, compute=250, team="speech")
    instant = interval("e", OTHER, start=START, end=START)
    heard(ledger, 2, 50, across, instant)
    ledger.close_period(NOVEMBER, 0)
    return ledger


def answers(ledger):
    """All that can be asked about November, whether from sums or from what was held."""
    out = io.StringIO()
    export_focus(ledger.database, NOVEMBER, "pool", "1.3", out)
    export_focus(ledger.database, DECEMBER, "pool", "1.3", out)
    everything = Holding(start=START, end=END + DAY)
    page = held(ledger.database, everything, None, 3)
    pages = [page, held(ledger.database, everything, page[-1].id, 100)]
    narrow = held(ledger.database, Holding(frozenset({"speech"}), workload="Job/d", start=END - 60), None, 9)
    part = between(ledger.database, Question(("team", "kind"), 0, 0), START + 1000, START + 2 * DAY + 500, SoFar())
    last = between(ledger.database, Question(("team",), 0, 0), END - 1000, END + 1000, SoFar())
    days = ask(ledger.database, Question(("team", "kind", "day"), FIRST, FIRST + 29))
    return out.getvalue(), pages, narrow, part, last, days, make_statement(ledger, "speech", NOVEMBER)


def count(ledger, table, *where):
    with ledger.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table).where(*where))


def all_of(ledger):
    """The books and what meters said, as bytes."""
    with ledger.database.reading() as connection:
        rows = connection.execute(select(intervals)).all()
    return dump(ledger) + "\n".join(sorted(map(repr, rows))).encode()


def of_november(ledger):
    with ledger.database.reading() as connection:
        mine = select(entries.c.id).where(entries.c.period == NOVEMBER)
        return connection.scalar(select(func.count()).select_from(postings).where(postings.c.entry.in_(mine)))


def test_a_copy_of_a_closed_month_holds_what_the_ledger_holds_and_leaves_it_there(ledger, tmp_path):
    before = all_of(closed(ledger))
    found = archive(ledger.database, NOVEMBER, tmp_path / "archive", copy=True)
    read = {name: pq.read_table(found.folder / file.name).to_pylist() for name, file in found.files.items()}
    assert {name: len(rows) for name, rows in read.items()} == {name: f.rows for name, f in found.files.items()}
    assert (len(read["intervals"]), len(read["supplies"]), len(read["entries"])) == (6, 2, 64)
    sums = Counter()
    for line in read["postings"]:
        back = line["debit"].startswith(("adjustment", "capacity"))
        sums[line["kind"]] += line["amount"] * (-1 if back else 1)
    assert dict(sums) == by_kind(ledger, period=NOVEMBER)
    assert {row["owners"] for row in read["intervals"]} == {"Job/a", "Job/b", "Job/c", "Job/d", "Job/e", ""}
    assert not list(found.folder.glob("*.part"))
    assert all_of(ledger) == before


def test_an_archived_month_has_left_the_database_and_is_answered_as_before(ledger, tmp_path):
    before = answers(closed(ledger))
    archive(ledger.database, NOVEMBER, tmp_path)
    assert of_november(ledger) == 0
    assert count(ledger, intervals, intervals.c.end <= END) == 0
    assert answers(ledger) == before


def test_several_processes_print_an_archived_month_as_one_does(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    alone, together = io.StringIO(), io.StringIO()
    export_focus(ledger.database, NOVEMBER, "pool", "1.2", alone)
    export_focus(ledger.database, NOVEMBER, "pool", "1.2", together, large=0)
    assert alone.getvalue() == together.getvalue()


def test_a_restored_month_is_what_it_was_and_can_leave_again(ledger, tmp_path):
    before = all_of(closed(ledger))
    archive(ledger.database, NOVEMBER, tmp_path)
    restore(ledger.database, NOVEMBER)
    assert all_of(ledger) == before
    archive(ledger.database, NOVEMBER, tmp_path)
    restore(ledger.database, NOVEMBER)
    assert all_of(ledger) == before


# Whoever is killed between any two steps ----------------------------------------------------------------------------


def killed_at(ledger, monkeypatch, number, work):
    """Whether the work was killed at its statement, commit or step on disk of this number, before it was done."""
    left = [number]

    def step(*_args, **_more):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    def on_disk(path):
        step()
        keep(path)

    keep = archiving.keep
    engine = ledger.database.engine
    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, step)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(archiving, "keep", on_disk)
            work()
    except KilledError:
        return True
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(engine, name, step)
        engine.dispose()
    return False


def test_killed_between_any_two_steps_of_archiving_and_restoring_nothing_is_lost_or_doubled(
    copies, tmp_path, monkeypatch
):
    monkeypatch.setattr(archiving, "AT_ONCE", 150)  # several steps of each kind
    with closing(closed(copies.new())) as ledger:
        before, asked = all_of(ledger), answers(ledger)
        for name, work in (
            ("archive", lambda: archive(ledger.database, NOVEMBER, tmp_path)),
            ("restore", lambda: restore(ledger.database, NOVEMBER)),
        ):
            number = 1
            while killed_at(ledger, monkeypatch, number, work):
                assert answers(ledger) == asked, (name, number)
                number += 1
            assert number > 20
            assert answers(ledger) == asked
        assert all_of(ledger) == before
        assert daily_sums(ledger) == daily_recomputed(ledger)


def test_killed_by_the_kernel_at_any_moment_a_month_is_whole(url, tmp_path):
    with closing(Ledger.open(url)) as ledger:
        before, asked = all_of(closed(ledger)), answers(ledger)
    chance = random.Random(os.environ.get("FARTHING_FAULT_SEED", "7"))
    for _ in range(4):
        command = [sys.executable, "-m", "tests.store.killed_archive", url, str(tmp_path / "archive")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.8))
            process.kill()
        with closing(Ledger.open(url)) as ledger:
            assert answers(ledger) == asked
    with closing(Ledger.open(url)) as ledger:
        with contextlib.suppress(NotFoundError):
            restore(ledger.database, NOVEMBER)
        assert all_of(ledger) == before


# What is learned late -----------------------------------------------------------------------------------------------


def test_what_is_learned_about_an_archived_month_waits_until_it_is_restored(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    before = by_team(ledger)
    shorter = interval("c", OTHER, start=START + DAY, end=START + DAY + 3600, compute=1000, team="vision-2")
    ledger.ingest(Batch("c", START, 3, START + 50 * DAY, (shorter,)))
    waiting = ledger.settle()
    assert "restore 2026-11" in waiting.waiting[0]
    assert by_team(ledger) == before
    asked = held(ledger.database, Holding(workload="Job/c", start=START, end=END), None, 9)
    assert [found.end for found in asked] == [START + DAY + 3600]
    restore(ledger.database, NOVEMBER)
    done = ledger.settle()
    assert (done.waiting, done.corrected > 0) == ((), True)
    with closing(Ledger.open(f"sqlite:///{tmp_path}/fresh.db")) as fresh:
        closed(fresh)
        heard(fresh, 3, 50, shorter)
        assert by_team(fresh, kind="share") == by_team(ledger, kind="share")
        assert by_kind(fresh, period=DECEMBER) == by_kind(ledger, period=DECEMBER)
    asked = answers(ledger)
    archive(ledger.database, NOVEMBER, tmp_path)
    assert answers(ledger) == asked


def test_a_late_report_that_is_older_than_what_was_archived_changes_nothing(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    asked = answers(ledger)
    old = interval("c", OTHER, start=START + DAY, end=START + 9 * DAY, compute=1000, team="vision-2")
    ledger.ingest(Batch("c", START - 10, 1, START - 10, (old,)))
    assert answers(ledger)[1:5] == asked[1:5]
    restore(ledger.database, NOVEMBER)
    ledger.settle()
    assert answers(ledger) == asked


def test_what_comes_while_a_month_leaves_stays(ledger, tmp_path, monkeypatch):
    closed(ledger)
    late = interval("f", OTHER, start=START + 9 * DAY, end=START + 10 * DAY)

    def then_news(path):
        if path == tmp_path and not count(ledger, intervals, intervals.c.claim == "f"):
            ledger.ingest(Batch("c", START, 3, START + 50 * DAY, (late,)))

    monkeypatch.setattr(archiving, "keep", then_news)
    with pytest.raises(ConflictError, match="settle first"):
        archive(ledger.database, NOVEMBER, tmp_path)
    ledger.settle()
    monkeypatch.undo()
    archive(ledger.database, NOVEMBER, tmp_path)
    assert [found.claim for found in held(ledger.database, Holding(workload="Job/f", start=START), None, 9)] == ["f"]


# What is refused ----------------------------------------------------------------------------------------------------


def test_a_month_that_is_open_or_was_heard_of_too_lately_is_not_archived(ledger, tmp_path):
    a_month(ledger)
    with pytest.raises(ConflictError, match="close it first"):
        archive(ledger.database, NOVEMBER, tmp_path)
    ledger.close_period(NOVEMBER, 0)
    with pytest.raises(ConflictError, match="can leave once it was heard on 2026-12-08T00:00:00Z"):
        archive(ledger.database, NOVEMBER, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def test_months_leave_in_their_order_and_come_back_from_the_last(ledger, tmp_path):
    closed(ledger)
    heard(ledger, 3, 75)
    ledger.close_period(DECEMBER, 0)
    with pytest.raises(ConflictError, match="2026-11 is not archived"):
        archive(ledger.database, DECEMBER, tmp_path)
    before = answers(ledger)
    archive(ledger.database, NOVEMBER, tmp_path)
    archive(ledger.database, DECEMBER, tmp_path)
    assert answers(ledger) == before
    with pytest.raises(ConflictError, match="2026-12 is archived as well"):
        restore(ledger.database, NOVEMBER)
    restore(ledger.database, DECEMBER)
    restore(ledger.database, NOVEMBER)
    assert answers(ledger) == before
    with pytest.raises(NotFoundError, match="is not archived"):
        restore(ledger.database, NOVEMBER)


def test_nothing_leaves_for_a_file_that_is_not_what_was_written(ledger, tmp_path, monkeypatch):
    before = all_of(closed(ledger))

    def spoil(path):
        if path.name.startswith("postings"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)

    monkeypatch.setattr(archiving, "keep", spoil)
    with pytest.raises((PermanentError, OSError)):
        archive(ledger.database, NOVEMBER, tmp_path)
    assert all_of(ledger) == before


def test_a_file_that_was_changed_or_lost_is_named_and_nothing_is_read_from_it(ledger, tmp_path):
    found = archive(closed(ledger).database, NOVEMBER, tmp_path)
    path = found.path(postings)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(PermanentError, match="not what was archived"):
        answers(ledger)
    with pytest.raises(PermanentError, match="not what was archived"):
        restore(ledger.database, NOVEMBER)
    path.unlink()
    with pytest.raises(NotFoundError, match=r"--moved 2026-11=FOLDER"):
        answers(ledger)


def test_files_that_were_moved_are_found_once_that_is_said(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path / "here")
    before = answers(ledger)
    shutil.move(tmp_path / "here", tmp_path / "there")
    with pytest.raises(NotFoundError):
        moved(ledger.database, NOVEMBER, tmp_path)
    moved(ledger.database, NOVEMBER, tmp_path / "there")
    assert answers(ledger) == before


@pytest.mark.parametrize("archived", [False, True])
def test_the_database_lets_no_posting_go_or_come_but_those_of_an_archived_month(ledger, tmp_path, archived):
    closed(ledger)
    if archived:
        archive(ledger.database, NOVEMBER, tmp_path)
    with ledger.database.reading() as connection:
        number = connection.scalar(select(func.max(entries.c.id)).where(entries.c.period == DECEMBER))
    with pytest.raises(ConflictError, match="stays as it is"), ledger.database.writing() as connection:
        connection.execute(delete(postings).where(postings.c.entry == number))
    numbers = ("amount", "start", "seconds", "milli_gpu_seconds", "mib_seconds")
    more = dict.fromkeys((column.name for column in postings.columns), "") | dict.fromkeys(numbers, 1)
    more |= {"entry": number, "line": 99, "debit": "team:x", "credit": "capacity:c"}
    with pytest.raises(ConflictError, match="cannot be added to"), ledger.database.writing() as connection:
        connection.execute(insert(postings).values(**more))


def test_the_database_itself_keeps_a_month_archived_whose_postings_do_not_add_up(ledger, tmp_path):
    archive(closed(ledger).database, NOVEMBER, tmp_path)
    with pytest.raises(ConflictError, match="must add up"), ledger.database.writing() as connection:
        connection.execute(delete(archives))
    row = {"period": DECEMBER, "folder": "", "files": "{}", "restoring": False}
    with pytest.raises(ConflictError, match="only a closed month"), ledger.database.writing() as connection:
        connection.execute(insert(archives).values(**row))
    with ledger.database.reading() as connection:
        assert [one.period for one in archived_months(connection)] == [NOVEMBER]
    assert first_day(NOVEMBER) == FIRST
