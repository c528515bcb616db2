"""What a simulation is about: a fleet, and the pods that come to it, out of files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from farthing.cli.replay import DEFAULT_TRACE
from farthing.cli.sources import Source, from_export
from farthing.cli.tracefile import path_of
from farthing.files.fleet import read_fleet
from farthing.files.pods import read_pods
from farthing.model.errors import InvalidError
from farthing.sim.exported import fleet_of, pods_of
from farthing.sim.fleet import Simulated, simulated
from farthing.sim.workload import Arrival, arrivals

DEFAULT_FLEET: Final = "openb_node_list_gpu_node.csv"


@dataclass(frozen=True)
class Scene:
    """`fleet` makes the fleet in the order of a seed. `notes` are sentences about what is not simulated."""

    fleet: Callable[[int], Simulated]
    pods: list[Arrival]
    name: str
    notes: tuple[str, ...] = ()


def scene(file: Path | None, fleet: str | None, trace: str | None, traces: Path | None) -> Scene:
    """Fleet and pods of an export; a fleet or trace that is named takes the place of its own."""
    source = None if file is None else from_export(file)
    stage = _stage(source, fleet, traces)
    if source is not None and trace is None:
        return _exported(source, stage)
    path = path_of(trace or DEFAULT_TRACE, traces)
    return Scene(stage, _asking(arrivals(list(read_pods(path))), str(path)), path.name)


def _stage(source: Source | None, fleet: str | None, traces: Path | None) -> Callable[[int], Simulated]:
    if source is not None and fleet is None:
        return _with_gpus(partial(fleet_of, source.world), source.name)
    path = path_of(fleet or DEFAULT_FLEET, traces)
    return _with_gpus(partial(simulated, read_fleet(path)), str(path))


def _with_gpus(stage: Callable[[int], Simulated], where: str) -> Callable[[int], Simulated]:
    if not stage(0).gpus:
        raise InvalidError(where, "has no node with GPUs; there is nothing to simulate")
    return stage


def _exported(source: Source, stage: Callable[[int], Simulated]) -> Scene:
    found = pods_of(source.world, stage(0).fleet)
    notes = (*_sentences("Left out", found.left_out), *_sentences("Not looked at", found.ignored))
    return Scene(stage, _asking(list(found.pods), source.name), Path(source.name).name, notes)


def _sentences(title: str, counts: dict[str, int]) -> Iterator[str]:
    for what, count in sorted(counts.items()):
        yield f"{title}: pods that {what} ({count:,})."


def _asking(pods: list[Arrival], where: str) -> list[Arrival]:
    if not any(arrival.kind.milli for arrival in pods):
        raise InvalidError(where, "has no pod that asks for GPUs; there is nothing to simulate")
    return pods
