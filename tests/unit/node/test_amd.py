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
        (device / name).write_text(text + "\n")
    place = root / "sys/class/drm" / f"card{number}"
    place.mkdir(parents=True)
    (place / "device").symlink_to(device)


def test_gpus_are_found_and_connectors_and_others_are_not(tmp_path):
    card(tmp_path, 0)
    card(tmp_path, 1, current_compute_partition="CPX")
    card(tmp_path, 2, vendor="0x10de")
    (tmp_path / "sys/class/drm/card0-HDMI-A-1").mkdir()
    first, second = Amd(tmp_path).look().devices
    assert (first.name, first.memory, first.levels) == ("gpu-0", 192 << 30, {"shared"})
    assert first.attributes["model"] == "MI300X"
    assert first.attributes["resource.kubernetes.io/pciBusID"] == "0000:00:00.0"
    assert second.attributes["partitionProfile"] == "cpx"


def test_memory_that_is_no_number_is_said(tmp_path):
    card(tmp_path, 0, mem_info_vram_total="much")
    with pytest.raises(TransientError, match="'much', which is no number"):
        Amd(tmp_path).look()
