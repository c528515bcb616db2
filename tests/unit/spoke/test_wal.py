"""The meter's log keeps what was appended, through kill -9, full disks and damage; and it is bounded."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from farthing.ledger.interval import Batch
from farthing.model.errors import InvalidError, TransientError
from farthing.spoke.wal import Wal
from tests.ledgers import interval

ROOT = Path(__file__).parents[3]


def batch(seq):
    return Batch("c", 1, seq, seq, (interval(f"claim-{seq}"),))


def contents(wal):
    return [found for segment in wal.complete() for found in wal.read(segment)[0]]


def append_for_ever(folder, before=""):
    """Another process that appends, and prints the number of each batch once it is appended."""
    program = f"""
        import resource
        from pathlib import Path
        from farthing.spoke.wal import Wal
        from tests.unit.spoke.test_wal import batch
        {before}
        wal = Wal(Path({str(folder)!r}), segment_bytes=5000)
        for seq in range(1, 100_000):
            wal.append(batch(seq))
            print(seq, flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_what_was_appended_is_read_back_in_order_by_the_next_process(tmp_path):
    with closing(Wal(tmp_path, segment_bytes=1000)) as wal:
        for seq in range(1, 20):
            wal.append(batch(seq))
        assert len(wal.segments()) > 3
    with closing(Wal(tmp_path)) as wal:
        assert contents(wal) == [batch(seq) for seq in range(1, 20)]
        wal.append(batch(20))
        assert contents(wal)[-1] == batch(20)


@pytest.mark.parametrize("after", [1, 7, 40])
def test_kill_9_loses_nothing_that_was_appended(tmp_path, after):
    with append_for_ever(tmp_path) as process:
        said = [int(process.stdout.readline()) for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().splitlines() if line]
    with closing(Wal(tmp_path)) as wal:
        found = [one.seq for one in contents(wal)]
    assert found[: len(said)] == said
    assert found == list(range(1, len(found) + 1))


def test_a_full_disk_refuses_and_leaves_whole_records(tmp_path):
    """A limit on the size of files stands for the disk: writes stop half-way through a record just the same."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    with append_for_ever(tmp_path, limit) as process:
        said = process.stdout.read().split()
        error = process.stderr.read().decode()
    assert "TransientError: cannot write the meter's log" in error
    with closing(Wal(tmp_path)) as wal:
        segment = wal.complete()[0]
        found, whole = wal.read(segment)
    assert whole
    assert [one.seq for one in found] == [int(number) for number in said]


def test_after_a_failed_write_the_next_one_counts(tmp_path, monkeypatch):
    real, failures = os.fsync, [OSError(28, "No space left on device")]

    def fails_once(handle):
        if failures:
            raise failures.pop()
        real(handle)

    with closing(Wal(tmp_path)) as wal:
        wal.append(batch(1))
        monkeypatch.setattr(os, "fsync", fails_once)
        with pytest.raises(TransientError, match="No space left"):
            wal.append(batch(2))
        wal.append(batch(2))
        assert [one.seq for one in contents(wal)] == [1, 2]


def test_a_log_that_is_full_refuses_until_the_ledger_has_taken_some(tmp_path):
    size = len(msgspec.json.encode(batch(1))) + 8
    with closing(Wal(tmp_path, most_bytes=2 * size)) as wal:
        wal.append(batch(1))
        wal.append(batch(2))
        with pytest.raises(TransientError, match="is full"):
            wal.append(batch(3))
        for segment in wal.complete():
            wal.drop(segment)
        wal.append(batch(3))
        assert [one.seq for one in contents(wal)] == [3]


def test_half_a_record_is_not_read_and_the_segment_is_put_aside(tmp_path):
    with closing(Wal(tmp_path)) as wal:
        wal.append(batch(1))
        wal.append(batch(2))
    segment = next(tmp_path.glob("*.log"))
    segment.write_bytes(segment.read_bytes()[:-3])
    with closing(Wal(tmp_path)) as wal:
        assert wal.read(segment) == ([batch(1)], False)
        wal.drop(segment, damaged=True)
        assert (wal.segments(), wal.size) == ([], 0)
    assert [path.suffix for path in tmp_path.glob("0*")] == [".damaged"]


def test_a_record_whose_bits_have_turned_is_not_believed(tmp_path):
    with closing(Wal(tmp_path)) as wal:
        wal.append(batch(1))
        segment = wal.complete()[0]
        content = bytearray(segment.read_bytes())
        content[50] ^= 1
        segment.write_bytes(content)
        assert wal.read(segment) == ([], False)


def test_a_folder_has_one_owner(tmp_path):
    with closing(Wal(tmp_path)), pytest.raises(InvalidError, match="in use by another spoke"):
        Wal(tmp_path)


def test_a_place_that_cannot_be_written_is_refused_with_the_option(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidError, match="--ledger-log: cannot write"):
        Wal(tmp_path / "file" / "log")
