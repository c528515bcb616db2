"""A fleet as a file describes it: a fleet file, or the openb node list.

A fleet file is YAML, a list of groups of equal nodes:

    groups:
    - prefix: h100          # nodes h100-0, h100-1, ...
      nodes: 4
      gpus: 8
      model: H100
      gpuMemory: 80Gi
      cpu: 96
      memory: 768Gi
      labels: {topology.kubernetes.io/zone: a}   # optional
      isolation: [shared, soft, hard]            # optional; what the devices can deliver
      vendor: nvidia                             # optional

No two groups share a prefix.
"""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import pydantic
import yaml
from pydantic.alias_generators import to_camel

from farthing.files.rows import number, read_rows
from farthing.model.ask import Isolation
from farthing.model.errors import FarthingError, InvalidError, NotFoundError
from farthing.model.quantity import MIB, milli_units, whole_units

OPENB_GPU_MEMORY: Final = {
    "P100": "16Gi",
    "T4": "16Gi",
    "V100M16": "16Gi",
    "V100M32": "32Gi",
    "A10": "24Gi",
    "G2": "24Gi",
    "G3": "80Gi",
}
"""The openb trace does not say how much memory its GPUs have. G2 and G3 are anonymised: their sizes are assumed."""

COLUMNS: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
"""What an openb node list has."""

PODS_PER_NODE: Final = 110

_LABEL: Final = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
"""What Kubernetes takes as a label's value."""


def _cpu(text: str) -> str:
    if milli_units(text) <= 0:
        raise ValueError("must be more than 0")
    return text


def _memory(text: str) -> str:
    if whole_units(text) <= 0:
        raise ValueError("must be more than 0")
    return text


def _gpu_memory(text: str) -> str:
    """Shares are cut in whole MiB."""
    if whole_units(text) <= 0 or whole_units(text) % MIB:
        raise ValueError("must be whole MiB and more than 0, such as 80Gi")
    return text


def _plain(check: Callable[[str], str]) -> pydantic.BeforeValidator:
    """A validator for texts and numbers that speaks in our sentences."""

    def run(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"expected a quantity such as 80Gi, not {value!r}")  # noqa: TRY004 -- pydantic's protocol
        try:
            return check(str(value))
        except FarthingError as error:
            raise ValueError(str(error)) from error

    return pydantic.BeforeValidator(run)


class Group(pydantic.BaseModel):
    """Equal nodes."""

    model_config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    prefix: Annotated[str, pydantic.Field(pattern="^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$")]
    nodes: Annotated[int, pydantic.Field(ge=1, le=100_000)]
    gpus: Annotated[int, pydantic.Field(ge=0, le=64)]
    model: Annotated[str, pydantic.Field(pattern=_LABEL)] = ""
    gpu_memory: Annotated[str, _plain(_gpu_memory)] = "16Gi"
    cpu: Annotated[str, _plain(_cpu)] = "64"
    memory: Annotated[str, _plain(_memory)] = "256Gi"
    labels: dict[str, str] = {}
    isolation: tuple[Isolation, ...] = ("shared", "soft", "hard")
    vendor: str = "nvidia"


class FleetFile(pydantic.BaseModel):
    """What a fleet file holds."""

    model_config = pydantic.ConfigDict(extra="forbid")

    groups: Annotated[list[Group], pydantic.Field(min_length=1)]

    @pydantic.field_validator("groups")
    @classmethod
    def _apart(cls, groups: list[Group]) -> list[Group]:
        prefixes = [group.prefix for group in groups]
        twice = next((prefix for prefix in prefixes if prefixes.count(prefix) > 1), None)
        if twice:
            raise ValueError(f"two groups have the prefix {twice!r}, so their nodes would have the same names")
        return groups


class Described(NamedTuple):
    """One node: its name, and the group that says what it is like."""

    name: str
    group: Group


def read_fleet(path: Path) -> list[Described]:
    """The nodes of a fleet file, or of an openb node list (`.csv`). Errors name file and field."""
    if path.suffix == ".csv":
        return list(_of_csv(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotFoundError(f"cannot read the fleet {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidError(str(path), "is not text in UTF-8") from error
    return list(nodes_of_text(text, str(path)))


def nodes_of_text(text: str, where: str) -> Iterator[Described]:
    """The nodes of a fleet file's text."""
    try:
        fleet = FleetFile.model_validate(yaml.load(text, _OnceLoader))  # noqa: S506 -- it is a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidError(where, f"is not YAML: {error}") from error
    except pydantic.ValidationError as error:
        raise _named(where, error) from error
    for group in fleet.groups:
        for i in range(group.nodes):
            yield Described(f"{group.prefix}-{i}", group)


class _OnceLoader(yaml.SafeLoader):
    """YAML in which no field is there twice, since only the last would count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"{key.value} is there twice, the second time in line {line}")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _of_csv(path: Path) -> Iterator[Described]:
    seen: set[str] = set()
    for where, row in read_rows(path, COLUMNS, "an openb node list"):
        group = _of_row(row, where)
        if group.prefix in seen:
            raise InvalidError(where, f"the node {group.prefix} is there twice")
        seen.add(group.prefix)
        yield Described(group.prefix, group)


def _of_row(row: dict[str, str], where: str) -> Group:
    """One node of the openb list as a group of its own."""
    try:
        return Group(
            prefix=row["sn"],
            nodes=1,
            gpus=number(row, "gpu", where),
            model=row["model"],
            gpu_memory=OPENB_GPU_MEMORY.get(row["model"], "16Gi"),
            cpu=f"{number(row, 'cpu_milli', where)}m",
            memory=f"{number(row, 'memory_mib', where)}Mi",
        )
    except pydantic.ValidationError as error:
        raise _named(where, error) from error


def _named(where: str, error: pydantic.ValidationError) -> InvalidError:
    """The first thing that is wrong, with its place."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "model_type":
        said = "should be fields with their values, such as groups: [{prefix: a, nodes: 2, gpus: 8}]"
    return InvalidError(f"{where}: {field}" if field else where, said)
