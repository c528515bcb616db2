"""NVIDIA's GPUs and MIG instances, through NVML (nvidia-ml-py).

A GPU in MIG mode is offered as the instances that somebody cut already, and as those that can still be cut when they
are wanted (`nvidia_mig`); any other GPU as one device that can be shared.
Attribute names are those of NVIDIA's own DRA driver and of Kubernetes (`resource.kubernetes.io/...`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pynvml
import structlog

from farthing.model.ask import Isolation
from farthing.model.cluster import Attribute, Version
from farthing.model.errors import TransientError, UnsupportedError
from farthing.model.quantity import MIB
from farthing.node.devices import Device, Edits, Inventory, Sample, Trouble
from farthing.node.limits import MPS_LEVELS, needs_daemon
from farthing.node.mps import MpsDaemons
from farthing.node.nvidia_health import Health
from farthing.node.nvidia_links import Links, bus_id
from farthing.node.nvidia_mig import Partitions
from farthing.node.nvidia_profiles import text
from farthing.node.share import Share
from farthing.node.time_slice import TimeSlices
from farthing.node.topology import DOMAIN, place_of

_log = structlog.get_logger(__name__)

MINORS: Final = "proc/driver/nvidia-caps/mig-minors"
COMMON_NODES: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
_PROFILE: Final = re.compile(r"MIG (\d+g\.\d+gb(?:\+\w+)?)$")
_MODEL: Final = re.compile(r"\b(A\d+|H\d+|B\d+|GB\d+|GH\d+|L\d+S?|V\d+|P\d+|T\d+)\b")


class Nvidia:
    """The GPUs of this machine. Without `mps`, `soft` and `hard` are not offered; without `mig`, nothing is cut.

    Without `slices`, time slices stay as they are. `root` stands for `/` in tests.
    """

    def __init__(
        self,
        mps: MpsDaemons | None,
        mig: Partitions | None,
        stamp: Callable[[], str],
        root: Path = Path("/"),
        slices: TimeSlices | None = None,
    ) -> None:
        self._slices = slices
        self._mps = mps
        self._mig = mig
        self._root = root
        self._links = Links()
        self._health = Health(stamp)
        self._seen = Inventory()
        with _foreign("NVML cannot be used; is the NVIDIA driver installed?"):
            pynvml.nvmlInit()

    def look(self) -> Inventory:
        """What is here. A GPU that was here and does not answer is kept, as broken."""
        with _foreign("the GPUs cannot be listed"):
            count = pynvml.nvmlDeviceGetCount()
            driver = text(pynvml.nvmlSystemGetDriverVersion())
        devices: list[Device] = []
        counters: dict[str, Mapping[str, int]] = {}
        answered: set[Attribute] = set()
        for number in range(count):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(number)
                found = self._gpu(handle, driver)
                devices += found.devices
                counters |= found.counters
                answered.add(pynvml.nvmlDeviceGetMinorNumber(handle))
            except pynvml.NVMLError as error:
                _log.error("a GPU does not answer", number=number, error=str(error))
        devices = [*self._linked(devices), *self._lost(answered)]
        counters |= {name: self._seen.counters[name] for d in devices if (name := d.parent) not in counters and name}
        if self._mps:
            for name in self._mps.tend():
                _log.error("MPS daemon was dead and is started again", domain=name)
        self._seen = Inventory(tuple(sorted(devices, key=lambda device: device.name)), counters)
        return self._seen

    def open(self, shares: tuple[Share, ...]) -> Edits:
        devices = {device.name: device for device in self._seen.devices}
        if self._slices:
            self._slices.begin(self._in_turns(shares))
        opened = [self._opened(share, devices[share.device]) for share in shares]
        nodes = [node for _, found in opened for node in found]
        uuids = ",".join(uuid for uuid, _ in opened)
        edits = Edits(env={"NVIDIA_VISIBLE_DEVICES": uuids}, nodes=(*nodes, *COMMON_NODES))
        if not needs_daemon(shares, devices):
            return edits
        if self._mps is None:
            raise UnsupportedError(f"IsolationUnavailable: {shares[0].level} needs MPS, which this node has not")
        return edits + self._mps.open(shares, devices)

    def close(self, shares: tuple[Share, ...], others: tuple[Share, ...]) -> None:
        if self._mps:
            for group in _limited(shares):
                self._mps.close(group, _limited(others))
        if self._mig:
            for share in shares:
                self._mig.close(share.device, share.claim.uid)
        if self._slices:
            self._slices.end(self._in_turns(shares) - self._in_turns(others))

    def tidy(self, opened: tuple[Share, ...]) -> tuple[str, ...]:
        stopped = self._mps.tidy(_limited(opened)) if self._mps else ()
        undone = self._mig.tidy((share.device, share.claim.uid) for share in opened) if self._mig else ()
        return stopped + undone

    def used(self) -> tuple[Sample, ...]:
        """By process: memory, and the part of the last second in which a kernel ran. MIG says no such part."""
        cut = dict(self._mig.live()) if self._mig else {}
        uuids = {device.name: str(device.attributes.get("uuid", "")) for device in self._seen.devices} | cut
        return tuple(sample for name, uuid in uuids.items() if uuid for sample in _used(name, uuid))

    def _in_turns(self, shares: Sequence[Share]) -> set[str]:
        """The UUIDs of the GPUs on which these shares take turns. MIG instances have no time slice of their own."""
        mine = (self._seen.device(share.device) for share in shares if share.level == "shared" and not share.admin)
        return {str(device.attributes["uuid"]) for device in mine if device and device.attributes["type"] == "gpu"}

    # One GPU ------------------------------------------------------------------------------------------------------

    def _opened(self, share: Share, device: Device) -> tuple[str, list[str]]:
        """NVML's name of a device that is ready, and its device nodes."""
        kind, minor = device.attributes["type"], int(str(device.attributes["minor"]))
        gpu = f"/dev/nvidia{minor}"
        if kind == "gpu":
            return str(device.attributes["uuid"]), [gpu]
        if device.parent and self._mig:
            live = self._mig.open(device, share.claim.uid)
            return live.uuid, [gpu, *mig_nodes(minor, live.group, live.compute, self._root / MINORS)]
        a = device.attributes
        group, compute = int(str(a["gpuInstance"])), int(str(a["computeInstance"]))
        return str(a["uuid"]), [gpu, *mig_nodes(minor, group, compute, self._root / MINORS)]

    def _gpu(self, handle: Any, driver: str) -> Inventory:
        uuid = text(pynvml.nvmlDeviceGetUUID(handle))
        minor = pynvml.nvmlDeviceGetMinorNumber(handle)
        troubles = self._health.of(handle, uuid)
        if self._slices and uuid in self._slices.failures:
            troubles += (self._health.unset(uuid, self._slices.failures[uuid]),)
        attributes = _attributes(handle, uuid, minor, driver, self._root)
        mode = _mig_mode(handle)
        if mode == "on":
            found = self._partitions(handle, minor, attributes)
            return replace(found, devices=tuple(replace(one, troubles=troubles) for one in found.devices))
        levels: list[Isolation] = ["shared", *(("soft", "hard") if self._mps else ())]
        whole = Device(
            name=f"gpu-{minor}",
            memory=_memory(handle),
            levels=frozenset(levels),
            attributes={**attributes, "type": "gpu", **({"migMode": mode} if mode else {})},
            troubles=troubles,
        )
        return Inventory((whole,))

    def _partitions(self, handle: Any, minor: int, attributes: dict[str, Attribute]) -> Inventory:
        """What is cut by somebody, and what can be cut besides."""
        if self._mig is None:
            return Inventory(tuple(device for _, device in _instances(handle, minor, attributes)))
        before = self._mig.marks()
        cut = list(_instances(handle, minor, attributes))
        offered, foreign = self._mig.offered(handle, minor, attributes, before, (group for group, _ in cut))
        return Inventory((*(device for group, device in cut if group in foreign), *offered.devices), offered.counters)

    def _linked(self, devices: Sequence[Device]) -> Iterator[Device]:
        """The devices, each with the NVLink domain of its GPU. MIG does not go over NVLink."""
        whole = {str(d.attributes[f"{DOMAIN}/pciBusID"]): d for d in devices if d.attributes["type"] == "gpu"}
        with _foreign("NVLink cannot be looked at"):
            handles = {bus: pynvml.nvmlDeviceGetHandleByUUID(d.attributes["uuid"]) for bus, d in whole.items()}
            domains = self._links.domains(handles)
        for device in devices:
            bus = str(device.attributes[f"{DOMAIN}/pciBusID"])
            own = {"nvlinkDomain": domains[bus]} if bus in domains and device is whole.get(bus) else {}
            yield replace(device, attributes={**device.attributes, **own})

    def _lost(self, answered: set[Attribute]) -> Iterator[Device]:
        """What was here at the last look and whose GPU does not answer now: it has fallen off the bus."""
        for device in self._seen.devices:
            if device.attributes["minor"] not in answered:
                yield replace(device, troubles=(*_without_lost(device.troubles), self._health.lost(device.name)))


