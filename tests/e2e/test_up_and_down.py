"""`farthing up` twice is once, the commands answer programs, and `farthing down` leaves nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from farthing.local.binaries import obtain

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def farthing(tmp_path):
    """Runs the command in a home of its own; gone afterwards whatever happens."""
    programs = obtain(None, lambda what, done, total: print(f"getting {what}", file=sys.stderr))
    environment = {**os.environ, "FARTHING_HOME": str(tmp_path / "home"), "FARTHING_BIN": str(programs)}
    environment.pop("KUBECONFIG", None)

    def run(*arguments, status=0):
        command = [sys.executable, "-m", "farthing", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout

    yield run
    run("down", "--all")


def running_below(folder):
    """The command lines of processes that work in the folder."""
    processes = (process.info for process in psutil.process_iter(["cmdline", "cwd"]))
    return [info["cmdline"] for info in processes if (info["cwd"] or "").startswith(str(folder))]


def test_from_nothing_to_a_demo_and_back(farthing, tmp_path):
    first = json.loads(farthing("up", "--demo", str(EXAMPLES), "-o", "json"))
    again = json.loads(farthing("up", "--demo", str(EXAMPLES), "-o", "json"))
    states = {row["pod"]: row["state"] for row in again["pods"]}
    assert {row["pod"] for row in first["pods"]} == set(states)
    assert sorted(set(states.values())) == ["running", "waits"]
    assert [found["name"] for found in first["submitted"] if found["refusal"]] == ["wrong"]
    status = json.loads(farthing("status", "-o", "json"))
    assert status
    assert len(json.loads(farthing("devices", "-o", "json"))) == 56
    for view in ("nodes", "models", "teams", "pods"):
        assert json.loads(farthing("top", view, "-o", "json"))
    explained = json.loads(farthing("explain", "pod/dreamer", "-o", "json"))
    assert "UnknownModel" in json.dumps(explained)
    farthing("explain", "pod/nobody", status=1)
    farthing("down")
    assert running_below(tmp_path) == []
    assert not (tmp_path / "home" / "local").exists()
