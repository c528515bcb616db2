"""Gangs: pods that start together or not at all. How a pod says so, and how close together its gang wants to be.

    farthing.dev/gang: "8"          eight pods, this one included
    farthing.dev/gang: "4-8"        at least four; up to four more as there is room
    farthing.dev/gang: "1"          alone, even where what made it makes gangs
    farthing.dev/topology: "required:rack preferred:nvlink"

What makes whole gangs (JobSet, LeaderWorkerSet, PyTorchJob, RayCluster, ...) need not say anything: see `kube.gangs`.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from farthing.model.errors import InvalidError

GANG: Final = "farthing.dev/gang"
GANG_NAME: Final = "farthing.dev/gang-name"
TOPOLOGY: Final = "farthing.dev/topology"

_COUNT: Final = "[1-9][0-9]{0,3}"
GANG_PATTERN: Final = f"^{_COUNT}(?:-{_COUNT})?$"
GANG_EXPECTED: Final = "expected how many pods start together, such as 8, or 4-8 for at least 4 of 8"
GANG_REFUSED: Final = f"is not the size of a gang; {GANG_EXPECTED}"

GANG_NAME_PATTERN: Final = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
GANG_NAME_EXPECTED: Final = "expected lower-case letters, digits and dashes, at most 63 characters, such as train-1"
GANG_NAME_REFUSED: Final = f"is not the name of a gang; {GANG_NAME_EXPECTED}"

Level = Literal["nvlink", "node", "rack"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""How close a gang may be, the closest first."""

_LEVEL: Final = f"(?:{'|'.join(LEVELS)})"
TOPOLOGY_PATTERN: Final = f"^(?:(?:required|preferred):{_LEVEL}|required:{_LEVEL} preferred:{_LEVEL})$"
TOPOLOGY_LONGEST: Final = 40
TOPOLOGY_EXPECTED: Final = (
    "expected required: or preferred: before one of nvlink, node and rack, or both in this order, such as "
    "required:rack preferred:nvlink"
)
TOPOLOGY_REFUSED: Final = f"does not say how close a gang is to be; {TOPOLOGY_EXPECTED}"


@dataclass(frozen=True, slots=True)
class Topology:
    """How close together the pods of a gang are to be: all in one domain of this level; empty: wherever."""

    required: Level | None = None
    preferred: Level | None = None


class Role(NamedTuple):
    """One part that pods play in a gang: at `least` so many start together, and at `most` so many belong to it."""

    name: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Member:
    """What a pod says of its gang: which one it is (`id`, unique in its namespace), and its role there.

    `name` is what people call it. `size` is the gang's where the pod says it; otherwise the gang is as large as the
    object `group` (Kind/name) says that makes it.
    """

    id: str
    name: str
    role: str = ""
    size: tuple[int, int] | None = None
    group: str = ""


def parse_size(text: str) -> tuple[int, int]:
    """At least and at most how many pods; InvalidError names the annotation."""
    if re.fullmatch(GANG_PATTERN, text):
        least, _, most = text.partition("-")
        if int(least) <= int(most or least):
            return int(least), int(most or least)
    raise InvalidError(GANG, f"{text[:50]!r} {GANG_REFUSED}")


def parse_name(text: str) -> str:
    """The name of a gang; InvalidError names the annotation."""
    if not re.fullmatch(GANG_NAME_PATTERN, text):
        raise InvalidError(GANG_NAME, f"{text[:70]!r} {GANG_NAME_REFUSED}")
    return text


def parse_topology(text: str) -> Topology:
    """How close together a gang wants to be; InvalidError names the annotation."""
    if len(text) > TOPOLOGY_LONGEST or not re.fullmatch(TOPOLOGY_PATTERN, text):
        raise InvalidError(TOPOLOGY, f"{text[:50]!r} {TOPOLOGY_REFUSED}")
    said = dict(part.split(":") for part in text.split(" "))
    required, preferred = (
        next((level for level in LEVELS if level == said.get(key)), None) for key in ("required", "preferred")
    )
    return Topology(required, preferred)
