"""From a pod's creation to its binding when there is little to do: one pod every quarter of a second, 200 nodes."""

from dataclasses import dataclass

from bench.rig import annotated, rig, run_pods

NODES, PODS, PAUSE = 200, 150, 0.25


@dataclass(frozen=True)
class Latency:
    """Seconds."""

    p50: float
    p99: float


async def measure() -> Latency:
    """Created and bound are both seen by the process that measures."""
    async with rig() as r:
        await r.fleet(NODES)
        await r.install()
        await run_pods(r.connection, [annotated(f"warm-{i}") for i in range(5)], PAUSE)
        found = (await run_pods(r.connection, [annotated(f"p-{i}") for i in range(PODS)], PAUSE)).latencies()
        return Latency(found[len(found) // 2], found[int(len(found) * 0.99)])
