"""Real pods of the public trace on its real fleet: 1,213 nodes, 6,212 GPUs, pods with their own cpu, memory and models."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rig import rig
from farthing.local.fleet import load_fleet
from farthing.local.publish import publish

SHARED = Path(__file__).parents[2] / "shared"
TRACES = Path(os.environ.get("FARTHING_TRACES") or SHARED / "traces")
JUDGE = Path(os.environ.get("FARTHING_ORACLE") or SHARED / "oracle") / "audit_cluster.py"
PODS, NODES = 3000, 1213


@dataclass(frozen=True)
class Replayed:
    """What `farthing replay` reports, the spoke's resident memory in MiB, and what the independent judge said."""

    report: dict[str, Any]
    mib: float
    verdict: str


async def measure() -> Replayed:
    """Publish the trace's nodes, replay its first pods, and have the cluster judged."""
    async with rig(node_lifecycle=True) as r:
        await publish(r.connection, load_fleet(TRACES / "openb" / "openb_node_list_gpu_node.csv"), lambda *_: None)
        await r.install()
        kubeconfig = ["--kubeconfig", str(r.plane.kubeconfig)]
        said = await _run(
            "-m", "farthing", "replay", "--pods", str(PODS), "--traces", str(TRACES), *kubeconfig, "-o", "json"
        )
        mib = r.spoke_process.memory_info().rss / 2**20
        kubectl = str(r.machine.programs / "kubectl")
        verdict = await _run(str(JUDGE), *kubeconfig, "--kubectl", kubectl, "--settled", "20")
        return Replayed(json.loads(said), mib, verdict.strip())


async def _run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()
