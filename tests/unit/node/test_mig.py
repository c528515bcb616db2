"""MIG partitions are cut when they are wanted and undone afterwards, whoever is killed at whatever point."""

import pytest

from tests.unit.node.nvml_machine import a100

SMALL, HALF, WHOLE = "gpu-0-mig-1g5gb-19-0", "gpu-0-mig-3g20gb-9-4", "gpu-0-mig-7g40gb-0-0"


OTHER = {"uuid": "MIG-other", "name": "NVIDIA A100 MIG 3g.20gb", "memory": 20937965568, "gi": 2, "ci": 0}


@pytest.fixture
def machine(start):
    """One A100 in MIG mode, with a driver that has looked at it."""
    found = start(mps=False)
    found.add(a100(0))
    found.ask("look")
    return found


def standing(machine):
    return [(profile, start) for _, profile, start, compute in machine.cut if compute]


def test_every_profile_is_offered_at_every_place(machine):
    found = machine.ask("look")
    assert len(found) == 7 + 7 + 4 + 3 + 2 + 1 + 1
    half = found[HALF]
    assert half["levels"] == ["partition"]
    assert half["shared"] is False
    assert half["memory"] == 20096 << 20
    assert half["attributes"]["profile"] == "3g.20gb"
    assert half["attributes"]["parentUUID"] == "GPU-0"
    assert "uuid" not in half["attributes"]
    assert half["consumes"] == {
        "multiprocessors": 42,
        "copy-engines": 3,
        "decoders": 2,
        **{f"memory-slice-{i}": 1 for i in range(4, 8)},
    }
    assert found["gpu-0-mig-1g5gb-me-20-3"]["attributes"]["profile"] == "1g.5gb+me"


def test_the_counters_are_those_of_the_whole_gpu(machine):
    assert machine.ask("counters") == {
        "gpu-0-counter-set": {
            "multiprocessors": 98,
            "copy-engines": 7,
            "decoders": 5,
            "jpeg-engines": 1,
            "ofa-engines": 1,
            **{f"memory-slice-{i}": 1 for i in range(8)},
        }
    }


def test_a_partition_is_cut_when_it_is_prepared_and_undone_afterwards(machine):
    machine.ask("give", 1, HALF)
    answer = machine.ask("prepare", 1)
    assert "NVIDIA_VISIBLE_DEVICES=MIG-made-0" in answer["env"]
    assert answer["nodes"][0] == "/dev/nvidia0"
    assert len([node for node in answer["nodes"] if node.startswith("/dev/nvidia-caps/")]) == 2
    assert standing(machine) == [(9, 4)]
    machine.ask("unprepare", 1)
    assert machine.cut == []


def test_what_is_offered_does_not_change_by_what_we_cut(machine):
    before = machine.ask("look")
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    assert machine.ask("look") == before


def test_preparing_again_cuts_nothing_again(machine):
    machine.ask("give", 1, HALF)
    assert machine.ask("prepare", 1) == machine.ask("prepare", 1)
    machine.restart()
    machine.ask("look")
    machine.ask("prepare", 1)
    assert standing(machine) == [(9, 4)]


def test_the_books_of_the_node_keep_two_from_overlapping(machine):
    machine.ask("give", 1, WHOLE)
    machine.ask("give", 2, SMALL)
    machine.ask("prepare", 1)
    assert machine.ask("prepare", 2)["error"].startswith("ShareConflict: ")
    assert standing(machine) == [(0, 0)]


# Others' instances ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shared_gpu(start):
    """An A100 on which somebody cut a 3g.20gb at the beginning."""
    found = start(mps=False)
    found.add({**a100(0), "mig0": {**OTHER, "place": "2,9,0,4"}})
    return found


def test_what_others_cut_is_a_device_and_what_it_takes_is_not_offered(shared_gpu):
    found = shared_gpu.ask("look")
    assert found["gpu-0-mig-2-0"]["attributes"]["uuid"] == "MIG-other"
    rest = {name: device for name, device in found.items() if name != "gpu-0-mig-2-0"}
    assert {d["attributes"]["profile"] for d in rest.values()} == {
        "1g.5gb",
        "1g.5gb+me",
        "1g.10gb",
        "2g.10gb",
        "3g.20gb",
    }
    taken = {f"memory-slice-{i}" for i in range(4)}
    assert all(taken.isdisjoint(device["consumes"]) for device in rest.values())
    counters = shared_gpu.ask("counters")["gpu-0-counter-set"]
    assert counters["multiprocessors"] == 98 - 42
    assert taken.isdisjoint(counters)


def test_what_others_cut_is_never_undone(shared_gpu):
    shared_gpu.ask("look")
    shared_gpu.ask("give", 1, "gpu-0-mig-2-0")
    assert "NVIDIA_VISIBLE_DEVICES=MIG-other" in shared_gpu.ask("prepare", 1)["env"]
    shared_gpu.ask("unprepare", 1)
    shared_gpu.ask("sweep")
    assert "gpu-0-mig-2-0" in shared_gpu.ask("look")


