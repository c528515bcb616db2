"""A driver on NVIDIA's own binding, told what to do line by line; answers in JSON. Run by `nvml_machine`."""

import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest

from farthing.model.errors import FarthingError, NotFoundError
from farthing.node.cdi import Cdi
from farthing.node.checkpoint import Checkpoint
from farthing.node.hands import Hands
from farthing.node.mps import MpsDaemons
from farthing.node.nvidia import Nvidia
from farthing.node.nvidia_memory import limit_memory
from farthing.node.nvidia_mig import Partitions
from farthing.node.prepare import Preparer
from farthing.node.share import shares_of
from farthing.node.time_slice import TimeSlice, TimeSlices
from farthing.node.use import UseCollector, uses
from tests.unit.node.conftest import claim, name

structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
FOLDER = Path(sys.argv[2])


class Probe:
    """One driver. Claims live as long as they are in `claims`."""

    def __init__(self):
        mps = MpsDaemons(FOLDER / "mps", sys.argv[3], own_shm=False) if sys.argv[1] == "mps" else None
        slices = TimeSlices(sys.argv[4], TimeSlice(sys.argv[5])) if sys.argv[5:] else None
        self.vendor = Nvidia(mps, Partitions(FOLDER / "mig"), lambda: "T", FOLDER / "root", slices)
        self.hands = Hands(self.vendor, Checkpoint(FOLDER / "claims", "boot"), Cdi(FOLDER / "cdi"))
        self.driver = Preparer(self.hands, self.fetch, "gpu.farthing.dev", "n1", FOLDER / "lock")

    async def fetch(self, wanted):
        text = (FOLDER / f"claim-{wanted.name}").read_text() if (FOLDER / f"claim-{wanted.name}").exists() else ""
        if not text:
            raise NotFoundError(f"no claim {wanted}")
        return json.loads(text)

    def look(self):
        self.hands.inventory = self.vendor.look()
        return {
            d.name: {
                "memory": d.memory,
                "levels": sorted(d.levels),
                "shared": d.shared,
                "attributes": {k: getattr(v, "text", v) for k, v in d.attributes.items()},
                "troubles": [[t.name, t.value, t.effect] for t in d.troubles],
                "consumes": dict(d.consumes),
            }
            for d in self.hands.inventory.devices
        }

    def counters(self):
        return {name: dict(counters) for name, counters in self.hands.inventory.counters.items()}

    def open(self, level, device="gpu-0", number=1):
        edits = self.vendor.open(shares_of(claim(int(number), device, level=level), "gpu.farthing.dev", "n1"))
        return {"env": edits.env, "nodes": edits.nodes, "mounts": [m.container for m in edits.mounts]}

    def close(self, level, device="gpu-0", *others):
        stay = [
            share for n in others for share in shares_of(claim(int(n), device, level=level), "gpu.farthing.dev", "n1")
        ]
        self.vendor.close(shares_of(claim(1, device, level=level), "gpu.farthing.dev", "n1"), tuple(stay))
        return {}

    def limit(self, device, group, memory):
        limit_memory(self.hands.inventory.by_name[device], Path(group), int(memory))
        return {}

    def give(self, number, device):
        """Let there be a claim that holds a partition."""
        found = claim(int(number), device, level="partition")
        del found["status"]["allocation"]["devices"]["results"][0]["consumedCapacity"]
        (FOLDER / f"claim-c{number}").write_text(json.dumps(found))
        return {}

    def take(self, number):
        (FOLDER / f"claim-c{number}").unlink()
        return {}

    def prepare(self, number):
        record = asyncio.run(self.driver.prepare(name(int(number))))
        (found,) = json.loads(self.hands.cdi.path(record.claim.uid).read_text())["devices"]
        edits = found["containerEdits"]
        return {"env": edits["env"], "nodes": [node["path"] for node in edits["deviceNodes"]]}

    def unprepare(self, number):
        asyncio.run(self.driver.unprepare(name(int(number))))
        return {}

    def sweep(self):
        return [gone.name for gone in asyncio.run(self.driver.sweep())]

    def cost(self, rounds):
        """Seconds of CPU of one look at who uses how much, with what Prometheus reads of it; a share for each process."""
        inventory = self.vendor.look()
        processes = [(sample.device, sample.process) for sample in self.vendor.used()]
        shares = [
            shares_of({**claim(n, device, compute=10)}, "gpu.farthing.dev", "n1")[0]
            for n, (device, _) in enumerate(processes)
        ]
        registry, collector = CollectorRegistry(), UseCollector(dcgm=True, node="n1")
        registry.register(collector)
        start = time.process_time()
        for _ in range(int(rounds)):
            collector.uses = uses(self.vendor.used(), shares, inventory, Path("/proc"))
            generate_latest(registry)
        return {"seconds": (time.process_time() - start) / int(rounds), "shares": len(shares)}

    def used(self):
        return [dataclasses.asdict(sample) for sample in self.vendor.used()]


def main():
    probe = None
    for line in sys.stdin:
        word, *rest = line.split()
        try:
            if word == "start":
                probe, answer = Probe(), {}
            else:
                answer = getattr(probe, word)(*rest)
        except FarthingError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
