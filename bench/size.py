"""What the spoke needs for a large cluster: memory, and the time from its start to its first plan."""

import asyncio
import time
from dataclasses import dataclass

from bench.rig import annotated, rig, run_pods

NODES, PODS = 2000, 10_000


@dataclass(frozen=True)
class Size:
    """`mib` of resident memory with all pods bound, and after a fresh start; `seconds` from start to first plan."""

    nodes: int
    devices: int
    pods: int
    mib: float
    mib_fresh: float
    seconds: float


async def measure() -> Size:
    """Bind all pods, look, start the spoke anew, and wait until it binds another."""
    async with rig() as r:
        await r.fleet(NODES)
        await r.install()
        await run_pods(r.connection, [annotated(f"p-{i}", "0.25") for i in range(PODS)], seconds=1200)
        mib = r.spoke_process.memory_info().rss / 2**20
        r.machine.spoke.stop()
        await r.connection.create("/api/v1/namespaces/default/pods", annotated("first"))
        start = time.monotonic()
        await r.machine.start_spoke(r.connection)
        while not (await r.connection.get("/api/v1/namespaces/default/pods/first"))["spec"].get("nodeName"):
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - start
        return Size(NODES, NODES * 8, PODS, mib, r.spoke_process.memory_info().rss / 2**20, seconds)
