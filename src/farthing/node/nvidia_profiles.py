"""What a GPU in MIG mode can be cut into, as NVML says, and that as devices and counters of Kubernetes (KEP 4815).

A partition's name says it all, and is what NVIDIA's own DRA driver would call it: `gpu-1-mig-1g5gb-19-0` is profile
19, 1g.5gb, at memory slice 0 of GPU 1. Counters keep two from overlapping: one for each memory slice, one for each kind
of engine.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ctypes import byref, c_uint
from dataclasses import dataclass
from typing import Any, Final

import pynvml

from farthing.model.cluster import Attribute
from farthing.model.quantity import MIB
from farthing.node.devices import Device, Inventory

_ENGINES: Final = {
    "multiprocessors": "multiprocessorCount",
    "copy-engines": "copyEngineCount",
    "decoders": "decoderCount",
    "encoders": "encoderCount",
    "jpeg-engines": "jpegCount",
    "ofa-engines": "ofaCount",
}
"""What instances of one GPU share besides memory: counter, and NVML's word for it."""


@dataclass(frozen=True)
class Profile:
    """A kind of partition: its size in compute slices and bytes, what it draws of the GPU, and where it can stand."""

    number: int
    name: str
    slices: int
    most: int
    memory: int
    draws: Mapping[str, int]
    placements: tuple[tuple[int, int], ...]


UNKNOWN: Final = Profile(-1, "unknown", 0, 0, 0, {}, ())
"""A profile that this version of NVML's binding has no number for."""


@dataclass(frozen=True)
class Standing:
    """A GPU instance that is cut: NVML's id, which profile it is, and the memory slices it takes."""

    group: int
    profile: Profile
    start: int
    size: int

    @property
    def taken(self) -> range:
        return range(self.start, self.start + self.size)


def profiles_of(handle: Any) -> Iterator[Profile]:
    """What a GPU can be cut into; the same for as long as it is here."""
    for kind in range(pynvml.NVML_GPU_INSTANCE_PROFILE_COUNT):
        try:
            info = pynvml.nvmlDeviceGetGpuInstanceProfileInfo(handle, kind, version=2)
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument):
            continue
        yield Profile(
            number=info.id,
            name=text(info.name).removeprefix("MIG "),
            slices=info.sliceCount,
            most=info.instanceCount,
            memory=info.memorySizeMB * MIB,
            draws={counter: amount for counter, field in _ENGINES.items() if (amount := getattr(info, field))},
            placements=tuple(_placements(handle, info.id)),
        )


def standing_on(handle: Any, profiles: Iterable[Profile], others: Iterable[int] = ()) -> Iterator[Standing]:
    """The GPU instances of these profiles that are cut, and besides those with the ids `others`, whatever they are."""
    seen = set()
    for profile in profiles:
        room, count = (pynvml.c_nvmlGpuInstance_t * profile.most)(), c_uint(profile.most)
        pynvml.nvmlDeviceGetGpuInstances(handle, profile.number, room, byref(count))
        for instance in room[: count.value]:
            info = pynvml.nvmlGpuInstanceGetInfo(instance)
            seen.add(info.id)
            yield Standing(info.id, profile, info.placement.start, info.placement.size)
    for group in set(others) - seen:
        with suppress(pynvml.NVMLError_NotFound):
            info = pynvml.nvmlGpuInstanceGetInfo(pynvml.nvmlDeviceGetGpuInstanceById(handle, group))
            yield Standing(group, UNKNOWN, info.placement.start, info.placement.size)


def partitions(
    profiles: Iterable[Profile], foreign: Iterable[Standing], minor: int, parent: Mapping[str, Attribute]
) -> Inventory:
    """Every profile at every placement that instances of others leave, and the counters that they all draw on.

    `parent` are the attributes of the GPU.
    """
    known, others = tuple(profiles), tuple(foreign)
    left = _left(known, others)
    group = f"gpu-{minor}-counter-set"
    possible = (
        _device(profile, start, size, minor, parent, group) for profile in known for start, size in profile.placements
    )
    devices = tuple(one for one in possible if all(left.get(name, 0) >= n for name, n in one.consumes.items()))
    return Inventory(devices, {group: left} if devices else {})


def partition_name(minor: int, profile: Profile, start: int) -> str:
    short = re.sub(r"[^0-9a-z]", "-", profile.name.lower().replace(".", ""))
    return f"gpu-{minor}-mig-{short}-{profile.number}-{start}"


def text(value: str | bytes) -> str:
    """What NVML says, whichever type the binding gives it."""
    return value.decode() if isinstance(value, bytes) else value


def _placements(handle: Any, profile: int) -> Iterator[tuple[int, int]]:
    count = c_uint(0)
    pynvml.nvmlDeviceGetGpuInstancePossiblePlacements(handle, profile, None, byref(count))
    room = (pynvml.c_nvmlGpuInstancePlacement_t * count.value)()
    pynvml.nvmlDeviceGetGpuInstancePossiblePlacements(handle, profile, room, byref(count))
    yield from sorted((one.start, one.size) for one in room[: count.value])


def _left(profiles: tuple[Profile, ...], foreign: tuple[Standing, ...]) -> dict[str, int]:
    """All that the GPU has, less what instances of others take."""
    whole = {name: max((profile.draws.get(name, 0) for profile in profiles), default=0) for name in _ENGINES}
    left = {name: amount - sum(one.profile.draws.get(name, 0) for one in foreign) for name, amount in whole.items()}
    end = max((start + size for profile in profiles for start, size in profile.placements), default=0)
    free = set(range(end)).difference(*(one.taken for one in foreign))
    return {**{name: amount for name, amount in left.items() if amount > 0}, **_slices(sorted(free))}


def _device(profile: Profile, start: int, size: int, minor: int, parent: Mapping[str, Attribute], group: str) -> Device:
    own: dict[str, Attribute] = {"type": "mig", "parentUUID": parent["uuid"], "profile": profile.name}
    return Device(
        name=partition_name(minor, profile, start),
        memory=profile.memory,
        levels=frozenset(("partition",)),
        attributes={**{name: value for name, value in parent.items() if name != "uuid"}, **own},
        shared=False,
        parent=group,
        consumes={**profile.draws, **_slices(range(start, start + size))},
    )


def _slices(numbers: Iterable[int]) -> dict[str, int]:
    """A counter for each memory slice: two partitions never stand on one."""
    return {f"memory-slice-{number}": 1 for number in numbers}
