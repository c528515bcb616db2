"""MPS daemons that the host started outlive the driver and everything that ends with the driver's container."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from farthing.model.errors import TransientError
from farthing.node.mps import MpsDaemons, domain_name
from farthing.node.mps_host import SOCKET
from farthing.node.sockets import answers
from tests.unit.node.test_mps import DEVICES, DOUBLE, heard, kill, pid, shares

ROOT = Path(__file__).parents[3]
ENDS_WITH_ME = "import ctypes; ctypes.CDLL(None).prctl(36, 1)"  # PR_SET_CHILD_SUBREAPER
HOST = f"""{ENDS_WITH_ME}
import sys
from pathlib import Path
from farthing.node.mps_daemon import Control
from farthing.node.mps_host import MpsHost
folder = Path(sys.argv[1])
MpsHost(folder, Control(folder, sys.argv[2], own_shm=False)).serve_forever()
"""
DRIVER = f"""{ENDS_WITH_ME}
import sys
from pathlib import Path
from farthing.node.mps import MpsDaemons
from tests.unit.node.test_mps import DEVICES, shares
host = Path(sys.argv[3]) if sys.argv[3:] else None
MpsDaemons(Path(sys.argv[1]), sys.argv[2], own_shm=False, host=host).open(shares(1, level="hard"), DEVICES)
print("open", flush=True)
sys.stdin.read()
"""


class Container:
    """A program and all that it starts: what loses its parent becomes a child of the first, and all ends with it."""

    def __init__(self, *command):
        self.first = subprocess.Popen(
            [sys.executable, "-c", *map(str, command)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, word):
        """Wait until it has printed this line."""
        assert any(line.strip() == word for line in self.first.stdout)

    def end(self):
        if self.first.poll() is None:
            everybody = [psutil.Process(self.first.pid), *psutil.Process(self.first.pid).children(recursive=True)]
            for one in everybody:
                one.kill()
            self.first.wait(10)
            psutil.wait_procs(everybody, 10)
        self.first.stdin.close()
        self.first.stdout.close()


@pytest.fixture
def start():
    """A way to start containers, which end with the test."""
    running = []

    def begin(*command):
        running.append(Container(*command))
        return running[-1]

    yield begin
    for one in running:
        one.end()


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("m")


@pytest.fixture
def host(folder, start):
    found = start(HOST, folder, DOUBLE)
    wait(folder / SOCKET)
    return found


def wait(path):
    deadline = time.monotonic() + 20
    while not answers(path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(number):
    return psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE


def daemons(folder):
    return MpsDaemons(folder, str(DOUBLE), own_shm=False, host=folder / SOCKET)


def test_without_a_host_the_daemons_end_with_the_drivers_container(folder, start):
    driver = start(DRIVER, folder, DOUBLE)
    driver.until("open")
    daemon = pid(folder, shares(1, level="hard"))
    assert alive(daemon)
    driver.end()
    assert not alive(daemon)


@pytest.mark.usefixtures("host")
def test_with_a_host_they_outlive_it_and_the_next_driver_goes_on_with_them(folder, start):
    driver = start(DRIVER, folder, DOUBLE, folder / SOCKET)
    driver.until("open")
    group = shares(1, level="hard")
    daemon = pid(folder, group)
    driver.end()
    assert alive(daemon)
    following = daemons(folder)
    assert following.tend() == ()
    following.open(group, DEVICES)
    assert pid(folder, group) == daemon
    assert heard(folder, group)[-1] == "set_default_active_thread_percentage 25"
    following.close(group, [])
    assert not alive(daemon)
    assert not (folder / domain_name(group)).exists()


def test_when_the_host_ends_its_daemons_end_and_the_next_host_has_them_started_again(folder, host, start):
    group = shares(1, level="hard")
    daemons(folder).open(group, DEVICES)
    daemon = pid(folder, group)
    host.end()
    assert not alive(daemon)
    assert daemons(folder).tend() == ()  # nobody can start it, and the look at the devices goes on
    (folder / SOCKET).unlink()
    start(HOST, folder, DOUBLE)
    deadline = time.monotonic() + 20
    while not daemons(folder).tend():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert alive(pid(folder, group))


def test_a_share_waits_for_a_host_that_is_not_there_and_the_sentence_says_so(folder):
    with pytest.raises(TransientError, match=r"the MPS host does not answer at .* DaemonSet farthing-mps"):
        daemons(folder).open(shares(1, level="hard"), DEVICES)


def test_what_the_program_says_reaches_whoever_asked(folder, start):
    start(HOST, folder, "/nonexistent")
    wait(folder / SOCKET)
    with pytest.raises(TransientError, match=r"the MPS host says: .*/nonexistent"):
        daemons(folder).open(shares(1, level="hard"), DEVICES)


GOOD = {"name": "hard-0123456789abcdef", "uuids": ["GPU-0"], "memory": [1024], "threads": 25}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    "question",
    [
        "",
        "no json",
        "[]",
        json.dumps({**GOOD, "name": "../../etc"}),
        json.dumps({**GOOD, "name": "hard-0123456789abcdef/../x"}),
        json.dumps({**GOOD, "uuids": ["GPU-0; reboot"]}),
        json.dumps({**GOOD, "uuids": [7]}),
        json.dumps({**GOOD, "memory": ["1 ; quit"]}),
        json.dumps({**GOOD, "memory": [0]}),
        json.dumps({**GOOD, "threads": 0}),
        json.dumps({**GOOD, "threads": "25\nquit"}),
        json.dumps({"name": GOOD["name"]}),
        "x" * 200_000,
    ],
)
def test_the_host_starts_nothing_but_domains(folder, question):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folder / SOCKET))
        with contextlib.suppress(BrokenPipeError):  # it may have read enough of it
            line.sendall(question.encode() + b"\n")
        answer = json.loads(line.makefile("rb").readline())
    assert answer["error"].startswith("question")
    assert {path.name for path in folder.iterdir()} == {SOCKET}


@pytest.mark.usefixtures("host")
def test_a_second_host_does_not_push_the_first_away(folder):
    second = subprocess.run(
        [sys.executable, "-m", "farthing.node.mps_host", "--mps-dir", folder, "--mps-control", DOUBLE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "another MPS host listens" in second.stderr
    daemons(folder).open(shares(1, level="hard"), DEVICES)


def test_a_host_that_is_told_to_end_removes_its_socket(folder):
    command = [sys.executable, "-m", "farthing.node.mps_host", "--mps-dir", folder, "--mps-control", DOUBLE]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert "at work" in process.stderr.readline()
    assert (folder / SOCKET).stat().st_mode & 0o777 == 0o600
    process.terminate()
    assert process.wait(10) == 0
    process.stderr.close()
    assert not (folder / SOCKET).exists()


def test_killed_between_a_daemons_start_and_its_limits_the_limits_are_set_before_a_client_comes(folder, monkeypatch):
    """A daemon without its limits would let the first client have everything."""
    local = MpsDaemons(folder, str(DOUBLE), own_shm=False)
    group = shares(1, level="hard")

    class KilledError(Exception):
        pass

    def die(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("farthing.node.mps_daemon.Control._say", die)
        with pytest.raises(KilledError):
            local.open(group, DEVICES)
    assert heard(folder, group) == ["devices GPU-0"]
    assert local.tend() == ()  # it is alive, and whoever opens it will see to its limits
    local.open(group, DEVICES)
    assert heard(folder, group)[-2:] == [
        "set_default_device_pinned_mem_limit 0 20480M",
        "set_default_active_thread_percentage 25",
    ]
    kill(pid(folder, group))
