"""The same that is tried on stand-ins, on NVIDIA's own library and daemon. `make test-gpu`; skipped where they are not.

It needs a GPU that nobody uses, and root for the daemon. Nothing else of the machine is changed. So that this file is known to
work before it meets a GPU, `unit/node/test_hardware_tests` runs it on the stand-ins; FARTHING_GPU_ROOT is `/` there.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from farthing.node.mps import MpsDaemons
from farthing.node.nvidia import Nvidia
from farthing.node.nvidia_mig import Partitions
from farthing.node.share import shares_of
from tests.unit.node.conftest import claim

CONTROL = shutil.which("nvidia-cuda-mps-control")


def there_is_nvml():
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not there_is_nvml(), reason="no libnvidia-ml.so.1: NVIDIA's library is not on this machine"),
]
needs_mps = pytest.mark.skipif(not CONTROL, reason="no nvidia-cuda-mps-control: NVIDIA's daemon is not on this machine")


@pytest.fixture
def vendor(tmp_path):
    daemons = MpsDaemons(tmp_path / "mps", CONTROL) if CONTROL else None
    root = Path(os.environ.get("FARTHING_GPU_ROOT", "/"))
    return Nvidia(daemons, Partitions(tmp_path / "mig"), lambda: "2026-01-01T00:00:00Z", root)


def whole(vendor):
    found = [device for device in vendor.look().devices if device.attributes["type"] == "gpu"]
    if not found:
        pytest.skip("every GPU of this machine is in MIG mode")
    return found[0]


def shares(device, level):
    return shares_of(claim(1, device.name, level=level), "gpu.farthing.dev", "n1")


def test_the_gpus_are_those_that_nvidia_smi_lists(vendor):
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=True
    )
    found = vendor.look().devices
    uuids = {device.attributes.get("parentUUID", device.attributes.get("uuid")) for device in found}
    assert uuids == set(listed.stdout.split())
    assert all(not device.broken for device in found)


@needs_mps
def test_a_hard_share_has_a_daemon_with_its_limits_while_it_is_open(vendor, tmp_path):
    device = whole(vendor)
    mine = shares(device, "hard")
    vendor.open(mine)
    try:
        (place,) = (tmp_path / "mps").iterdir()
        environment = {"CUDA_MPS_PIPE_DIRECTORY": str(place / "pipe")}
        assert float(said(environment, "get_default_active_thread_percentage").stdout) == 25.0
    finally:
        vendor.close(mine, ())
    assert list((tmp_path / "mps").iterdir()) == []
    assert said(environment, "get_server_list").returncode


def said(environment, command):
    return subprocess.run([CONTROL], input=f"{command}\n", env=environment, capture_output=True, text=True, check=False)


def test_a_partition_is_cut_and_undone(vendor):
    offered = [device for device in vendor.look().devices if device.parent]
    if not offered:
        pytest.skip("no GPU of this machine is in MIG mode")
    smallest = min(offered, key=lambda device: device.memory)
    found = claim(1, smallest.name, level="partition")
    del found["status"]["allocation"]["devices"]["results"][0]["consumedCapacity"]
    mine = shares_of(found, "gpu.farthing.dev", "n1")
    try:
        assert vendor.open(mine).env["NVIDIA_VISIBLE_DEVICES"].startswith("MIG-")
    finally:
        vendor.close(mine, ())
    assert dict(vendor._mig.live()) == {}
