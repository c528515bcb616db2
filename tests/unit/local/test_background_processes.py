"""Processes that outlive whoever started them are found again, and nobody else's are touched."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farthing.local.processes import Background
from farthing.model.errors import PermanentError

SLEEP = ["sleep", "1000"]
DEAF = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Background]:
    background = Background(tmp_path, "sleeper")
    background.start(SLEEP)
    yield background
    background.stop()


def pid_of(background: Background) -> int:
    found = background.process()
    assert found is not None
    return found.pid


def test_it_is_found_again_by_whoever_knows_its_folder(sleeper: Background):
    assert pid_of(Background(sleeper.folder, "sleeper")) == pid_of(sleeper)


def test_starting_what_runs_changes_nothing(sleeper: Background):
    before = pid_of(sleeper)
    sleeper.start(SLEEP)
    assert pid_of(sleeper) == before


def test_it_does_not_end_with_the_terminal(sleeper: Background):
    assert os.getsid(pid_of(sleeper)) != os.getsid(0)


def test_a_clock_that_is_set_changes_nothing(sleeper: Background, monkeypatch):
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: 12345.0)
    assert sleeper.process() is not None


def test_stopping_is_complete_and_may_be_repeated(sleeper: Background):
    pid = pid_of(sleeper)
    sleeper.stop()
    sleeper.stop()
    assert sleeper.process() is None
    assert not psutil.pid_exists(pid)
    assert [path.name for path in sleeper.folder.iterdir()] == ["sleeper.log"]


def test_whoever_does_not_listen_is_ended(tmp_path):
    deaf = Background(tmp_path, "deaf")
    deaf.start(DEAF)
    while not deaf.log.read_text():
        time.sleep(0.01)
    pid = pid_of(deaf)
    deaf.stop(seconds=0.1)
    assert not psutil.pid_exists(pid)


def test_a_crash_is_seen(sleeper: Background):
    sleeper.kill()
    assert sleeper.process() is None


def test_somebody_else_with_the_same_number_is_left_alone(tmp_path):
    with subprocess.Popen(SLEEP) as stranger:
        record = {"pid": stranger.pid, "birth": "an-earlier-boot+1", "log_from": 0}
        (tmp_path / "ours.pid").write_text(json.dumps(record))
        ours = Background(tmp_path, "ours")
        assert ours.process() is None
        ours.stop()
        ours.kill()
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("record", ["", "{}", "null", "[]", '{"pid": 1}', '{"pid": "x", "birth": ""}'])
def test_a_record_that_makes_no_sense_is_no_process(tmp_path, record):
    (tmp_path / "ours.pid").write_text(record)
    assert Background(tmp_path, "ours").process() is None


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PermanentError, match=r"cannot start etcd \(/nowhere/etcd\): No such file"):
        Background(tmp_path, "etcd").start(["/nowhere/etcd"])


def test_its_last_words_are_those_of_the_last_start(tmp_path):
    talker = Background(tmp_path, "talker")
    assert talker.last_words() == "(no log)"
    for word in ("first", "second"):
        talker.start([sys.executable, "-c", f"print('a'); print('{word}')"])
        while talker.process() is not None:
            time.sleep(0.01)
    assert talker.last_words() == "a\nsecond"
    assert talker.last_words(lines=1) == "second"
