"""A machine with GPUs that are not there: NVIDIA's own binding in a process of its own, on a library compiled for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

DOUBLE = Path(__file__).parent / "mps_double.py"
SMI_DOUBLE = Path(__file__).parent / "smi_double.py"
ROOT = Path(__file__).parents[3]
MACHINE = """
driver: 570.86.10
count: 3
gpu0: {uuid: GPU-0, name: NVIDIA H100 80GB HBM3, minor: 0, capability: 9.0, memory: 85520809984, bus: "00000000:1B:00.0", mig: 0, ecc: 0, remapped: "0,0,0,0", temperature: 40, slowdown: 90}
gpu1:
  uuid: GPU-1
  name: NVIDIA A100-SXM4-40GB
  minor: 1
  capability: 8.0
  memory: 42949672960
  bus: "00000000:3B:00.0"
  mig: 1
  mig0: {uuid: MIG-0, name: NVIDIA A100-SXM4-40GB MIG 1g.5gb, memory: 5100273664, gi: 7, ci: 0, place: "7,19,6,1"}
  mig1: {uuid: MIG-1, name: NVIDIA A100-SXM4-40GB MIG 3g.20gb, memory: 20937965568, gi: 2, ci: 0, place: "2,9,0,4"}
gpu2: {uuid: GPU-2, name: NVIDIA L4, minor: 2, capability: 8.9, memory: 24152899584, bus: "00000000:5B:00.0", noevents: 1}
"""

A100 = {
    "mig": 1,
    "name": "NVIDIA A100-SXM4-40GB",
    "capability": "8.0",
    "memory": 42949672960,
    # Profiles and placements as `nvidia-smi mig -lgip` and `-lgipp` list them (NVIDIA's MIG user guide, A100 40GB):
    # id, slices, most, SMs, copy engines, decoders, encoders, JPEG, OFA, MiB, memory slices, name, first slices.
    "profile0": "19,1,7,14,1,0,0,0,0,4864,1,1g.5gb,0 1 2 3 4 5 6",
    "profile1": "14,2,3,28,2,1,0,0,0,9984,2,2g.10gb,0 2 4",
    "profile2": "9,3,2,42,3,2,0,0,0,20096,4,3g.20gb,0 4",
    "profile3": "5,4,1,56,4,2,0,0,0,20096,4,4g.20gb,0",
    "profile4": "0,7,1,98,7,5,0,1,1,40320,8,7g.40gb,0",
    "profile7": "20,1,1,14,1,1,0,1,1,4864,1,1g.5gb+me,0 1 2 3 4 5 6",
    "profile9": "15,1,4,14,1,1,0,0,0,9984,2,1g.10gb,0 2 4 6",
}


def gpu(number, **more):
    """A GPU as plain as can be."""
    bus = f"00000000:{number:02X}:00.0"
    return {
        "uuid": f"GPU-{number}",
        "name": "NVIDIA H100",
        "minor": number,
        "capability": "9.0",
        "memory": 1 << 36,
        "bus": bus,
        **more,
    }


def a100(number):
    """An A100 in MIG mode with nothing cut."""
    return {**A100, "uuid": f"GPU-{number}", "minor": number, "bus": f"00000000:{number:02X}:00.0"}


def flat(value, prefix=""):
    for key, one in value.items():
        if isinstance(one, dict):
            yield from flat(one, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={one}"


class Machine:
    """The hardware, and a process with a driver that sees it; `restart` is the next driver on the same hardware."""

    def __init__(self, library, folder, mps, time_slice="", smi=SMI_DOUBLE):
        self.state = yaml.safe_load(MACHINE)
        self._file = folder / "machine"
        self.write()
        names = [f"gpu{g}/gi{i}/{end}access" for g in range(4) for i in range(1, 15) for end in ("", "ci0/")]
        minors = [f"{name} {number}" for number, name in enumerate(names)]
        table = folder / "root/proc/driver/nvidia-caps/mig-minors"
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(minors))
        self._environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(library),
            "PYTHONPATH": str(ROOT),
            "FAKE_NVML": str(self._file),
        }
        probe = Path(__file__).parent / "nvml_probe.py"
        self._command = [sys.executable, str(probe), "mps" if mps else "plain", str(folder), str(DOUBLE)]
        self._command += [str(smi), time_slice] if time_slice else []
        self.begin()

    def begin(self):
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask("start")

    def restart(self):
        self.end()
        self.begin()

    def write(self):
        self._file.write_text("\n".join(flat(self.state)) + "\n")

    def change(self, gpu, **more):
        self.state[gpu].update(more)
        self.write()

    def add(self, *gpus):
        """More GPUs, and no others than these."""
        self.state = {
            "driver": self.state["driver"],
            "count": len(gpus),
            **{f"gpu{i}": one for i, one in enumerate(gpus)},
        }
        self.write()

    @property
    def cut(self):
        """The GPU instances that were created and stand: GPU, profile, first memory slice, whether with compute."""
        file = self._file.with_name("machine.mig")
        lines = file.read_text().splitlines() if file.exists() else []
        return sorted((int(g), int(p), int(s), int(c)) for g, _, p, s, _, c, _ in (line.split() for line in lines))

    @property
    def told(self):
        """What nvidia-smi was told since it was asked last."""
        file = self._file.with_name("machine.smi")
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def ask(self, *words):
        """The answer; None where the process was killed over it."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else None

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
