"""Pods as the lists of the openb trace have them (`cli.tracefile` says where those come from)."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            lacking = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if lacking:
                raise InvalidError(f"{path}:1", f"has no column {', '.join(lacking)}; expected a list of pods")
            for row in rows:
                yield trace_pod(row, f"{path}:{rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidError(str(path), f"cannot be read as a trace: {error}") from error


def trace_pod(row: dict[str, str | None], where: str) -> TracePod:
    """The pod of one row."""
    gpus, milli = _number(row, "num_gpu", where, 32), _number(row, "gpu_milli", where, 1000)
    if gpus and not milli:
        raise InvalidError(where, f"gpu_milli is 0 with num_gpu {gpus}; expected 1 to 1000")
    name = row["name"] or ""
    if not name:
        raise InvalidError(where, "has no name")
    return TracePod(
        name=name,
        cpu_milli=_number(row, "cpu_milli", where),
        memory_mib=_number(row, "memory_mib", where),
        gpus=gpus,
        gpu_milli=milli if gpus else 0,
        models=tuple(dict.fromkeys(model for model in (row.get("gpu_spec") or "").split("|") if model)),
        arrives=_number(row, "creation_time", where) if row.get("creation_time") else 0,
        leaves=_number(row, "deletion_time", where) if row.get("deletion_time") else math.inf,
    )


def _number(row: dict[str, str | None], column: str, where: str, most: int = 1 << 40) -> int:
    text = row[column] or ""
    if not (text.isascii() and text.isdecimal()) or len(text) > 15 or int(text) > most:
        raise InvalidError(where, f"{column} is {text!r}; expected a whole number up to {most}")
    return int(text)
