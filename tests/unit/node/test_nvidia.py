"""NVIDIA's own binding, against a library compiled here with the same ABI: devices, MIG, health, use, isolation.

It runs in a process of its own, since a library once loaded stays.
"""

import psutil
import pytest

from tests.unit.node.nvml_machine import gpu


def test_gpus_are_found_with_upstreams_attributes(start):
    gpu = start().ask("look")["gpu-0"]
    assert gpu["memory"] == 85520809984 // (1 << 20) * (1 << 20)
    assert gpu["attributes"] == {
        "vendor": "nvidia",
        "type": "gpu",
        "productName": "NVIDIA H100 80GB HBM3",
        "model": "H100",
        "uuid": "GPU-0",
        "minor": 0,
        "driverVersion": "570.86.10",
        "cudaComputeCapability": "9.0.0",
        "resource.kubernetes.io/pciBusID": "0000:1b:00.0",
        "migMode": "off",
    }


def test_a_gpu_whose_mig_mode_waits_for_a_reset_says_so_and_is_one_device_until_then(start):
    machine = start()
    machine.change("gpu0", migpending=1)
    assert machine.ask("look")["gpu-0"]["attributes"]["migMode"] == "pending"
    del machine.state["gpu0"]["mig"]  # NVML has no such mode on it
    machine.write()
    assert "migMode" not in machine.ask("look")["gpu-0"]["attributes"]


def test_a_gpu_in_mig_mode_is_its_instances(start):
    found = start().ask("look")
    assert set(found) == {"gpu-0", "gpu-1-mig-7-0", "gpu-1-mig-2-0", "gpu-2"}
    instance = found["gpu-1-mig-2-0"]
    assert instance["levels"] == ["partition"]
    assert instance["shared"] is False
    assert instance["attributes"]["profile"] == "3g.20gb"
    assert instance["attributes"]["parentUUID"] == "GPU-1"
    assert instance["attributes"]["uuid"] == "MIG-1"


def test_without_an_mps_daemon_its_levels_are_not_offered(start):
    assert start(mps=False).ask("look")["gpu-0"]["levels"] == ["shared"]


def test_with_one_they_are(start):
    assert start().ask("look")["gpu-0"]["levels"] == ["hard", "shared", "soft"]


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"xid": 79}, ["xid", "79", "NoExecute"]),
        ({"remapped": "0,1,0,1"}, ["ecc", "remap-failed", "NoExecute"]),
        ({"remapped": "0,1,1,0"}, ["ecc", "remap-pending", "None"]),
        ({"ecc": 3}, ["ecc", "uncorrected", "NoSchedule"]),
        ({"temperature": 86}, ["thermal", "hot", "None"]),
    ],
)
def test_what_is_wrong_is_told(start, change, trouble):
    machine = start()
    assert machine.ask("look")["gpu-0"]["troubles"] == []
    machine.change("gpu0", **change)
    assert machine.ask("look")["gpu-0"]["troubles"] == [trouble]
    assert machine.ask("look")["gpu-2"]["troubles"] == []


def test_an_xid_of_a_programs_own_making_is_no_trouble(start):
    machine = start()
    machine.ask("look")
    machine.change("gpu0", xid=31)
    assert machine.ask("look")["gpu-0"]["troubles"] == []


def test_heat_passes_and_an_xid_stays(start):
    machine = start()
    machine.ask("look")
    machine.change("gpu0", temperature=89, xid=48)
    machine.ask("look")
    machine.change("gpu0", temperature=50)
    assert machine.ask("look")["gpu-0"]["troubles"] == [["xid", "48", "NoExecute"]]


def test_a_gpu_that_fell_off_the_bus_is_kept_and_broken_and_comes_back(start):
    machine = start()
    machine.ask("look")
    machine.change("gpu0", error=15)
    assert machine.ask("look")["gpu-0"]["troubles"] == [["lost", "bus", "NoExecute"]]
    assert machine.ask("look")["gpu-0"]["troubles"] == [["lost", "bus", "NoExecute"]]
    del machine.state["gpu0"]["error"]
    machine.write()
    assert machine.ask("look")["gpu-0"]["troubles"] == []


