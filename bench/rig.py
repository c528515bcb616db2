"""A control plane with simulated nodes, pods to put on it, and what they cost: the shared part of the measurements."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from farthing.cli.install import install_into
from farthing.files.fleet import Group
from farthing.kube.connection import Connection
from farthing.local.binaries import obtain
from farthing.local.controlplane import COMPONENTS, ControlPlane
from farthing.local.fleet import node_with_gpus
from farthing.local.machine import Machine
from farthing.local.publish import publish
from farthing.model.errors import ExistsError, FarthingError

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
AT_ONCE = 8


@dataclass
class Rig:
    """One control plane in a temporary folder."""

    machine: Machine
    connection: Connection
    plane: ControlPlane

    @property
    def spoke_process(self) -> psutil.Process:
        found = self.machine.spoke.process()
        if found is None:
            raise RuntimeError(f"the spoke is not running: {self.machine.spoke.last_words()}")
        return found

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each component has used since it was started."""
        processes = {name: self.plane.component(name).process() for name in COMPONENTS}
        processes["spoke"] = self.machine.spoke.process()
        return {name: sum(p.cpu_times()[:2]) for name, p in processes.items() if p is not None}

    async def fleet(self, nodes: int) -> None:
        """Nodes of 8 GPUs that are ready without anybody running them, so that nothing but scheduling costs."""
        group = Group(prefix="n", nodes=1, gpus=8, model="H100", gpu_memory="80Gi", cpu="64", memory="256Gi")
        manifests = [found for i in range(nodes) for found in node_with_gpus(f"n{i:05}", group)]
        for manifest in manifests:
            manifest["metadata"].pop("annotations", None)
        await publish(self.connection, manifests, lambda _done, _total: None)
        slots = asyncio.Semaphore(AT_ONCE)

        async def ready(manifest: Json) -> None:
            async with slots:
                name, now = manifest["metadata"]["name"], "2026-01-01T00:00:00Z"
                condition = {"type": "Ready", "status": "True", "reason": "Bench", "lastTransitionTime": now}
                status = {**manifest["status"], "conditions": [{**condition, "lastHeartbeatTime": now}]}
                await self.connection.patch(f"/api/v1/nodes/{name}/status", {"status": status})
                await self.connection.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})

        await asyncio.gather(*(ready(manifest) for manifest in manifests if manifest["kind"] == "Node"))

    async def install(self) -> None:
        """Farthing, and a spoke that leads."""
        await install_into(self.connection, [])
        await self.machine.start_spoke(self.connection)
        await eventually(self._leads)

    async def _leads(self) -> bool:
        try:
            path = "/apis/coordination.k8s.io/v1/namespaces/farthing-system/leases/farthing-spoke"
            return bool((await self.connection.get(path))["spec"].get("holderIdentity"))
        except FarthingError:
            return False

    async def metrics(self) -> str:
        """What the spoke's metrics endpoint says."""
        _, writer = reader_writer = await asyncio.open_connection("127.0.0.1", self.plane.ports()["metrics"])
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        content = await reader_writer[0].read()
        writer.close()
        return content.decode()


@asynccontextmanager
async def rig(*, node_lifecycle: bool = False) -> AsyncIterator[Rig]:
    """A fresh control plane, gone afterwards. With `node_lifecycle`, nodes are run by KWOK, as in `farthing up`."""
    folder = Path(tempfile.mkdtemp(prefix="farthing-bench-"))
    programs = obtain(None, lambda what, _done, _total: print(f"getting {what}", file=sys.stderr))
    plane = ControlPlane(folder, programs, node_lifecycle=node_lifecycle)
    machine = BenchMachine(folder.name, programs)
    try:
        plane.start()
        async with Connection.from_kubeconfig(plane.kubeconfig) as connection:
            yield Rig(machine, connection, plane)
    finally:
        machine.spoke.stop()
        plane.stop()
        shutil.rmtree(folder)


class BenchMachine(Machine):
    """A machine in the system's temporary folder."""

    @property
    def folder(self) -> Path:
        return Path(tempfile.gettempdir()) / self.name


