"""Hard limits are the daemon's own, one daemon for each claim; soft shares of one team meet in one daemon."""

import time
from pathlib import Path

import psutil
import pytest

from farthing.model.errors import TransientError
from farthing.node.devices import Device
from farthing.node.mps import MpsDaemons, domain_name
from farthing.node.share import shares_of
from tests.unit.node.conftest import DRIVER, EVERY_LEVEL, GIB, NODE, claim

DOUBLE = Path(__file__).parent / "mps_double.py"
DEVICES = {f"gpu-{i}": Device(f"gpu-{i}", 80 * GIB, EVERY_LEVEL, {"uuid": f"GPU-{i}"}) for i in range(2)}


def shares(number, **more):
    return shares_of(claim(number, **more), DRIVER, NODE)


@pytest.fixture
def daemons(tmp_path):
    found = MpsDaemons(tmp_path, str(DOUBLE), own_shm=False)
    yield found
    for record in tmp_path.glob("*/pipe/*.pid"):
        psutil.Process(int(record.read_text())).kill()


def heard(tmp_path, group):
    return [
        line
        for line in (tmp_path / domain_name(group) / "log" / "heard").read_text().splitlines()
        if line != "get_server_list"
    ]


def pid(tmp_path, group):
    return int((tmp_path / domain_name(group) / "pipe" / "nvidia-cuda-mps-control.pid").read_text())


def test_hard_limits_are_set_in_the_daemon_before_any_client(daemons, tmp_path):
    group = shares(1, level="hard")
    edits = daemons.open(group, DEVICES)
    assert heard(tmp_path, group) == [
        "devices GPU-0",
        "set_default_device_pinned_mem_limit 0 20480M",
        "set_default_active_thread_percentage 25",
    ]
    assert edits.env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=20480M"
    assert edits.env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    (mount,) = edits.mounts
    assert mount.host == str(tmp_path / domain_name(group) / "pipe")
    assert mount.container == edits.env["CUDA_MPS_PIPE_DIRECTORY"]


def test_each_hard_claim_has_a_daemon_of_its_own_even_within_a_team():
    assert domain_name(shares(1, level="hard")) != domain_name(shares(2, level="hard"))


def test_soft_shares_of_one_team_meet_and_of_two_teams_do_not(daemons, tmp_path):
    one, two, other = shares(1, level="soft"), shares(2, level="soft"), shares(3, level="soft", team="b")
    assert domain_name(one) == domain_name(two) != domain_name(other)
    daemons.open(one, DEVICES)
    first = pid(tmp_path, one)
    daemons.open(two, DEVICES)
    assert pid(tmp_path, two) == first
    assert heard(tmp_path, one) == ["devices GPU-0"]


def test_opening_twice_starts_one_daemon(daemons, tmp_path):
    group = shares(1, level="hard")
    daemons.open(group, DEVICES)
    first = pid(tmp_path, group)
    daemons.open(group, DEVICES)
    assert pid(tmp_path, group) == first


def test_the_daemon_goes_with_its_last_share(daemons, tmp_path):
    one, two = shares(1, level="soft"), shares(2, level="soft")
    daemons.open(one, DEVICES)
    running = psutil.Process(pid(tmp_path, one))
    daemons.close(one, [two])
    assert running.status() != psutil.STATUS_ZOMBIE
    daemons.close(two, [])
    assert list(tmp_path.iterdir()) == []
    assert not running.is_running() or running.status() == psutil.STATUS_ZOMBIE


def test_closing_what_is_not_open_does_nothing(daemons):
    daemons.close(shares(1, level="hard"), [])


def test_daemons_of_no_share_are_stopped(daemons, tmp_path):
    mine, stray = shares(1, level="hard"), shares(2, level="hard")
    for group in (mine, stray):
        daemons.open(group, DEVICES)
    assert daemons.tidy([mine]) == (domain_name(stray),)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {domain_name(mine)}
    assert daemons.tidy([mine]) == ()


def test_a_dead_daemon_is_started_again_with_its_limits(daemons, tmp_path):
    group = shares(1, level="hard")
    daemons.open(group, DEVICES)
    kill(pid(tmp_path, group))
    assert daemons.tend() == (domain_name(group),)
    assert heard(tmp_path, group)[-1] == "set_default_active_thread_percentage 25"
    assert daemons.tend() == ()


def kill(number):
    """End a process that is nobody's child here, and wait until it does nothing any more."""
    process = psutil.Process(number)
    process.kill()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_a_program_that_is_not_there_is_said(tmp_path):
    with pytest.raises(TransientError, match="/nonexistent"):
        MpsDaemons(tmp_path, "/nonexistent", own_shm=False).open(shares(1, level="hard"), DEVICES)


def test_names_of_teams_never_become_paths():
    assert "/" not in domain_name(shares(1, level="soft", team="../../etc"))
