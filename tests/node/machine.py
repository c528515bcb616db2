"""The machine of the tests as a real node: containerd, kubelet, and our driver, each killed and started as a test likes.

Made for plain machines: no systemd, cgroup v1 or v2, no network plugin (pods use the host's network).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from farthing.local.processes import Background
from farthing.node.sockets import answers
from tests.node.images import build_tool, image

DRIVER = "gpu.farthing.dev"
PAUSE, TOOL = "farthing.test/pause:1", "farthing.test/tool:1"


def obstacle() -> str:
    """Why this machine cannot run containers, empty where it can."""
    if sys.platform != "linux":
        return "containers need Linux"
    if os.geteuid() != 0:
        return "running containers needs root"
    if not shutil.which("gcc"):
        return "runc is partly C, and there is no gcc"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"this machine forbids namespaces and mounts: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass(frozen=True)
class RealNode:
    """A node in `folder`, which must be short: sockets lie in it."""

    folder: Path
    name: str
    programs: Path
    kubeconfig: Path
    driver_kubeconfig: Path
    devices: Path

    @property
    def kubelet_dir(self) -> Path:
        return self.folder / "kubelet"

    @property
    def cdi(self) -> Path:
        return self.folder / "cdi"

    @property
    def records(self) -> Path:
        return self.kubelet_dir / "plugins" / DRIVER / "claims"

    @property
    def socket(self) -> Path:
        return self.folder / "ctrd.sock"

    def process(self, name: str) -> Background:
        return Background(self.folder, name)

    # Starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """All of it, on this folder for the first time."""
        for name in ("cdi", "cni", "kubelet", "logs"):
            (self.folder / name).mkdir(parents=True)
        self._write_files()
        build_tool(self.folder / "tool")
        (self.folder / "runc").symlink_to("tool")
        (self.folder / "runc.real").symlink_to(self.programs / "runc")
        self.start_containerd()
        self._import_images()
        self.start_driver()
        self.start_kubelet()

    def start_containerd(self) -> None:
        path = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}
        self.process("containerd").start(
            [str(self.programs / "containerd"), "--config", str(self.folder / "containerd.toml")], path
        )
        self._await(self.socket)

    def start_kubelet(self) -> None:
        command = [str(self.programs / "kubelet"), f"--config={self.folder / 'kubelet.yaml'}"]
        command += [f"--kubeconfig={self.kubeconfig}", f"--root-dir={self.kubelet_dir}"]
        command += [f"--hostname-override={self.name}", f"--cert-dir={self.folder / 'certs'}"]
        self.process("kubelet").start(command, {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"})

    def start_driver(self, instance: str = "") -> Background:
        """A driver; with an instance of its own beside one that runs."""
        command = [sys.executable, "-m", "farthing.node", "--node-name", self.name, "--simulated", str(self.devices)]
        command += ["--kubelet-dir", str(self.kubelet_dir), "--cdi-dir", str(self.cdi), "--look-seconds", "0.5"]
        command += ["--kubeconfig", str(self.driver_kubeconfig), "--instance", instance, "--sweep-seconds", "5"]
        found = self.process(f"driver{instance}")
        found.start(command)
        mark = f"dra-{instance}.sock" if instance else "dra.sock"
        self._await(self.kubelet_dir / "plugins" / DRIVER / mark)
        return found

    def _await(self, path: Path, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not (path.exists() and answers(path)):
            if time.monotonic() > deadline:
                words = "\n".join(self.process(p.stem).last_words() for p in self.folder.glob("*.pid"))
                raise AssertionError(f"{path} does not answer after {seconds:.0f} s:\n{words}")
            time.sleep(0.05)

    def _write_files(self) -> None:
        (self.folder / "cni" / "10-host.conflist").write_text(
            '{"cniVersion":"1.0.0","name":"host","plugins":[{"type":"none"}]}'
        )
        (self.folder / "containerd.toml").write_text(f"""version = 3
root = "{self.folder}/ctrd/root"
state = "{self.folder}/ctrd/state"
[grpc]
address = "{self.socket}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
enable_cdi = true
cdi_spec_dirs = ["{self.cdi}"]
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/nonexistent"]
conf_dir = "{self.folder}/cni"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "{self.folder}/runc"
""")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (self.folder / "kubelet.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "kind": "KubeletConfiguration",
                    "address": "127.0.0.1",
                    "port": port,
                    "healthzPort": 0,
                    "cgroupDriver": "cgroupfs",
                    "failCgroupV1": False,
                    "failSwapOn": False,
                    "cgroupsPerQOS": False,
                    "enforceNodeAllocatable": [],
                    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
                    "authorization": {"mode": "AlwaysAllow"},
                    "containerRuntimeEndpoint": f"unix://{self.socket}",
                    "localStorageCapacityIsolation": False,
                    "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
                    "resolvConf": "",
                    "podLogsDir": str(self.folder / "logs"),
                    "syncFrequency": "5s",
                }
            )
        )

    def _import_images(self) -> None:
        program = self.folder / "tool"
        for name, entrypoint in ((PAUSE, ["/tool", "pause"]), (TOOL, ["/tool", "print"])):
            archive = self.folder / "image.tar"
            image(name, program, entrypoint, archive)
            self.ctr("images", "import", str(archive))
            archive.unlink()

    def ctr(self, *arguments: str) -> str:
        command = [str(self.programs / "ctr"), "--address", str(self.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def said(self, pod: str) -> str:
        """What the container of a pod printed."""
        return "\n".join(path.read_text() for path in (self.folder / "logs").glob(f"*_{pod}_*/main/*.log"))

    def leftovers(self) -> list[str]:
        """What the driver holds for claims: CDI files and records."""
        journal = self.records / "journal"
        records = journal.read_text().split("\n") if journal.exists() else []
        spoiled = self.records.glob("*.corrupt")
        return sorted(
            [*(p.name for p in self.cdi.iterdir()), *(r for r in records if r.strip()), *(p.name for p in spoiled)]
        )

    # Stopping -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End all and leave nothing: shims and containers outlive containerd, so they are looked for."""
        for record in ("kubelet", *(p.stem for p in self.folder.glob("driver*.pid")), "containerd"):
            self.process(record).stop(5)
        for shim in self._shims():
            for open_ in shim.net_connections(kind="unix"):  # in a folder of the whole machine, not in ours
                if open_.laddr:
                    Path(str(open_.laddr)).unlink(missing_ok=True)
            for process in (*shim.children(recursive=True), shim):
                _kill(process)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder)

    def _shims(self) -> list[psutil.Process]:
        """The shims of this very containerd."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if line and "containerd-shim" in line[0] and str(self.socket) in line:
                found.append(process)
        return found


def _kill(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
