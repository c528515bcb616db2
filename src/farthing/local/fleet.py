"""Simulated nodes with GPUs: from a fleet file (`files.fleet`) to Kubernetes' objects.

The devices say `simulated: true`.
"""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from farthing.files.fleet import PODS_PER_NODE, Group, nodes_of_text, read_fleet
from farthing.model.ask import ISOLATIONS
from farthing.model.cluster import OWN_DRIVER
from farthing.model.quantity import format_bytes, whole_units

Json = dict[str, Any]


def load_fleet(path: Path) -> list[Json]:
    """Nodes and ResourceSlices of a fleet file, or of an openb node list (`.csv`). Errors name file and field."""
    return [found for name, group in read_fleet(path) for found in node_with_gpus(name, group)]


def demo_fleet() -> list[Json]:
    """The fleet that is simulated where nobody names another."""
    source = resources.files("farthing.local") / "demo.yaml"
    return list(fleet_of_text(source.read_text(encoding="utf-8"), "demo.yaml"))


def fleet_of_text(text: str, where: str) -> Iterator[Json]:
    """Nodes and ResourceSlices of a fleet file's text."""
    for name, group in nodes_of_text(text, where):
        yield from node_with_gpus(name, group)


def node_with_gpus(name: str, group: Group) -> Iterator[Json]:
    """One Node and, where it has GPUs, its ResourceSlice."""
    room = {"cpu": group.cpu, "memory": group.memory, "pods": str(PODS_PER_NODE)}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= {"farthing.dev/gpu-model": group.model} if group.model else {}
    yield {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**labels, **group.labels, "type": "kwok"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"capacity": room, "allocatable": room},
    }
    if group.gpus:
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": f"{name}-{OWN_DRIVER}"},
            "spec": {
                "driver": OWN_DRIVER,
                "nodeName": name,
                "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
                "devices": [_device(name, i, group) for i in range(group.gpus)],
            },
        }


def _device(node: str, number: int, group: Group) -> Json:
    memory = format_bytes(whole_units(group.gpu_memory))
    levels = {f"isolation{level.capitalize()}": {"bool": level in group.isolation} for level in ISOLATIONS}
    return {
        "name": f"gpu-{number}",
        "allowMultipleAllocations": True,
        "attributes": {
            "model": {"string": group.model or "unknown"},
            "vendor": {"string": group.vendor},
            "uuid": {"string": f"GPU-{node}-{number}"},
            "simulated": {"bool": True},
            **levels,
        },
        "capacity": {
            "memory": {"value": memory, "requestPolicy": _portions(memory, "1Mi")},
            "compute": {"value": "1000", "requestPolicy": _portions("1000", "1")},
        },
    }


def _portions(whole: str, step: str) -> Json:
    return {"default": whole, "validRange": {"min": step, "step": step}}
