"""Who shares the pool: a Team, and what it has of each device class."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from farthing.model.cluster import Key

OTHERS: Final = "*"
"""The device class of devices whose model no team's quota names."""


def amount_text(what: str, amount: int) -> str:
    """An amount of compute in devices, or of memory in GiB, for people: 2500 is 2.5."""
    return f"{amount / (1 << 30):g} GiB" if what == "memory" else f"{amount / 1000:g}"


def class_text(what: str, device_class: str) -> str:
    """A device class, or its memory, for people."""
    name = "others" if device_class == OTHERS else device_class.upper()
    return f"{name} memory" if what == "memory" else name


class Queueing(StrEnum):
    """How a team's own asks wait for each other."""

    STRICT = "Strict"
    """First in, first out: while the oldest waits, nobody of the team passes it."""

    BEST_EFFORT = "BestEffort"
    """First in, first tried: one that does not fit lets smaller ones pass, until it has waited too long."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a team has of one device class: `amount`, guaranteed, in thousandths of a device or in bytes.

    `borrowing` is how much more it may take while others leave it idle, `lending` how much of its own it gives to
    others while it leaves it idle; None: without limit. A whole device, a share and a partition count in one unit.
    """

    amount: int
    borrowing: int | None = None
    lending: int | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """A team, or a team of teams. `parent` is empty for those right under the pool.

    `compute` (thousandths of a device) and `memory` (bytes) are quotas by device class: a model, or OTHERS.
    Nothing is guaranteed of a class that is not named. `weight`, in thousandths (1000: one), is its part, among its
    siblings, of what is guaranteed to nobody. `maximum` is in thousandths of a device over all classes, its
    descendants' use included; None: without limit. `namespaces` are those whose pods count for it. `priority` is that
    of pods which name none. Empty `isolation` or `models`: all are allowed. `members` may use it: users and groups as
    RBAC spells them, `group:` before a group.
    """

    name: str
    version: int = field(compare=False)
    parent: str = ""
    compute: tuple[tuple[str, Quota], ...] = ()
    memory: tuple[tuple[str, Quota], ...] = ()
    weight: int = 1000
    maximum: int | None = None
    namespaces: tuple[str, ...] = ()
    priority: int = 0
    isolation: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    queueing: Queueing = Queueing.BEST_EFFORT

    @property
    def key(self) -> Key:
        return Key("", self.name)
