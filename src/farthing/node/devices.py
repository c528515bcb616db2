"""The seam between the driver and the hardware: what is here, open a share, close it, who uses how much.

Behind it stand `simulated`, `nvidia` and `amd`. Its methods block, so the driver calls them in threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, Protocol

from farthing.model.ask import Isolation
from farthing.model.cluster import Attribute
from farthing.node.share import Share

WHOLE: Final = 1000
"""The compute of a whole device, in milli-GPU."""

Effect = Literal["NoExecute", "NoSchedule", "None"]


@dataclass(frozen=True)
class Trouble:
    """Something wrong with a device, as a taint: `NoExecute` for what fails, `None` for a warning.

    `name` is the taint's key without the domain, `value` the fault's number or kind.
    """

    name: str
    value: str
    effect: Effect
    since: str
    sentence: str = ""


@dataclass(frozen=True)
class Device:
    """One device that may be allocated: a GPU, shared or whole, or a partition of one.

    `memory` in bytes. `levels` are the levels of isolation that it can really deliver. A device that is not `shared`
    goes as a whole. `consumes` are counters of the set `parent` that a partition takes.
    """

    name: str
    memory: int
    levels: frozenset[Isolation]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    shared: bool = True
    compute: int = WHOLE
    parent: str = ""
    consumes: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()

    @property
    def broken(self) -> Trouble | None:
        """What makes it unfit for work, None where it is well."""
        return next((trouble for trouble in self.troubles if trouble.effect != "None"), None)


@dataclass(frozen=True)
class Inventory:
    """What a node has. `counters` are shared by partitions of one parent: set, then counter, then amount."""

    devices: tuple[Device, ...] = ()
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> Mapping[str, Device]:
        return {device.name: device for device in self.devices}

    def device(self, name: str) -> Device | None:
        return self.by_name.get(name)


@dataclass(frozen=True)
class Mount:
    """A bind mount into a container."""

    host: str
    container: str
    options: tuple[str, ...] = ("rw", "nosuid", "nodev", "bind")


@dataclass(frozen=True)
class Edits:
    """What a container gets: environment, device nodes, mounts. Two edits are added with `+`."""

    env: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()

    def __add__(self, other: "Edits") -> "Edits":
        return replace(
            self,
            env={**self.env, **other.env},
            nodes=tuple(dict.fromkeys(self.nodes + other.nodes)),
            mounts=tuple(dict.fromkeys(self.mounts + other.mounts)),
        )


@dataclass(frozen=True)
class Sample:
    """What one process uses of one device: memory in bytes, time on the multiprocessors in thousandths."""

    device: str
    process: int
    memory: int
    busy: int


class Vendor(Protocol):
    """The hardware of one node. Every method may raise TransientError where the vendor's library does not answer."""

    def look(self) -> Inventory:
        """What is here now, with its troubles."""
        ...

    def open(self, shares: tuple[Share, ...]) -> Edits:
        """Make the shares of one request ready and say what their container needs. Doing it twice changes nothing.

        Raises UnsupportedError where the level cannot be delivered.
        """
        ...

    def close(self, shares: tuple[Share, ...], others: tuple[Share, ...]) -> None:
        """Undo `open`. `others` are the shares that stay open on this node. What is not open is left alone."""
        ...

    def tidy(self, opened: tuple[Share, ...]) -> tuple[str, ...]:
        """Undo what is open for no share of these, such as after lost records; the names of what went."""
        ...

    def used(self) -> tuple[Sample, ...]:
        """Who uses how much just now, by process."""
        ...
