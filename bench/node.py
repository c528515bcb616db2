"""The node driver: bursts of claims prepared over its socket, what it costs, and its memory.

Run `python -m bench.node`; it writes docs/benchmarks-node.md. The claims are real objects on a real API server; kubelet is not part of it. One burst is of
claims that were allocated before the driver was started, so that it has to ask for each; the other of claims that its
watch has seen. Machines are noisy: read the ratio, and the CPU time.
"""

import asyncio
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import psutil

from bench.caller import Caller
from farthing.kube.connection import Connection
from farthing.local.pins import KUBERNETES
from farthing.local.processes import Background
from tests.clusters import running_cluster
from tests.unit.node.nvml_machine import Machine, gpu

ROOT = Path(__file__).parents[1]
BURST, ROUNDS, SINGLE, STRANGERS = 100, 5, 20, 1000
DRIVER, NODE = "gpu.farthing.dev", "bench-0"
CLAIMS_PATH = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
GPUS, LOOK_SECONDS = 8, 15.0
Name = tuple[str, str, str]
MEMORY = Path("/dev/shm")  # noqa: S108 -- CDI files are in /run on a real node, which is memory, too


async def allocated(connection: Connection, numbers: range, node: str = NODE) -> list[Name]:
    """So many allocated claims, twenty on each device, made eight at a time."""
    slots = asyncio.Semaphore(8)

    async def one(number: int) -> Name:
        async with slots:
            return await _allocated(connection, number, node)

    return await asyncio.gather(*map(one, numbers))


async def _allocated(connection: Connection, number: int, node: str) -> Name:
    share = {"apiVersion": "farthing.dev/v1", "kind": "Share", "isolation": "hard", "team": "a"}
    request = {"name": "gpu", "exactly": {"deviceClassName": "x"}}
    body = {"metadata": {"name": f"c{number}"}, "spec": {"devices": {"requests": [request]}}}
    claim = await connection.create(CLAIMS_PATH, body)
    uid = claim["metadata"]["uid"]
    result = {
        "request": "gpu",
        "driver": DRIVER,
        "pool": node,
        "device": f"gpu-{number // 20}",
        "consumedCapacity": {"compute": "50", "memory": "4Gi"},
        "shareID": uid,
    }
    config = [{"source": "FromClaim", "opaque": {"driver": DRIVER, "parameters": share}}]
    claim["status"] = {"allocation": {"devices": {"results": [result], "config": config}}}
    await connection.replace(f"{CLAIMS_PATH}/c{number}/status", claim)
    return "default", f"c{number}", uid


LINES: list[str] = []


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    LINES.append(f"* {line[0].upper()}{line[1:]}.")


def page() -> str:
    load = psutil.getloadavg()[1]
    return f"""# Benchmarks of the node driver

Written by `python -m bench.node` on {date.today().isoformat()}: {os.cpu_count()} cores ({platform.machine()}), Python
{platform.python_version()}, Kubernetes {KUBERNETES}; everything on the one machine, the API server and the caller too, beside
other work (load average of five minutes: {load:.0f}). Read the ratios and the CPU time.

{chr(10).join(LINES)}

A burst is as many calls at once, each with one claim, over one connection, as kubelet makes them for as many pods; the
caller is a Go program with kubelet's own gRPC library and messages. *Asked for*: the claims were
allocated before the driver was started, so that it has to get each from the API server. *Seen*: its watch has seen
them. The records and CDI files are in memory here.

The cost of sampling is that of NVIDIA's binding on a library compiled for the tests, which reads a file at each call; the
driver looks every 15 s. `Memory` is of the driver with simulated devices after all this.

## What makes a burst quick
The aim is a p99 below 50 ms with 100 at once. These two cores, which carry the caller and the API server too, do not reach it
reliably, as the range shows; the server that only answers shows how much of that is gRPC's and the machine's.

* Calls that come within a millisecond take one turn: one lock, one thread, two writes of records. Without waiting for them, a turn
  was mostly one claim.
* What is prepared is looked through once a turn, not once a claim; a CDI file is one small write; what is loaded at the start
  is kept out of garbage collection.
* Records and CDI files are encoded by msgspec, and a CDI file is made in three calls of the system: 462 us of CPU a call instead of
  515 (two servers of each in one run, 20 rounds; the server that only answers took 276).
* More than half of what is left is gRPC's, as that server shows. The turn in its thread takes about 70 us a claim when nothing else
  runs (of which 40 are the CDI file's) and twice that beside the event loop, since each call of the system hands Python's lock over;
  the rest is reading what the claim was given (12 us), waking the call, its answer, its metrics.
* Tried, without a difference beyond the noise of 5 to 10 %: uvloop; gRPC without its bandwidth probes, tuned for throughput, without
  support for forks; Python's threads taking turns every 0.2 or 50 ms instead of 5.
* Not taken: the turn in the event loop's own thread, 3 to 5 % less, and one thread instead of asyncio (283 us a call instead of 373 on
  servers that only answer; eight threads took 437). Both would let a MIG instance that takes a second to cut hold up everybody
  else's call.
"""


def cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def settle(process: psutil.Process) -> None:
    """Wait until a burst has left nothing to do: the status of each claim is written after it."""
    before = -1.0
    while cpu(process) - before > 0.02:
        before = cpu(process)
        time.sleep(1)