def _without_lost(troubles: Sequence[Trouble]) -> list[Trouble]:
    return [trouble for trouble in troubles if trouble.name != "lost"]


def _attributes(handle: Any, uuid: str, minor: int, driver: str, root: Path) -> dict[str, Attribute]:
    name = text(pynvml.nvmlDeviceGetName(handle))
    major, lesser = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    bus = bus_id(pynvml.nvmlDeviceGetPciInfo(handle))
    found = _MODEL.search(name)
    return {
        "vendor": "nvidia",
        "productName": name,
        "model": found[1] if found else name.removeprefix("NVIDIA ").replace(" ", "-"),
        "uuid": uuid,
        "minor": minor,
        "driverVersion": Version(_semantic(driver)),
        "cudaComputeCapability": Version(f"{major}.{lesser}.0"),
        **place_of(bus, root),
    }


def _instances(handle: Any, minor: int, parent: dict[str, Attribute]) -> Iterator[tuple[int, Device]]:
    """The MIG instances that are cut on a GPU, each with the id of its GPU instance."""
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except pynvml.NVMLError_NotFound:
            continue
        profile = _PROFILE.search(text(pynvml.nvmlDeviceGetName(instance)))
        group = pynvml.nvmlDeviceGetGpuInstanceId(instance)
        compute = pynvml.nvmlDeviceGetComputeInstanceId(instance)
        own: dict[str, Attribute] = {
            "type": "mig",
            "uuid": text(pynvml.nvmlDeviceGetUUID(instance)),
            "parentUUID": parent["uuid"],
            "profile": profile[1] if profile else "unknown",
            "gpuInstance": group,
            "computeInstance": compute,
        }
        yield (
            group,
            Device(
                name=f"gpu-{minor}-mig-{group}-{compute}",
                memory=_memory(instance),
                levels=frozenset(("partition",)),
                attributes={**parent, **own},
                shared=False,
            ),
        )


