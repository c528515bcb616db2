"""MIG partitions, cut when a share is opened and undone when it is closed. Through NVML.

Instances that somebody else cut are left alone, and what they take is not offered.

A mark, a file with the claim's uid, is written before an instance is made and removed after it is destroyed: so a
driver that was killed in between knows what is of its making. Marks must not outlive a boot, as instances do not.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_uint
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pynvml
import structlog

from farthing.model.cluster import Attribute
from farthing.model.errors import FarthingError, TransientError, UnsupportedError
from farthing.model.reason import Reason, Why
from farthing.node.devices import Device, Inventory
from farthing.node.nvidia_profiles import Profile, partition_name, partitions, profiles_of, standing_on, text

_log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"gpu-(\d+)-mig-[0-9a-z-]+-(\d+)-(\d+)")
_GONE: Final = (pynvml.NVMLError_NotFound, pynvml.NVMLError_NotSupported, pynvml.NVMLError_GpuIsLost)
"""No such instance, no MIG mode any more, no GPU any more: instances end with each of them."""


@dataclass(frozen=True)
class Live:
    """What a container needs to know of a partition that is cut."""

    uuid: str
    minor: int
    group: int
    compute: int


class Partitions:
    """The partitions of one node. `folder` holds the marks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._profiles: dict[str, tuple[Profile, ...]] = {}

    def marks(self) -> frozenset[str]:
        """The names of all partitions of our making."""
        return frozenset(mark.name for mark in self._folder.glob("gpu-*") if _NAME.fullmatch(mark.name))

    def offered(
        self, handle: Any, minor: int, parent: Mapping[str, Attribute], before: frozenset[str], seen: Iterable[int]
    ) -> tuple[Inventory, frozenset[int]]:
        """What can be cut of a GPU, and NVML's ids of the instances that somebody else cut.

        `before` are the marks of a moment ago: what was cut or undone in between is ours all the same. `seen` are ids
        of instances that were there since.
        """
        profiles = self._known(handle, str(parent["uuid"]))
        standing = tuple(standing_on(handle, profiles, seen))
        ours = before | self.marks()
        foreign = tuple(one for one in standing if partition_name(minor, one.profile, one.start) not in ours)
        return partitions(profiles, foreign, minor, parent), frozenset(one.group for one in foreign)

    def open(self, device: Device, uid: str) -> Live:
        """Have the partition cut for a claim. Raises UnsupportedError where something else stands in its place."""
        minor, number, start = _parsed(device.name)
        with _nvml(device.name):
            handle = _gpu(minor)
            profile = next(one for one in self._known(handle, _uuid(handle)) if one.number == number)
            self._own(device.name, uid)
            found = next((one for one in standing_on(handle, (profile,)) if one.start == start), None)
            group = found.group if found else self._cut(handle, device.name, profile, start)
            instance = pynvml.nvmlDeviceGetGpuInstanceById(handle, group)
            compute = next(_computes(instance), None) or _make_compute(instance, profile)
            info = pynvml.nvmlComputeInstanceGetInfo(compute)
            return Live(text(pynvml.nvmlDeviceGetUUID(info.device)), minor, group, info.id)

    def close(self, name: str, uid: str) -> None:
        """Undo a claim's partition. Raises TransientError while a process holds it; done where it is not there."""
        if _NAME.fullmatch(name) and self._owner(name) == uid:
            self._destroy(name)

    def tidy(self, held: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Undo what is cut for no claim of these (device and uid); the names of what went."""
        keep = dict(held)
        gone = []
        for name in sorted(self.marks()):
            if keep.get(name) != self._owner(name):
                try:
                    self._destroy(name)
                    gone.append(name)
                except FarthingError as error:
                    _log.warning("a partition of nobody stays for now", name=name, error=str(error))
        return tuple(gone)

    def live(self) -> Iterator[tuple[str, str]]:
        """The partitions of our making that stand, and NVML's uuid of each."""
        for name in sorted(self.marks()):
            with _nvml(name):
                found = self._find(name)
                compute = found and next(_computes(found), None)
                if compute:
                    yield name, text(pynvml.nvmlDeviceGetUUID(pynvml.nvmlComputeInstanceGetInfo(compute).device))

    # Marks --------------------------------------------------------------------------------------------------------

    def _mark(self, name: str) -> Path:
        return self._folder / name

    def _owner(self, name: str) -> str:
        """The uid of the claim that a partition was cut for; empty where it is none of ours."""
        try:
            return self._mark(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def _own(self, name: str, uid: str) -> None:
        """Mark a partition as a claim's. What an earlier claim left behind is destroyed, not handed on."""
        if self._owner(name) not in ("", uid):
            self._destroy(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = self._folder / f".{name}.tmp"
            partial.write_text(uid, encoding="utf-8")
            partial.replace(self._mark(name))
        except OSError as error:
            raise TransientError(f"cannot write the mark {self._mark(name)}: {error.strerror}") from error

    # Instances ----------------------------------------------------------------------------------------------------

    def _known(self, handle: Any, uuid: str) -> tuple[Profile, ...]:
        """The profiles of a GPU; they stay the same while it is here."""
        if uuid not in self._profiles:
            self._profiles[uuid] = tuple(profiles_of(handle))
        return self._profiles[uuid]

    def _cut(self, handle: Any, name: str, profile: Profile, start: int) -> int:
        size = dict(profile.placements)[start]
        try:
            made = pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(
                handle, profile.number, byref(pynvml.c_nvmlGpuInstancePlacement_t(start, size))
            )
        except pynvml.NVMLError_InsufficientResources as error:
            self._mark(name).unlink(missing_ok=True)
            sentence = f"{name} cannot be cut: another MIG instance of the GPU is in its place"
            raise UnsupportedError(str(Reason(Why.SHARE_CONFLICT, sentence))) from error
        _log.info("partition cut", name=name)
        return int(pynvml.nvmlGpuInstanceGetInfo(made).id)

    def _find(self, name: str) -> Any:
        """The GPU instance at the place that a name says; None where there is none."""
        minor, number, start = _parsed(name)
        try:
            handle = _gpu(minor)
            wanted = [one for one in self._known(handle, _uuid(handle)) if one.number == number]
            found = next((one for one in standing_on(handle, wanted) if one.start == start), None)
            return found and pynvml.nvmlDeviceGetGpuInstanceById(handle, found.group)
        except _GONE:
            return None

    def _destroy(self, name: str) -> None:
        """Compute instances first, then the GPU instance, then the mark."""
        with _nvml(name):
            instance = self._find(name)
            try:
                for compute in _computes(instance) if instance else ():
                    pynvml.nvmlComputeInstanceDestroy(compute)
                if instance:
                    pynvml.nvmlGpuInstanceDestroy(instance)
                    _log.info("partition undone", name=name)
            except _GONE:
                _log.info("partition was gone already", name=name)
        self._mark(name).unlink(missing_ok=True)


# NVML -----------------------------------------------------------------------------------------------------------------


def _computes(instance: Any) -> Iterator[Any]:
    """The compute instances within a GPU instance."""
    for info in _compute_profiles(instance):
        room, count = (pynvml.c_nvmlComputeInstance_t * info.instanceCount)(), c_uint(info.instanceCount)
        pynvml.nvmlGpuInstanceGetComputeInstances(instance, info.id, room, byref(count))
        yield from room[: count.value]


def _make_compute(instance: Any, profile: Profile) -> Any:
    """One compute instance that takes all of the GPU instance."""
    fitting = (info.id for info in _compute_profiles(instance) if info.sliceCount == profile.slices)
    if (number := next(fitting, None)) is None:
        raise TransientError(f"NVML knows no compute instance of {profile.slices} slices for {profile.name}")
    return pynvml.nvmlGpuInstanceCreateComputeInstance(instance, number)


def _compute_profiles(instance: Any) -> Iterator[Any]:
    for kind in range(pynvml.NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        try:
            yield pynvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(
                instance, kind, pynvml.NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, version=2
            )
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument):
            continue


def _parsed(name: str) -> tuple[int, int, int]:
    """Minor number of the GPU, profile and first memory slice, as a partition's name says."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise UnsupportedError(f"{name} is not the name of a partition")
    return int(found[1]), int(found[2]), int(found[3])


def _gpu(minor: int) -> Any:
    """The handle of a GPU. Raises NVMLError_NotFound where it is not here."""
    for number in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            if pynvml.nvmlDeviceGetMinorNumber(handle) == minor:
                return handle
        except pynvml.NVMLError_GpuIsLost:
            continue
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)


def _uuid(handle: Any) -> str:
    return text(pynvml.nvmlDeviceGetUUID(handle))


@contextmanager
def _nvml(name: str) -> Iterator[None]:
    """NVML's errors as ours."""
    try:
        yield
    except pynvml.NVMLError_InUse as error:
        sentence = f"{name} cannot be undone while a process holds it"
        raise TransientError(str(Reason(Why.PARTITION_BUSY, sentence))) from error
    except pynvml.NVMLError as error:
        raise TransientError(f"the MIG instances of {name} cannot be managed ({error})") from error
