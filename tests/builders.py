"""Small builders for worlds: a test says what matters to it, the rest is ordinary."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from farthing.decide.cycle import plan
from farthing.model.ask import Ask, parse_ask, template_name
from farthing.model.cluster import (
    DEVICE_CLASS,
    GATE,
    OWN_DRIVER,
    Allocation,
    Attribute,
    Capacity,
    Claim,
    Constraints,
    Device,
    DeviceClass,
    DeviceId,
    DriverProfile,
    Key,
    Node,
    Pod,
    PodClaim,
    Request,
    Result,
    Slice,
)
from farthing.model.plan import Plan, Seen
from farthing.model.quantity import MIB
from farthing.model.thing import Thing
from farthing.state.snapshot import Snapshot
from farthing.state.world import World

GIB = 1 << 30
_versions = itertools.count(1000)

OWN_PROFILE = DriverProfile(OWN_DRIVER, 1, OWN_DRIVER, "nvidia", "memory", "compute", "model", "profile")
NVIDIA_PROFILE = DriverProfile(
    "gpu.nvidia.com", 1, "gpu.nvidia.com", "nvidia", "memory", "", "productName", "profile", ("shared",)
)
OWN_CLASS = DeviceClass(DEVICE_CLASS, 1)

__all__ = ["GATE"]


def device(name: str = "gpu-0", memory: int = 80 * GIB, model: str = "H100", **more: Any) -> Device:
    """A device of our own driver that can be shared at every level but `partition`."""
    levels: dict[str, Attribute] = {"isolationShared": True, "isolationSoft": True, "isolationHard": True}
    attributes = {"model": model, "vendor": "nvidia", "uuid": f"GPU-{name}", **levels, **more.pop("attributes", {})}
    return Device(
        name=name,
        multi=more.pop("multi", True),
        attributes=tuple(sorted(attributes.items())),
        capacity=(
            ("compute", Capacity(1000, portioned=True, default=1000, least=1, step=1)),
            ("memory", Capacity(memory, portioned=True, default=memory, least=MIB, step=MIB)),
        ),
        **more,
    )


def node(name: str = "n0", cpu: int = 64_000, memory: int = 256 * GIB, pods: int = 110, **more: Any) -> Node:
    labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
    return Node(name, next(_versions), f"uid-{name}", cpu, memory, pods, labels, **more)


def slice_of(node_name: str = "n0", devices: Iterable[Device] | int = 1, **more: Any) -> Slice:
    """The slice of a node; a number stands for so many ordinary devices."""
    found = tuple(device(f"gpu-{i}") for i in range(devices)) if isinstance(devices, int) else tuple(devices)
    fields: dict[str, Any] = {"driver": OWN_DRIVER, "pool": node_name, "generation": 1, "count": 1, **more}
    return Slice(fields.pop("name", f"{node_name}-gpu"), next(_versions), node=node_name, devices=found, **fields)


def asking(name: str = "p", gpu: str | Ask = "0.5", namespace: str = "team-a", **more: Any) -> tuple[Pod, Claim]:
    """A gated pod with the claim that Kubernetes made for it."""
    ask = gpu if isinstance(gpu, Ask) else parse_ask(gpu, more.pop("models", None), more.pop("isolation", None))
    key = Key(namespace, name)
    claim = Claim(
        Key(namespace, f"{name}-claim"),
        f"claim-uid-{namespace}-{name}",
        next(_versions),
        more.get("created", 0.0),
        owner=f"uid-{namespace}-{name}",
        requests=(Request("gpu", DEVICE_CLASS, ask.count),),
        ask=ask,
    )
    fields: dict[str, Any] = {"created": 0.0, "constraints": Constraints(), "gated": True, **more}
    pod = Pod(
        key,
        f"uid-{namespace}-{name}",
        next(_versions),
        claims=(PodClaim("farthing", claim.key.name, template_name(ask)),),
        **fields,
    )
    return pod, claim


def allocated(claim: Claim, pod: Pod, device_name: str = "gpu-0", node_name: str = "n0", **consumed: int) -> Claim:
    """The claim as it is once it holds a share of a device."""
    amounts = consumed or {"compute": 500, "memory": 40 * GIB}
    where = DeviceId(OWN_DRIVER, node_name, device_name)
    result = Result("gpu", where, f"share-{claim.uid}", tuple(sorted(amounts.items())))
    isolation = claim.ask.isolation if claim.ask else "shared"
    allocation = Allocation((result,), node_name, isolation, pod.team or pod.key.namespace)
    return replace(claim, version=next(_versions), allocation=allocation, users=((pod.key.name, pod.uid),))


def newer(thing: Any, **changes: Any) -> Any:
    """The same thing, seen later."""
    return replace(thing, version=next(_versions), **changes)


def world(*things: Thing | tuple[Pod, Claim], at: float = 0.0) -> World:
    """A world with our driver's profile and class, and these things."""
    found = World()
    for thing in (OWN_PROFILE, OWN_CLASS, *things):
        for one in thing if isinstance(thing, tuple) else (thing,):
            found.fold(Seen(one), at)
    return found


def snapshot(*things: Thing | tuple[Pod, Claim], at: float = 0.0) -> Snapshot:
    return world(*things).snapshot(at)


def planned(*things: Thing | tuple[Pod, Claim], at: float = 0.0) -> Plan:
    """The plan for a world of these things."""
    return plan(snapshot(*things, at=at))