def mig_nodes(minor: int, group: int, compute: int, table: Path) -> list[str]:
    """The capability nodes of a MIG instance, from the driver's table (`gpu0/gi1/ci0/access 13`)."""
    instance = f"gpu{minor}/gi{group}"
    try:
        numbers = dict(line.split() for line in table.read_text(encoding="utf-8").splitlines() if line.strip())
        wanted = (f"{instance}/access", f"{instance}/ci{compute}/access")
        return [f"/dev/nvidia-caps/nvidia-cap{numbers[name]}" for name in wanted]
    except (OSError, ValueError, KeyError) as error:
        raise TransientError(f"{instance}: the driver's table {table} does not list it: {error}") from error


def _used(name: str, uuid: str) -> Iterator[Sample]:
    with _foreign(f"the use of {name} cannot be read"):
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        busy = {sample.pid: sample.smUtil for sample in _samples(handle)}
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
            yield Sample(name, process.pid, process.usedGpuMemory or 0, busy.get(process.pid, 0) * 10)


def _samples(handle: Any) -> Sequence[Any]:
    """The newest sample of each process; none where nothing ran, or on MIG."""
    try:
        found = pynvml.nvmlDeviceGetProcessUtilization(handle, 0)
    except (pynvml.NVMLError_NotFound, pynvml.NVMLError_NotSupported):
        return ()
    return sorted(found, key=lambda sample: sample.timeStamp)


def _mig_mode(handle: Any) -> str:
    """`on`, `off`, or `pending` where it was switched on and waits for a reset; empty for GPUs without MIG."""
    try:
        now, later = pynvml.nvmlDeviceGetMigMode(handle)
    except pynvml.NVMLError_NotSupported:
        return ""
    if now == pynvml.NVML_DEVICE_MIG_ENABLE:
        return "on"
    return "pending" if later == pynvml.NVML_DEVICE_MIG_ENABLE else "off"


def _memory(handle: Any) -> int:
    """In bytes, whole MiB: shares are cut in MiB."""
    total: int = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    return total // MIB * MIB


def _limited(shares: Sequence[Share]) -> list[tuple[Share, ...]]:
    """The shares that may have a daemon, by claim and request."""
    of = attrgetter("claim.uid", "request")
    mine = sorted((share for share in shares if share.level in MPS_LEVELS), key=of)
    return [tuple(group) for _, group in groupby(mine, of)]


def _semantic(version: str) -> str:
    """A driver's version as Kubernetes wants versions: three numbers without leading zeros."""
    numbers = [str(int(part)) for part in version.split(".") if part.isdigit()]
    return ".".join([*numbers, "0", "0"][:3])


@contextmanager
def _foreign(what: str) -> Iterator[None]:
    """NVML's errors as ours."""
    try:
        yield
    except pynvml.NVMLError as error:
        raise TransientError(f"{what} ({error})") from error
