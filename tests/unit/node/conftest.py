"""A node driver's parts without kubelet and without hardware: claims as the API server shows them, devices as values."""

import json
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from farthing.model.ask import Isolation
from farthing.model.errors import NotFoundError
from farthing.node.cdi import Cdi
from farthing.node.checkpoint import Checkpoint
from farthing.node.devices import Device, Edits, Inventory, Sample
from farthing.node.hands import Hands
from farthing.node.health import HealthBoard
from farthing.node.prepare import Preparer
from farthing.node.server import Service
from farthing.node.share import ClaimName, Share
from farthing.node.sockets import Sockets
from tests.unit.node.nvml_machine import Machine

DRIVER, NODE = "gpu.farthing.dev", "n1"
GIB = 1 << 30
EVERY_LEVEL: frozenset[Isolation] = frozenset(("shared", "soft", "hard"))


def uid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def claim(
    number: int, device: str = "gpu-0", *, compute: int = 250, level: str = "shared", team: str = "a"
) -> dict[str, Any]:
    """A claim that holds so many milli-GPU of an 80 GiB device."""
    share = {"apiVersion": "farthing.dev/v1", "kind": "Share", "isolation": level, "team": team}
    taken = {"compute": str(compute), "memory": str(80 * GIB * compute // 1000)}
    result = {
        "request": "gpu",
        "driver": DRIVER,
        "pool": NODE,
        "device": device,
        "shareID": f"s{number}",
        "consumedCapacity": taken,
    }
    config = [{"source": "FromClaim", "requests": ["gpu"], "opaque": {"driver": DRIVER, "parameters": share}}]
    return {
        "metadata": {"namespace": "ns", "name": f"c{number}", "uid": uid(number)},
        "status": {"allocation": {"devices": {"results": [result], "config": config}}},
    }


def name(number: int) -> ClaimName:
    return ClaimName("ns", f"c{number}", uid(number))


@dataclass
class Bench:
    """Hardware that remembers what is open."""

    opened: set[str] = field(default_factory=set)
    error: Exception | None = None

    def look(self) -> Inventory:
        return Inventory((Device("gpu-0", 80 * GIB, EVERY_LEVEL), Device("gpu-1", 80 * GIB, frozenset({"shared"}))))

    def open(self, shares: tuple[Share, ...]) -> Edits:
        if self.error:
            raise self.error
        self.opened |= {share.share_id for share in shares}
        return Edits(env={"OPEN": "yes"})

    def close(self, shares: tuple[Share, ...], others: tuple[Share, ...]) -> None:  # noqa: ARG002 -- as the seam has it
        self.opened -= {share.share_id for share in shares}

    def tidy(self, opened: tuple[Share, ...]) -> tuple[str, ...]:
        stray = self.opened - {share.share_id for share in opened}
        self.opened -= stray
        return tuple(sorted(stray))

    def used(self) -> tuple[Sample, ...]:
        return ()


@dataclass
class Rig:
    """One node. `restart` is a new driver on the same disk."""

    folder: Path
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    bench: Bench = field(default_factory=Bench)
    away: Exception | None = None
    boot: str = "boot-1"
    seen: dict[ClaimName, dict[str, Any]] = field(default_factory=dict)

    def give(self, number: int, *args: Any, **more: Any) -> ClaimName:
        found = claim(number, *args, **more)
        self.claims[found["metadata"]["name"]] = found
        return name(number)

    async def fetch(self, wanted: ClaimName) -> dict[str, Any]:
        if self.away:
            raise self.away
        if wanted.name not in self.claims:
            raise NotFoundError(f"no claim {wanted}")
        return self.claims[wanted.name]

    def restart(self) -> Preparer:
        checkpoint = Checkpoint(self.folder / "claims", self.boot)
        hands = Hands(self.bench, checkpoint, Cdi(self.folder / "cdi"), self.bench.look())
        return Preparer(hands, self.fetch, DRIVER, NODE, self.folder / "serialize.lock", self.seen.get)

    @property
    def journal(self) -> Path:
        return self.folder / "claims" / "journal"

    def left(self) -> list[str]:
        """What lies on the disk for claims: records, by claim and state, and CDI files."""
        lines = self.journal.read_bytes().splitlines() if self.journal.exists() else []
        records = [json.loads(line)["body"]["record"] for line in lines if line.strip()]
        last = {record["claim"]["name"]: record["state"] for record in records}
        return sorted([*map(" ".join, last.items()), *(path.name for path in (self.folder / "cdi").glob("*"))])


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
async def service(rig, tmp_path_factory):
    sockets = Sockets(tmp_path_factory.mktemp("k"), DRIVER)
    found = Service(rig.restart(), HealthBoard(), sockets, print, lambda _: None, lambda *_: None, time.monotonic)
    await found.start()
    yield found
    await found.stop()


async def call(service, module, method, *claims):
    """Call as kubelet does; the answers by uid."""
    kind = getattr(module, f"{method}Request"), getattr(module, f"{method}Response")
    path = f"/{module.DESCRIPTOR.package}.DRAPlugin/{method}"
    async with grpc.aio.insecure_channel(f"unix://{service.sockets.service}") as channel:
        ask = channel.unary_unary(
            path, request_serializer=kind[0].SerializeToString, response_deserializer=kind[1].FromString
        )
        wanted = [module.Claim(namespace=c.namespace, name=c.name, uid=c.uid) for c in claims]
        return (await ask(kind[0](claims=wanted))).claims


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The folder of a libnvidia-ml.so.1 that says what it is told."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc: the stand-in for NVML cannot be compiled")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parent / "nvml" / "nvml.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)], check=True)
    return folder


@pytest.fixture
def start(library, tmp_path):
    """A way to start a driver on such a library."""
    made = []

    def begin(*, mps=True, **more):
        made.append(Machine(library, tmp_path, mps, **more))
        return made[0]

    yield begin
    for machine in made:
        machine.end()
