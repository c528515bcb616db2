"""A cluster at work: simulated nodes, Farthing installed, a spoke that leads; and judges of what it did."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from farthing.cli.install import install_into
from farthing.cli.look import look
from farthing.decide.audit import audit
from farthing.kube.connection import Connection
from farthing.local.fleet import fleet_of_text
from farthing.local.processes import Background
from farthing.local.publish import publish
from farthing.model.cluster import Claim
from farthing.model.errors import FarthingError, NotFoundError
from tests.clusters import Cluster, running_cluster

Json = dict[str, Any]
LEASE = "/apis/coordination.k8s.io/v1/namespaces/farthing-system/leases/farthing-spoke"
LEASE_SECONDS = 2
ORACLE = Path(os.environ.get("FARTHING_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")


@dataclass
class Site:
    """One cluster at work, and what tests do with it."""

    cluster: Cluster
    connection: Connection
    namespace: str = ""

    def pods_path(self, name: str = "", sub: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods" + (f"/{name}{sub}" if name else "")

    async def submit(self, name: str, gpu: str = "0.25", **spec: Any) -> None:
        """A pod that asks."""
        annotations = {"farthing.dev/gpu": gpu, **spec.pop("annotations", {})}
        await self.connection.create(self.pods_path(), pod_manifest(name, annotations, **spec))

    async def pod(self, name: str) -> Json:
        return await self.connection.get(self.pods_path(name))

    async def pods(self) -> list[Json]:
        return (await self.connection.list_all(self.pods_path()))[0]

    async def claims(self) -> list[Json]:
        path = f"/apis/resource.k8s.io/v1/namespaces/{self.namespace}/resourceclaims"
        return (await self.connection.list_all(path))[0]

    async def running(self, name: str, seconds: float = 40) -> Json:
        """The pod, once it runs."""

        async def check() -> bool:
            return bool((await self.pod(name))["status"].get("phase") == "Running")

        await eventually(check, f"pod {name} runs", seconds)
        return await self.pod(name)

    async def held(self, name: str, why: str, seconds: float = 40) -> Json:
        """The condition with the reason, once the pod has it."""

        async def check() -> bool:
            return condition(await self.pod(name)).get("reason") == why

        await eventually(check, f"pod {name} is held because of {why}", seconds)
        return condition(await self.pod(name))

    async def devices(self, name: str) -> list[str]:
        """The devices that the claims of a pod hold, as node/device."""
        uid = (await self.pod(name))["metadata"]["uid"]
        found = [c for c in await self.claims() if any(u["uid"] == uid for u in c["status"].get("reservedFor", []))]
        return sorted(f"{r['pool']}/{r['device']}" for c in found for r in results(c))

    async def empty(self, seconds: float = 60) -> None:
        """Wait until nothing of this namespace holds a device."""

        async def check() -> bool:
            return not any(results(claim) for claim in await self.claims())

        await eventually(check, "all shares are given back", seconds)

    async def sound(self, settled: float = 20) -> None:
        """Our auditor and the independent judge agree that the books are right."""

        async def check() -> str:
            found = await look(self.connection)
            snapshot = found.world.snapshot(found.at)
            wrong = audit(snapshot.fleet, snapshot.free, found.world.all(Claim))
            return "; ".join(f"{d.about} {d.sentence}" for d in wrong) or self._judged(settled)

        for _ in range(30):
            problems = await check()
            if not problems:
                return
            await asyncio.sleep(2)
        pytest.fail(problems)

    def _judged(self, settled: float) -> str:
        judge = ORACLE / "audit_cluster.py"
        if not judge.exists():
            if os.environ.get("CI"):
                return f"the independent judge is not at {judge}; name its folder with FARTHING_ORACLE"
            return ""
        command = [sys.executable, str(judge), "--kubeconfig", str(self.cluster.kubeconfig), "--settled", str(settled)]
        command += ["--kubectl", str(self.cluster.programs / "kubectl")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if said.returncode == 0 else said.stdout + said.stderr


def pod_manifest(name: str, annotations: Json, **spec: Any) -> Json:
    meta = {"name": name, "annotations": annotations, "labels": spec.pop("labels", {})}
    resources_ = spec.pop("resources", {"requests": {"cpu": "100m", "memory": "64Mi"}})
    main = {"name": "main", "image": "none", "resources": resources_}
    defaults = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [main]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**defaults, **spec}}


def results(claim: Json) -> list[Json]:
    allocation = claim.get("status", {}).get("allocation") or {}
    found: list[Json] = allocation.get("devices", {}).get("results", [])
    return found


def condition(pod: Json, type_: str = "farthing.dev/Placed") -> Json:
    found = [c for c in pod["status"].get("conditions", []) if c["type"] == type_]
    return found[0] if found else {}


async def eventually(check: Callable[[], Awaitable[Any]], what: str, seconds: float = 40) -> None:
    """Wait until the check holds; say what was waited for where it does not."""
    deadline = time.monotonic() + seconds
    problem = ""
    while time.monotonic() < deadline:
        try:
            if await check():
                return
        except FarthingError as error:
            problem = f" ({error})"
        await asyncio.sleep(0.2)
    pytest.fail(f"waited {seconds:.0f} s in vain until {what}{problem}")


async def leads(connection: Connection) -> bool:
    try:
        return bool((await connection.get(LEASE))["spec"].get("holderIdentity"))
    except NotFoundError:
        return False


@pytest.fixture(scope="session")
def at_work() -> Iterator[Cluster]:
    """A cluster of its own with the demo's fleet, and Farthing at work in it."""
    text = (resources.files("farthing.local") / "demo.yaml").read_text(encoding="utf-8")

    async def begin(cluster: Cluster) -> None:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            await install_into(connection, [])
            await publish(connection, list(fleet_of_text(text, "demo.yaml")), lambda _done, _total: None)
            await cluster.start_spoke(connection)
            await eventually(lambda: leads(connection), "the spoke leads")

    with running_cluster() as cluster:
        asyncio.run(begin(cluster))
        yield cluster