def one_by_one(caller: Caller, claims: list[Name], what: str) -> None:
    single = statistics.median(caller.burst([claim])[0] for claim in claims)
    say(f"one by one, {what}: {1000 * single:.1f} ms in the middle")


def bursts(caller: Caller, process: psutil.Process, claims: list[Name], what: str) -> float:
    """So many bursts, each all at once; the 99th percentile of a burst in the middle, in seconds."""
    spent, rounds = 0.0, []
    for first in range(0, len(claims), BURST):
        settle(process)
        before = cpu(process)
        rounds.append(sorted(caller.burst(claims[first : first + BURST])))
        spent += cpu(process) - before
    each = 1000 * spent / len(claims)
    p50 = statistics.median(took[len(took) // 2] for took in rounds)
    p99 = [took[math.ceil(0.99 * len(took)) - 1] for took in rounds]
    say(
        f"{len(rounds)} bursts of {BURST}, {what}: p50 {1000 * p50:.0f} ms, p99 {1000 * statistics.median(p99):.0f} ms (from"
        f" {1000 * min(p99):.0f} to {1000 * max(p99):.0f}); {each:.2f} ms of the server's CPU each"
    )
    return statistics.median(p99)


@asynccontextmanager
async def driver_on(kubeconfig: Path, folder: Path) -> AsyncIterator[tuple[Caller, psutil.Process]]:
    (folder / "devices.yaml").write_text("devices: [{count: 64, model: H100, memory: 80Gi}]\n")
    driver = Background(folder, "driver")
    command = [sys.executable, "-m", "farthing.node", "--node-name", NODE, "--kubeconfig", str(kubeconfig)]
    command += ["--kubelet-dir", str(folder), "--cdi-dir", str(folder / "cdi")]
    driver.start([*command, "--simulated", str(folder / "devices.yaml")])
    socket = folder / "plugins" / DRIVER / "dra.sock"
    while not socket.exists():
        await asyncio.sleep(0.1)
    process = driver.process()
    assert process  # noqa: S101
    await asyncio.sleep(2)
    caller = Caller(socket, folder)
    yield caller, process
    caller.end()
    driver.stop()


def grpc_alone(folder: Path) -> None:
    """The same calls to a server that only answers."""
    socket = folder / "answers.sock"
    server = Background(folder, "answers")
    server.start([sys.executable, "-m", "bench.answers", str(socket)], {**os.environ, "PYTHONPATH": str(ROOT)})
    while not socket.exists():
        time.sleep(0.1)
    process = server.process()
    assert process  # noqa: S101
    caller = Caller(socket, folder)
    names = [("default", f"c{number}", f"u{number}") for number in range((ROUNDS + 1) * BURST)]
    caller.burst(names[:BURST])
    bursts(caller, process, names[BURST:], "to a server that only answers")
    caller.end()
    server.stop()


async def measure(kubeconfig: Path, folder: Path) -> None:
    async with Connection.from_kubeconfig(kubeconfig) as connection:
        await connection.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        each = ROUNDS * BURST + SINGLE
        unseen = await allocated(connection, range(each))
        async with driver_on(kubeconfig, folder) as (caller, process):
            one_by_one(caller, unseen[:SINGLE], "asked for")
            asked = bursts(caller, process, unseen[SINGLE:], "each asked for")
            settle(process)
            seen = await allocated(connection, range(each, 2 * each))
            settle(process)
            one_by_one(caller, seen[:SINGLE], "seen")
            known = bursts(caller, process, seen[SINGLE:], "all seen")
            say(f"the second takes {known / asked:.2f} of the first")
            settle(process)
            before = cpu(process)
            await allocated(connection, range(2 * each, 2 * each + STRANGERS), "another")
            spent = 1e6 * (cpu(process) - before) / STRANGERS
            say(f"a claim of another node: {spent:.0f} us of the driver's CPU, at two changes")
            memory = process.memory_full_info()
            say(f"memory: {memory.rss / 2**20:.0f} MiB resident, {memory.uss / 2**20:.0f} own")


def sampling() -> None:
    """What it costs to see who uses how much: 8 GPUs, 7 processes on each, through NVIDIA's binding and our double."""
    pids = psutil.pids()[-7 * GPUS :]
    with tempfile.TemporaryDirectory() as where:
        library = Path(where)
        source = ROOT / "tests/unit/node/nvml/nvml.c"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library / "libnvidia-ml.so.1"), str(source)]
        subprocess.run(command, check=True)  # noqa: S603 -- our own source
        machine = Machine(library, library, mps=False)
        machine.add(
            *(
                {**gpu(number), "process": " ".join(f"{p},1048576,5" for p in pids[number::GPUS])}
                for number in range(GPUS)
            )
        )
        found = machine.ask("cost", 40)
        machine.end()
    part = 100 * found["seconds"] / LOOK_SECONDS
    say(
        f"use of {GPUS} GPUs and {found['shares']} shares: {1000 * found['seconds']:.1f} ms of CPU, every"
        f" {LOOK_SECONDS:.0f} s: {part:.2f} % of a core"
    )


if __name__ == "__main__":
    sampling()
    place = MEMORY if MEMORY.is_dir() else None
    with running_cluster() as cluster, tempfile.TemporaryDirectory(prefix="fb-", dir=place) as where:
        asyncio.run(measure(cluster.kubeconfig, Path(where)))
        grpc_alone(Path(where))
    (ROOT / "docs" / "benchmarks-node.md").write_text(page(), encoding="utf-8")
