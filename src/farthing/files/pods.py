"""Pods as the lists of the openb trace have them (`cli.tracefile` says where those come from)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farthing.files.rows import number, read_rows
from farthing.model.errors import InvalidError

COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
"""What every list of pods has; `gpu_spec` is missing from some."""


@dataclass(frozen=True)
class TracePod:
    """One pod of the trace: `gpus` devices, `gpu_milli` thousandths of each; `models` any of which will do.

    It `arrives` and `leaves` at seconds of the trace, where that says when.
    """

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    models: tuple[str, ...] = ()
    arrives: int = 0
    leaves: float = math.inf

    @property
    def total_milli(self) -> int:
        """What it wants of GPUs in all, in thousandths of a device."""
        return self.gpus * self.gpu_milli


def read_pods(path: Path) -> Iterator[TracePod]:
    """The pods of a list in their order; InvalidError names the file, the line and the column."""
    seen: dict[str, str] = {}
    for where, row in read_rows(path, COLUMNS, "a list of pods"):
        pod = trace_pod(row, where)
        if pod.name in seen:
            raise InvalidError(where, f"the pod {pod.name} is there already, in line {seen[pod.name]}")
        seen[pod.name] = where.rpartition(":")[2]
        yield pod


def trace_pod(row: dict[str, str], where: str) -> TracePod:
    """The pod of one row."""
    gpus, milli = number(row, "num_gpu", where, 32), number(row, "gpu_milli", where, 1000)
    if gpus and not milli:
        raise InvalidError(where, f"gpu_milli is 0 with num_gpu {gpus}; expected 1 to 1000")
    if not row["name"]:
        raise InvalidError(where, "has no name")
    arrives = number(row, "creation_time", where) if row.get("creation_time") else 0
    leaves = number(row, "deletion_time", where) if row.get("deletion_time") else math.inf
    if leaves < arrives:
        raise InvalidError(where, f"deletion_time {leaves} is before creation_time {arrives}")
    return TracePod(
        name=row["name"],
        cpu_milli=number(row, "cpu_milli", where),
        memory_mib=number(row, "memory_mib", where),
        gpus=gpus,
        gpu_milli=milli if gpus else 0,
        models=tuple(dict.fromkeys(model for model in row.get("gpu_spec", "").split("|") if model)),
        arrives=arrives,
        leaves=leaves,
    )