@pytest.fixture
async def site(at_work: Cluster) -> AsyncIterator[Site]:
    """The cluster at work, and a namespace of this test's own. Afterwards everything is given back and adds up."""
    async with Connection.from_kubeconfig(at_work.kubeconfig) as connection:
        body = {"metadata": {"generateName": "test-", "labels": {"farthing.dev/managed": "true"}}}
        name = (await connection.create("/api/v1/namespaces", body))["metadata"]["name"]
        found = Site(at_work, connection, name)
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        await eventually(lambda: connection.get(account), "the namespace has its service account")
        yield found
        try:
            await found.sound()
        finally:
            with contextlib.suppress(NotFoundError):  # a test may have deleted it
                await connection.delete(f"/api/v1/namespaces/{name}")
        await found.empty()


class Spoke:
    """A spoke to be killed and started as a test likes, through the API server at `server` or the real one."""

    def __init__(self, cluster: Cluster, name: str, server: str = "", options: tuple[str, ...] = ()) -> None:
        self._options = options
        self.process = Background(cluster.folder, name)
        config = yaml.safe_load((cluster.folder / "spoke.kubeconfig").read_text(encoding="utf-8"))
        if server:
            config["clusters"][0]["cluster"] = {"server": server}
        self._kubeconfig = cluster.folder / f"{name}.kubeconfig"
        self._kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")

    def start(self) -> None:
        command = [sys.executable, "-m", "farthing", "spoke", "--kubeconfig", str(self._kubeconfig)]
        self.process.start([*command, "--lease-seconds", str(LEASE_SECONDS), *self._options])

    async def leading(self, connection: Connection) -> None:
        """Wait until this very process holds the lease."""
        process = self.process.process()
        assert process is not None, self.process.last_words()
        mark = f"-{process.pid}-"

        async def check() -> bool:
            return mark in (await connection.get(LEASE))["spec"].get("holderIdentity", "")

        await eventually(check, f"{self.process.name} leads")


class Load:
    """Pods that come and go until it is stopped; it forgives an API server that is away."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._random = random.Random(seed)
        self._task = asyncio.create_task(self._run())
        self.count = 0

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        alive: list[str] = []
        while True:
            try:
                await self._step(alive)
            except FarthingError:
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.03)

    async def _step(self, alive: list[str]) -> None:
        if len(alive) < 60 or self._random.random() < 0.5:
            self.count += 1
            name = f"p{self.count}"
            alive.append(name)
            await self._site.submit(name, self._random.choice(["0.25", "0.5", "1", "2x0.5", "10Gi", "8"]))
        else:
            name = alive.pop(self._random.randrange(len(alive)))
            await self._site.connection.delete(self._site.pods_path(name))


async def everybody_has_an_answer(site: Site, seconds: float = 120) -> None:
    """Every pod that is not over runs, or is held with a reason."""

    async def check() -> bool:
        waiting = [p for p in await site.pods() if p["status"].get("phase") == "Pending"]
        waiting = [p for p in waiting if not p["metadata"].get("deletionTimestamp")]
        return all(condition(pod).get("status") == "False" for pod in waiting)

    await eventually(check, "every pod runs or has a reason to wait", seconds)