async def eventually(check: Any, seconds: float = 60) -> None:
    """Wait until the check holds."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{check} did not become true within {seconds} s")
        await asyncio.sleep(0.1)


# Pods -------------------------------------------------------------------------------------------------------------


def annotated(name: str, gpu: str = "0.25") -> Json:
    """A pod as users write it."""
    return _pod(name, {"annotations": {"farthing.dev/gpu": gpu}}, {}, {})


def with_claim(name: str) -> Json:
    """A pod with the template of its own: the same manifest for kube-scheduler alone and for Farthing."""
    claims = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "quarter"}]}
    return _pod(name, {}, claims, {"resources": {"claims": [{"name": "gpu"}]}})


def _pod(name: str, meta: Json, spec: Json, container: Json) -> Json:
    main = {"name": "main", "image": "none", **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **meta},
        "spec": {"automountServiceAccountToken": False, "containers": [main], **spec},
    }


async def quarter_template(connection: Connection) -> None:
    """The template that `with_claim` names, and the device class it asks for where Farthing has not made it."""
    wish = {"memory": "20Gi", "compute": "250"}
    exactly = {"deviceClassName": "gpu.farthing.dev", "count": 1, "capacity": {"requests": wish}}
    template = {
        "metadata": {"name": "quarter"},
        "spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}},
    }
    selector = {"cel": {"expression": 'device.driver == "gpu.farthing.dev"'}}
    device_class = {"metadata": {"name": "gpu.farthing.dev"}, "spec": {"selectors": [selector]}}
    for path, body in (
        ("/apis/resource.k8s.io/v1/deviceclasses", device_class),
        ("/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates", template),
    ):
        try:
            await connection.create(path, body)
        except ExistsError:
            continue


@dataclass
class Bound:
    """When each pod was created and when we saw it bound, by the steady clock of this process."""

    created: dict[str, float] = field(default_factory=dict)
    bound: dict[str, float] = field(default_factory=dict)

    def rate(self) -> float:
        """Pods bound per second, from the first creation to the last binding."""
        return len(self.bound) / (max(self.bound.values()) - min(self.created.values()))

    def latencies(self) -> list[float]:
        return sorted(self.bound[name] - self.created[name] for name in self.bound)


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class _Seen(msgspec.Struct):
    metadata: _Meta


class _Event(msgspec.Struct):
    type: str
    object: _Seen


async def run_pods(connection: Connection, manifests: list[Json], pause: float = 0.0, seconds: float = 300) -> Bound:
    """Create pods, as fast as 8 at once allow or with a pause between, and wait until all are bound."""
    result = Bound()
    names = {manifest["metadata"]["name"] for manifest in manifests}
    done = asyncio.Event()
    _, version = await connection.list_all(PODS)

    async def watch() -> None:
        """Only bound pods come in; a watch that the server ends is resumed."""
        at = version
        decode = msgspec.json.Decoder(_Event).decode
        while True:
            async for line in connection.watch(PODS, at, {"fieldSelector": "spec.nodeName!="}):
                meta = decode(line).object.metadata
                at = meta.resource_version
                if meta.name in names and meta.name not in result.bound:
                    result.bound[meta.name] = time.monotonic()
                    if len(result.bound) == len(names):
                        done.set()

    slots = asyncio.Semaphore(AT_ONCE)

    async def create(manifest: Json) -> None:
        async with slots:
            result.created[manifest["metadata"]["name"]] = time.monotonic()
            await connection.create(PODS, manifest)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.2)
    if pause:
        for manifest in manifests:
            await create(manifest)
            await asyncio.sleep(pause)
    else:
        await asyncio.gather(*(create(manifest) for manifest in manifests))
    await asyncio.wait(
        {asyncio.create_task(done.wait()), watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    watching.cancel()
    if len(result.bound) < len(names):
        raise TimeoutError(f"only {len(result.bound)} of {len(names)} pods were bound within {seconds} s")
    return result


async def remove_pods(connection: Connection) -> None:
    """Delete all pods of the namespace and wait until their claims are gone."""
    await connection.delete(PODS, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})

    async def gone() -> bool:
        claims, _ = await connection.list_all("/apis/resource.k8s.io/v1/namespaces/default/resourceclaims")
        return not claims

    await eventually(gone, 180)
