"""The node driver: a burst of claims prepared over its socket, and its memory.

Run `python -m bench.node`. The claims are real objects on a real API server; kubelet is not part of it.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import grpc

from farthing.kube.connection import Connection
from farthing.local.processes import Background
from farthing.node.wire import dra_v1_pb2
from tests.clusters import running_cluster

CLAIMS = 100
DRIVER, NODE = "gpu.farthing.dev", "bench-0"
SERVICE = "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"
CLAIMS_PATH = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"


async def claims(connection: Connection) -> list[dra_v1_pb2.Claim]:
    """So many allocated claims, four on each device."""
    share = {"apiVersion": "farthing.dev/v1", "kind": "Share", "isolation": "hard", "team": "a"}
    found = []
    for number in range(CLAIMS):
        request = {"name": "gpu", "exactly": {"deviceClassName": "x"}}
        body = {"metadata": {"name": f"c{number}"}, "spec": {"devices": {"requests": [request]}}}
        claim = await connection.create(CLAIMS_PATH, body)
        taken = {"compute": "250", "memory": "20Gi"}
        result = {
            "request": "gpu",
            "driver": DRIVER,
            "pool": NODE,
            "device": f"gpu-{number // 4}",
            "consumedCapacity": taken,
        }
        result["shareID"] = claim["metadata"]["uid"]
        config = [{"source": "FromClaim", "opaque": {"driver": DRIVER, "parameters": share}}]
        claim["status"] = {"allocation": {"devices": {"results": [result], "config": config}}}
        await connection.replace(f"{CLAIMS_PATH}/c{number}/status", claim)
        found.append(dra_v1_pb2.Claim(namespace="default", name=f"c{number}", uid=claim["metadata"]["uid"]))
    return found


async def timed(channel: grpc.aio.Channel, claim: dra_v1_pb2.Claim) -> float:
    call = channel.unary_unary(
        f"{SERVICE}/NodePrepareResources",
        request_serializer=dra_v1_pb2.NodePrepareResourcesRequest.SerializeToString,
        response_deserializer=dra_v1_pb2.NodePrepareResourcesResponse.FromString,
    )
    start = time.perf_counter()
    answer = await call(dra_v1_pb2.NodePrepareResourcesRequest(claims=[claim]))
    taken = time.perf_counter() - start
    assert not answer.claims[claim.uid].error, answer.claims[claim.uid].error  # noqa: S101
    return taken


async def measure(kubeconfig: Path, folder: Path) -> None:
    async with Connection.from_kubeconfig(kubeconfig) as connection:
        await connection.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        wanted = await claims(connection)
    (folder / "devices.yaml").write_text(f"devices: [{{count: {CLAIMS // 4}, model: H100, memory: 80Gi}}]\n")
    driver = Background(folder, "driver")
    command = [sys.executable, "-m", "farthing", "node", "--node-name", NODE, "--kubeconfig", str(kubeconfig)]
    command += [
        "--kubelet-dir",
        str(folder),
        "--cdi-dir",
        str(folder / "cdi"),
        "--simulated",
        str(folder / "devices.yaml"),
    ]
    driver.start(command)
    socket = folder / "plugins" / DRIVER / "dra.sock"
    while not socket.exists():
        await asyncio.sleep(0.1)
    process = driver.process()
    assert process  # noqa: S101
    async with grpc.aio.insecure_channel(f"unix://{socket}") as channel:
        single = [await timed(channel, claim) for claim in wanted[:10]]
        burst = sorted(await asyncio.gather(*(timed(channel, claim) for claim in wanted[10:])))
    await asyncio.sleep(3)
    print(f"one by one: {1000 * sorted(single)[5]:.1f} ms in the middle")
    print(f"burst of {len(burst)}: p50 {1000 * burst[len(burst) // 2]:.0f} ms, p99 {1000 * burst[-1]:.0f} ms")
    print(
        f"memory: {process.memory_info().rss / 2**20:.0f} MiB resident, {process.memory_full_info().uss / 2**20:.0f} own"
    )
    driver.stop()


if __name__ == "__main__":
    with running_cluster() as cluster, tempfile.TemporaryDirectory(prefix="fb-") as where:
        asyncio.run(measure(cluster.kubeconfig, Path(where)))
