"""An inventory as ResourceSlices. Pure.

Limits of Kubernetes: 128 devices in a slice, 64 where one has taints or counters; shared counters have slices of
their own, 8 sets in each.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from farthing.model.ask import ISOLATIONS
from farthing.model.cluster import Attribute, Version
from farthing.model.quantity import format_bytes
from farthing.node.devices import Device, Inventory, Trouble

PLAIN: Final = 128
RICH: Final = 64
SETS: Final = 8
DOMAIN: Final = "farthing.dev"
_LONGEST_NAME: Final = 63

Json = dict[str, Any]


def slice_name(node: str, driver: str, number: int) -> str:
    """The name of a node's slice, short enough and always the same."""
    name = f"{node}-{driver}-{number}"
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(f"{node}/{driver}".encode()).hexdigest()[:12]
    return f"{name[:30].rstrip('-.')}-{mark}-{number}"


def slices_of(inventory: Inventory, node: str, driver: str, owner: Json | None) -> list[Json]:
    """The slices of one node's pool. Generation 0 stands for the one that is to be written."""
    devices = [_device(device) for device in inventory.devices]
    rich = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    parts: list[Json] = [{"sharedCounters": part} for part in _batched(_counters(inventory), SETS)]
    parts += [{"devices": part} for part in _batched(devices, RICH if rich else PLAIN)] or [{"devices": []}]
    pool = {"name": node, "generation": 0, "resourceSliceCount": len(parts)}
    return [
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {
                "name": slice_name(node, driver, number),
                **({"ownerReferences": [owner]} if owner else {}),
            },
            "spec": {"driver": driver, "nodeName": node, "pool": pool, **part},
        }
        for number, part in enumerate(parts)
    ]


def same(there: Sequence[Json], wanted: Sequence[Json]) -> bool:
    """Whether what is there is what is wanted, whatever its generation."""
    return {s["metadata"]["name"]: _content(s) for s in there} == {s["metadata"]["name"]: _content(s) for s in wanted}


def _content(found: Json) -> Json:
    spec = dict(found["spec"])
    spec["pool"] = {**spec["pool"], "generation": 0}
    for empty in [name for name, value in spec.items() if value in ([], None)]:
        del spec[empty]
    return spec


def _counters(inventory: Inventory) -> Iterator[Json]:
    for name, counters in sorted(inventory.counters.items()):
        yield {"name": name, "counters": {key: {"value": str(value)} for key, value in sorted(counters.items())}}


def _device(device: Device) -> Json:
    levels = {f"isolation{level.capitalize()}": level in device.levels for level in ISOLATIONS}
    memory = format_bytes(device.memory)
    found: Json = {
        "name": device.name,
        "attributes": {name: _attribute(value) for name, value in sorted({**device.attributes, **levels}.items())},
        "capacity": {"memory": {"value": memory}, "compute": {"value": str(device.compute)}},
    }
    if device.shared:
        found["allowMultipleAllocations"] = True
        found["capacity"]["memory"]["requestPolicy"] = _portions(memory, "1Mi")
        found["capacity"]["compute"]["requestPolicy"] = _portions(str(device.compute), "1")
    if device.consumes:
        counters = {name: {"value": str(amount)} for name, amount in sorted(device.consumes.items())}
        found["consumesCounters"] = [{"counterSet": device.parent, "counters": counters}]
    if device.troubles:
        found["taints"] = [_taint(trouble) for trouble in device.troubles]
    return found


def _batched(items: Iterable[Json], size: int) -> Iterator[list[Json]]:
    found = list(items)
    return (found[i : i + size] for i in range(0, len(found), size))


def _portions(whole: str, step: str) -> Mapping[str, Any]:
    return {"default": whole, "validRange": {"min": step, "step": step}}


def _attribute(value: Attribute) -> Json:
    match value:
        case Version():
            return {"version": value.text}
        case bool():
            return {"bool": value}
        case int():
            return {"int": value}
        case _:
            return {"string": value[:64]}


def _taint(trouble: Trouble) -> Json:
    return {
        "key": f"{DOMAIN}/{trouble.name}",
        "value": trouble.value,
        "effect": trouble.effect,
        "timeAdded": trouble.since,
    }
