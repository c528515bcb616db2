"""While shares take turns on a GPU it has the time slice that was set; one that does not take it works on and says so."""

from pathlib import Path

import pytest

from farthing.node.time_slice import TimeSlice, TimeSlices

DOUBLE = Path(__file__).parent / "smi_double.py"
MODE = "-i GPU-0 -c DEFAULT"
LONG = [MODE, "compute-policy -i GPU-0 --set-timeslice 3"]
OWN = [MODE, "compute-policy -i GPU-0 --set-timeslice 0"]
REFUSALS = {
    "4\nInsufficient Permissions": "Insufficient Permissions",
    "9\n": "exit status 9",
    "0\nSetting compute mode to DEFAULT is not supported.\nTreating as warning and moving on.": "not supported",
}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What nvidia-smi was told."""
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "machine"))
    return lambda: (tmp_path / "machine.smi").read_text().splitlines()


@pytest.mark.parametrize(("wanted", "number"), [("default", 0), ("short", 1), ("medium", 2), ("long", 3)])
def test_each_length_has_nvidias_number(told, wanted, number):
    TimeSlices(str(DOUBLE), TimeSlice(wanted)).begin(["GPU-0"])
    assert told() == [MODE, f"compute-policy -i GPU-0 --set-timeslice {number}"]


@pytest.mark.parametrize("says", REFUSALS)
def test_what_it_says_when_it_refuses_is_kept_until_it_takes_it(told, tmp_path, says):
    slices = TimeSlices(str(DOUBLE), TimeSlice.long)
    (tmp_path / "machine.smi-says").write_text(says)
    slices.begin(["GPU-0"])
    assert REFUSALS[says] in slices.failures["GPU-0"]
    slices.begin(["GPU-0"])
    assert told() == [MODE]
    (tmp_path / "machine.smi-says").unlink()
    slices.end(["GPU-0"])
    assert slices.failures == {}


def test_a_program_that_is_not_there_is_said():
    slices = TimeSlices("/nonexistent/nvidia-smi", TimeSlice.short)
    slices.begin(["GPU-0"])
    assert "/nonexistent/nvidia-smi" in slices.failures["GPU-0"]


# A driver with such a setting -------------------------------------------------------------------------------------


@pytest.fixture
def machine(start):
    found = start(time_slice="long")
    found.ask("look")
    return found


def test_it_is_set_with_the_first_share_and_given_back_with_the_last(machine):
    machine.ask("open shared gpu-0 1")
    assert machine.told == LONG
    machine.ask("open shared gpu-0 2")
    machine.ask("close shared gpu-0 2")
    assert machine.told == []
    machine.ask("close shared gpu-0")
    assert machine.told == OWN
    machine.ask("open shared gpu-0 3")
    assert machine.told == LONG
    machine.restart()
    machine.ask("look")
    machine.ask("close shared gpu-0")
    assert machine.told == OWN


def test_other_levels_have_no_turns(machine):
    for level in ("hard", "soft"):
        machine.ask("open", level)
        machine.ask("close", level)
    assert machine.told == []


def test_a_gpu_that_does_not_take_it_is_opened_and_warned_of(machine, tmp_path):
    (tmp_path / "machine.smi-says").write_text("4\nInsufficient Permissions")
    assert machine.ask("open shared")["env"]["NVIDIA_VISIBLE_DEVICES"] == "GPU-0"
    assert machine.ask("look")["gpu-0"]["troubles"] == [["time-slice", "unset", "None"]]
    (tmp_path / "machine.smi-says").unlink()
    machine.ask("close shared")
    assert machine.ask("look")["gpu-0"]["troubles"] == []


def test_without_the_setting_nothing_is_touched(start):
    machine = start()
    machine.ask("look")
    machine.ask("open shared")
    machine.ask("close shared")
    assert machine.told == []
