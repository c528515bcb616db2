"""Devices that are not there, from a YAML file; for trying things out and for tests. They say `simulated: true`.

devices:
- count: 2                         # gpu-0, gpu-1
model: H100
memory: 80Gi
isolation: [shared, soft, hard]
- count: 1
model: A100
memory: 10Gi
profile: 1g.10gb                 # a partition; goes as a whole
faults:                            # optional; the file is read anew whenever it changes
- device: gpu-1
taint: NoExecute                 # or NoSchedule, None
kind: xid
value: "79"
- device: gpu-0
open: the device does not answer # preparing a share of it fails with these words
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pydantic
import yaml

from farthing.model.ask import Isolation
from farthing.model.errors import InvalidError, NotFoundError, TransientError
from farthing.model.quantity import MIB, whole_units
from farthing.node.devices import Device, Edits, Effect, Inventory, Sample, Trouble
from farthing.node.limits import mps_env, needs_daemon
from farthing.node.share import Share


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class _Group(_Part):
    """Equal devices."""

    count: Annotated[int, pydantic.Field(ge=1, le=1024)] = 1
    model: Annotated[str, pydantic.Field(pattern="^[A-Za-z0-9._-]{1,63}$")]
    memory: str
    isolation: tuple[Isolation, ...] = ("shared", "soft", "hard")
    profile: str = ""


class _Fault(_Part):
    """Something that goes wrong with a device."""

    device: str
    taint: Effect | None = None
    kind: str = "fault"
    value: str = ""
    open: str = ""


class _File(_Part):
    """What the file holds."""

    devices: Annotated[list[_Group], pydantic.Field(min_length=1)]
    faults: list[_Fault] = []


class Simulated:
    """The devices of a file on one node. `stamp` gives the time at which a fault is seen first."""

    def __init__(self, path: Path, node: str, stamp: Callable[[], str]) -> None:
        self._path = path
        self._node = node
        self._stamp = stamp
        self._since: dict[tuple[str, str, str], str] = {}
        self._changed = -1
        self._content = _File.model_construct(devices=[])
        self._devices: dict[str, Device] = {}
        self._read()

    def look(self) -> Inventory:
        content = self._read()
        troubles = self._troubles(content.faults)
        return Inventory(
            tuple(
                replace(device, troubles=tuple(trouble for on, trouble in troubles if on == name))
                for name, device in self._devices.items()
            )
        )

    def open(self, shares: tuple[Share, ...]) -> Edits:
        faults = {fault.device: fault.open for fault in self._read().faults if fault.open}
        for share in shares:
            if share.device in faults:
                raise TransientError(f"{share.device}: {faults[share.device]}")
        limits = mps_env(shares, self._devices) if needs_daemon(shares, self._devices) else {}
        return Edits(env={"FARTHING_SIMULATED": "true", **limits})

    def close(self, shares: tuple[Share, ...], others: tuple[Share, ...]) -> None:
        """Nothing was opened."""

    def tidy(self, opened: tuple[Share, ...]) -> tuple[str, ...]:  # noqa: ARG002 -- as the seam has it
        return ()

    def used(self) -> tuple[Sample, ...]:
        return ()

    def _read(self) -> _File:
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._changed:
                self._content = _File.model_validate(yaml.safe_load(self._path.read_text(encoding="utf-8")))
                groups = (group for group in self._content.devices for _ in range(group.count))
                self._devices = {f"gpu-{i}": self._device(f"gpu-{i}", group) for i, group in enumerate(groups)}
                self._changed = changed
        except OSError as error:
            raise NotFoundError(f"cannot read the simulated devices {self._path}: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise InvalidError(str(self._path), f"is not YAML: {error}") from error
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InvalidError(f"{self._path}: {field}", first["msg"]) from error
        return self._content

    def _troubles(self, faults: list[_Fault]) -> list[tuple[str, Trouble]]:
        now = self._stamp()
        keys = {(fault.device, fault.kind, fault.value): fault.taint for fault in faults if fault.taint}
        self._since = {key: self._since.get(key, now) for key in keys}
        return [
            (device, Trouble(kind, value, effect, self._since[device, kind, value], f"{kind} {value}".strip()))
            for (device, kind, value), effect in keys.items()
        ]

    def _device(self, name: str, group: _Group) -> Device:
        memory = whole_units(group.memory) // MIB * MIB
        profile = {"profile": group.profile} if group.profile else {}
        return Device(
            name=name,
            memory=memory,
            levels=frozenset(("partition",) if group.profile else group.isolation),
            attributes={
                "model": group.model,
                "vendor": "nvidia",
                "uuid": f"GPU-{self._node}-{name}",
                "simulated": True,
                **profile,
            },
            shared=not group.profile,
        )