def test_an_instance_of_a_profile_that_nobody_knows_still_takes_its_place(machine):
    machine.change("gpu0", mig0={**OTHER, "place": "2,77,0,4"})
    found = machine.ask("look")
    assert found["gpu-0-mig-2-0"]["attributes"]["uuid"] == "MIG-other"
    assert {name for name in found if "1g5gb-19" in name} == {f"gpu-0-mig-1g5gb-19-{i}" for i in (4, 5, 6)}


def test_an_instance_that_somebody_cut_in_between_is_said(machine):
    machine.ask("give", 1, HALF)
    machine.ask("give", 2, "gpu-0-mig-1g5gb-19-5")
    machine.change("gpu0", mig0={**OTHER, "place": "2,9,4,4"})
    assert "another MIG instance of the GPU is in its place" in machine.ask("prepare", 2)["error"]
    assert machine.cut == []


# Failure --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [1, 2], ids=["GPU instance made", "compute instance made"])
@pytest.mark.parametrize("then", ["prepare", "unprepare", "gone"])
def test_killed_while_it_cuts_the_next_driver_ends_at_the_same_place(machine, change, then):
    machine.ask("give", 1, HALF)
    machine.state["die"] = change
    machine.write()
    assert machine.ask("prepare", 1) is None
    assert len(machine.cut) == 1
    del machine.state["die"]
    machine.write()
    machine.restart()
    machine.ask("look")
    if then == "prepare":
        assert "NVIDIA_VISIBLE_DEVICES=MIG-made-0" in machine.ask("prepare", 1)["env"]
        assert standing(machine) == [(9, 4)]
        return
    if then == "gone":
        machine.ask("take", 1)
        assert machine.ask("sweep") == ["c1"]
    else:
        machine.ask("unprepare", 1)
    assert machine.cut == []


@pytest.mark.parametrize("change", [3, 4], ids=["compute instance gone", "GPU instance gone"])
def test_killed_while_it_undoes_the_next_driver_ends_at_the_same_place(machine, change):
    machine.ask("give", 1, HALF)
    machine.state["die"] = change
    machine.write()
    machine.ask("prepare", 1)
    assert machine.ask("unprepare", 1) is None
    del machine.state["die"]
    machine.write()
    machine.restart()
    machine.ask("look")
    machine.ask("unprepare", 1)
    assert machine.cut == []
    machine.ask("give", 2, HALF)
    assert "NVIDIA_VISIBLE_DEVICES=MIG-made-0" in machine.ask("prepare", 2)["env"]


def test_a_partition_that_a_process_holds_stays_and_is_said(machine):
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    machine.change("gpu0", busy=1)
    assert machine.ask("unprepare", 1)["error"] == f"PartitionBusy: {HALF} cannot be undone while a process holds it"
    machine.ask("give", 2, WHOLE)
    assert machine.ask("prepare", 2)["error"].startswith("ShareConflict: ")
    del machine.state["gpu0"]["busy"]
    machine.write()
    machine.ask("unprepare", 1)
    assert machine.cut == []


def test_what_was_cut_for_a_claim_is_not_handed_on_to_another(machine, tmp_path):
    """The record of the first is lost, its instance is not."""
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    for part in ("claims", "cdi"):
        for path in (tmp_path / part).iterdir():
            path.unlink()
    machine.restart()
    machine.ask("look")
    machine.ask("give", 2, HALF)
    assert (
        "NVIDIA_VISIBLE_DEVICES=MIG-made-0" in machine.ask("prepare", 2)["env"]
    )  # the number starts anew: it was free
    machine.ask("unprepare", 2)
    assert machine.cut == []


def test_a_partition_of_nobody_is_undone_by_the_next_sweep(machine, tmp_path):
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    for part in ("claims", "cdi"):
        for path in (tmp_path / part).iterdir():
            path.unlink()
    machine.restart()
    machine.ask("look")
    machine.ask("sweep")
    assert machine.cut == []


def test_a_failed_cut_leaves_nothing(machine):
    machine.ask("give", 1, HALF)
    machine.change("gpu0", create={"error": 999})
    assert "cannot be managed" in machine.ask("prepare", 1)["error"]
    machine.state["gpu0"].pop("create")
    machine.write()
    assert "NVIDIA_VISIBLE_DEVICES=MIG-made-0" in machine.ask("prepare", 1)["env"]


def test_a_gpu_that_is_lost_does_not_hold_its_claims(machine):
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    machine.change("gpu0", error=15)
    assert machine.ask("look")[HALF]["troubles"] == [["lost", "bus", "NoExecute"]]
    assert machine.ask("counters")["gpu-0-counter-set"]["multiprocessors"] == 98
    assert machine.ask("unprepare", 1) == {}


def test_use_is_read_of_what_is_cut(machine):
    machine.ask("give", 1, HALF)
    machine.ask("prepare", 1)
    assert machine.ask("used") == []