def test_an_nvml_that_does_not_answer_is_an_error_with_a_hint(start):
    machine = start()
    machine.state.clear()
    machine.write()
    assert "cannot be listed" in machine.ask("look")["error"]


def test_who_uses_how_much_is_read_by_process(start):
    machine = start()
    machine.change("gpu0", process="4711,1073741824,37")
    machine.ask("look")
    assert {"device": "gpu-0", "process": 4711, "memory": 1 << 30, "busy": 370} in machine.ask("used")


def test_a_hard_share_has_its_daemon_while_it_is_open(start, tmp_path):
    machine = start()
    machine.ask("look")
    edits = machine.ask("open hard")
    assert edits["env"]["NVIDIA_VISIBLE_DEVICES"] == "GPU-0"
    assert edits["env"]["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=20480M"
    assert "/dev/nvidia0" in edits["nodes"]
    assert edits["mounts"] == [edits["env"]["CUDA_MPS_PIPE_DIRECTORY"]]
    assert len(list((tmp_path / "mps").iterdir())) == 1
    machine.ask("close hard")
    assert list((tmp_path / "mps").iterdir()) == []


def test_a_daemon_outlives_a_driver_that_is_killed_on_the_host(start, tmp_path):
    """In a container it would not: everything in a container ends with it."""
    machine = start()
    machine.ask("look")
    machine.ask("open", "hard")
    (place,) = (tmp_path / "mps").iterdir()
    number = (place / "pipe" / "nvidia-cuda-mps-control.pid").read_text()
    machine.process.kill()
    machine.restart()
    machine.ask("look")
    machine.ask("open", "hard")
    assert (place / "pipe" / "nvidia-cuda-mps-control.pid").read_text() == number
    assert psutil.pid_exists(int(number))
    machine.ask("close", "hard")


def test_a_shared_share_has_none(start, tmp_path):
    machine = start()
    machine.ask("look")
    assert machine.ask("open shared")["mounts"] == []
    assert not (tmp_path / "mps").exists()


def test_a_hard_share_without_mps_is_refused_never_weakened(start):
    machine = start(mps=False)
    machine.ask("look")
    assert "IsolationUnavailable: hard needs MPS" in machine.ask("open hard")["error"]


def test_a_gpu_whose_instances_are_all_gone_is_not_lost(start):
    machine = start()
    machine.ask("look")
    del machine.state["gpu1"]["mig0"], machine.state["gpu1"]["mig1"]
    machine.write()
    assert set(machine.ask("look")) == {"gpu-0", "gpu-2"}


def test_where_a_gpu_sits_is_told_under_kubernetes_names(start, tmp_path):
    machine = start()
    device = tmp_path / "root/sys/devices/pci0000:17/0000:17:01.0/0000:1b:00.0"
    device.mkdir(parents=True)
    (device / "numa_node").write_text("1\n")
    bus = tmp_path / "root/sys/bus/pci/devices"
    bus.mkdir(parents=True)
    (bus / device.name).symlink_to(device)
    attributes = machine.ask("look")["gpu-0"]["attributes"]
    assert attributes["resource.kubernetes.io/pcieRoot"] == "pci0000:17"
    assert attributes["resource.kubernetes.io/numaNode"] == 1


def nvlinks(machine):
    return [device["attributes"].get("nvlinkDomain") for _, device in sorted(machine.ask("look").items())]


def test_gpus_that_nvlink_connects_are_one_domain(start):
    machine = start()
    first, second = "00000000:00:00.0", "00000000:01:00.0"
    machine.add(gpu(0, link0=second, link3=second), gpu(1, link0=first), gpu(2), gpu(3, link0="00000000:7F:00.0"))
    assert nvlinks(machine) == ["0000:00:00.0", "0000:00:00.0", None, None]


def test_gpus_on_switches_are_one_domain(start):
    machine = start()
    machine.add(*(gpu(number, link0="switch") for number in range(3)), gpu(3))
    assert nvlinks(machine) == ["0000:00:00.0"] * 3 + [None]
