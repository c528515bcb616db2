"""The tests that are meant for a machine with GPUs (`make test-gpu`) do what they say, tried on the stand-ins."""

import os
import re
import subprocess
import sys

import pytest

from tests.unit.node.nvml_machine import DOUBLE, ROOT, a100, flat, gpu

SMI = """#!/bin/sh
echo GPU-0
echo GPU-1
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an MPS daemon gets a /dev/shm of its own, which needs root")
def test_they_all_pass_and_none_is_skipped(library, tmp_path):
    machine = {"driver": "570.86.10", "count": 2, "gpu0": gpu(0), "gpu1": a100(1)}
    (tmp_path / "machine").write_text("\n".join(flat(machine)) + "\n")
    minors = tmp_path / "root/proc/driver/nvidia-caps/mig-minors"
    minors.parent.mkdir(parents=True)
    names = [f"gpu1/gi{i}/{end}access" for i in range(1, 15) for end in ("", "ci0/")]
    minors.write_text("\n".join(f"{name} {number}" for number, name in enumerate(names)))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(SMI)
    (programs / "nvidia-smi").chmod(0o755)
    (programs / "nvidia-cuda-mps-control").symlink_to(DOUBLE)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(library),
        "FAKE_NVML": str(tmp_path / "machine"),
        "FARTHING_GPU_ROOT": str(tmp_path / "root"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout
    assert re.search(r"^3 passed in", said, re.MULTILINE), said
