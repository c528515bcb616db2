"""AMD's GPUs as sysfs shows them."""

import pytest

from farthing.model.errors import TransientError
from farthing.node.amd import Amd


def card(root, number, **files):
    device = root / "sys/devices/pci0000:00" / f"0000:0{number}:00.0"
    (device / "drm" / f"renderD{128 + number}").mkdir(parents=True)
    files = {
        "vendor": "0x1002",
        "mem_info_vram_total": str(192 << 30),
        "product_name": "AMD Instinct MI300X",
        "unique_id": f"abc{number}",
        **files,
    }
    for name, text in files.items():
        (device / name).parent.mkdir(parents=True, exist_ok=True)
        (device / name).write_text(text + "\n")
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / device.name).symlink_to(device)
    place = root / "sys/class/drm" / f"card{number}"
    place.mkdir(parents=True)
    (place / "device").symlink_to(device)


def test_gpus_are_found_and_connectors_and_others_are_not(tmp_path):
    card(tmp_path, 0)
    card(tmp_path, 1, current_compute_partition="CPX")
    card(tmp_path, 2, vendor="0x10de")
    (tmp_path / "sys/class/drm/card0-HDMI-A-1").mkdir()
    first, second = Amd(lambda: "T", tmp_path).look().devices
    assert (first.name, first.memory, first.levels) == ("gpu-0", 192 << 30, {"shared"})
    assert first.attributes["model"] == "MI300X"
    assert first.attributes["resource.kubernetes.io/pciBusID"] == "0000:00:00.0"
    assert second.attributes["partitionProfile"] == "cpx"


def test_memory_that_is_no_number_is_said(tmp_path):
    card(tmp_path, 0, mem_info_vram_total="much")
    with pytest.raises(TransientError, match="'much', which is no number"):
        Amd(lambda: "T", tmp_path).look()


def test_where_a_gpu_sits_is_told_under_kubernetes_names(tmp_path):
    card(tmp_path, 0, numa_node="1")
    card(tmp_path, 1, numa_node="-1")
    first, second = Amd(lambda: "T", tmp_path).look().devices
    assert first.attributes["resource.kubernetes.io/pcieRoot"] == "pci0000:00"
    assert first.attributes["resource.kubernetes.io/numaNode"] == 1
    assert "resource.kubernetes.io/numaNode" not in second.attributes


@pytest.mark.parametrize(
    ("file", "text", "trouble"),
    [
        ("ras/umc_err_count", "ue: 2\nce: 7", ("ecc", "uncorrected", "NoSchedule")),
        ("ras/gpu_vram_bad_pages", "0x1 : 0x1000 : R\n0x2 : 0x1000 : P", ("ecc", "page-pending", "None")),
        ("ras/gpu_vram_bad_pages", "0x1 : 0x1000 : P\n0x2 : 0x1000 : F", ("ecc", "page-failed", "NoExecute")),
        ("hwmon/hwmon3/temp2_input", "106000", ("thermal", "hot", "None")),
    ],
)
def test_what_is_wrong_is_told_and_passes(tmp_path, file, text, trouble):
    well = {
        "ras/umc_err_count": "ue: 0\nce: 3",
        "ras/gpu_vram_bad_pages": "0x1 : 0x1000 : R",
        "hwmon/hwmon3/temp2_input": "40000",
        "hwmon/hwmon3/temp2_crit": "110000",
    }
    card(tmp_path, 0, **well)
    amd = Amd(lambda: "T", tmp_path)
    assert amd.look().devices[0].troubles == ()
    path = tmp_path / "sys/class/drm/card0/device" / file
    path.write_text(text)
    (found,) = amd.look().devices[0].troubles
    assert (found.name, found.value, found.effect) == trouble
    path.write_text(well[file])
    assert amd.look().devices[0].troubles == ()


def test_a_gpu_that_is_gone_stays_as_broken(tmp_path):
    card(tmp_path, 0)
    amd = Amd(lambda: "T", tmp_path)
    amd.look()
    (tmp_path / "sys/class/drm/card0/device").unlink()
    assert [(one.name, one.broken.name) for one in amd.look().devices] == [("gpu-0", "lost")]
