"""The simulated runs behind docs/benchmarks-planner.md: made by several processes, and kept, so that none is made twice.

What is kept lies in build/bench-planner.jsonl, a line a run; without the file everything is measured anew.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from farthing.cli.tracefile import find_file
from farthing.decide.jit import compile_kernels
from farthing.files.fleet import Described, read_fleet
from farthing.files.pods import read_pods
from farthing.sim.engine import Setting, run
from farthing.sim.fleet import simulated
from farthing.sim.results import Mode, Run
from farthing.sim.workload import Arrival, arrivals

KEPT = Path(__file__).parents[1] / "build" / "bench-planner.jsonl"
ORACLE = Path(os.environ.get("FARTHING_ORACLE", Path(__file__).parents[2] / "shared" / "oracle")) / "check_placement.py"
NODES = "openb_node_list_gpu_node.csv"
SEEDS = range(42, 52)
MORE_SEEDS = range(52, 92)
"""For what the first ten leave in doubt."""


@dataclass(frozen=True)
class Task:
    """One run to make. `load` is of churn; `judged`: its log goes before the independent judge."""

    trace: str
    policy: str
    seed: int = SEEDS[0]
    mode: str = "fill"
    window: int = 1
    load: float = 1.0
    judged: bool = False


@dataclass(frozen=True)
class Found:
    """What a run came to, in percent: allocation in the end (or on average) and after 100 % arrived, GPUs turned away.

    `verdict` is what the judge said where it was asked and there.
    """

    allocation: float
    at_100: float
    rejected: float
    verdict: str = ""


@dataclass(frozen=True)
class Figures:
    """One figure of each seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return statistics.stdev(self.values) / len(self.values) ** 0.5

    def less(self, other: "Figures") -> "Figures":
        """The differences, seed by seed."""
        return Figures(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Cell:
    """Runs that differ by their seeds."""

    runs: tuple[Found, ...]

    @property
    def allocation(self) -> Figures:
        return Figures(tuple(run.allocation for run in self.runs))

    @property
    def at_100(self) -> Figures:
        return Figures(tuple(run.at_100 for run in self.runs))

    @property
    def rejected(self) -> Figures:
        return Figures(tuple(run.rejected for run in self.runs))


def measure(cells: Iterable[Task], seeds: Iterable[int] = SEEDS, jobs: int = 2) -> dict[Task, Cell]:
    """The cells of tasks, a run with each seed: runs that are kept as they are, the others made now and kept one by one."""
    wanted = {cell: [replace(cell, seed=seed) for seed in seeds] for cell in cells}
    found = _measured([task for tasks in wanted.values() for task in tasks], jobs)
    return {cell: Cell(tuple(found[task] for task in tasks)) for cell, tasks in wanted.items()}


def _measured(tasks: Iterable[Task], jobs: int) -> dict[Task, Found]:
    wanted, kept = list(dict.fromkeys(tasks)), _kept()
    missing = [task for task in wanted if task not in kept]
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file, ProcessPoolExecutor(jobs, initializer=compile_kernels) as pool:
        for i, (task, found) in enumerate(zip(missing, pool.map(_made, missing), strict=True)):
            print(f"{i + 1} of {len(missing)}: {task} {found}", file=sys.stderr)
            kept[task] = found
            file.write(json.dumps([asdict(task), asdict(found)]) + "\n")
            file.flush()
    return {task: kept[task] for task in wanted}


def _kept() -> dict[Task, Found]:
    if not KEPT.exists():
        return {}
    lines = (json.loads(line) for line in KEPT.read_text("utf-8").splitlines())
    return {Task(**task): Found(**found) for task, found in lines}


@cache
def described() -> list[Described]:
    return read_fleet(find_file(NODES, None))


@cache
def pods_of(trace: str) -> list[Arrival]:
    return arrivals(list(read_pods(find_file(_file(trace), None))))


def _file(trace: str) -> str:
    return f"openb_pod_list_{trace}.csv"


def _made(task: Task) -> Found:
    judged = task.judged and ORACLE.exists()
    setting = Setting(Mode(task.mode), task.seed, task.window, task.load, log=judged)
    found = run(simulated(described(), task.seed), pods_of(task.trace), task.policy, setting, task.trace)
    at_100 = found.curve.allocation[100] if found.mode is Mode.fill else 0.0
    return Found(found.allocation, at_100, found.rejected_gpus, _verdict(found) if judged else "")


def _verdict(found: Run) -> str:
    """What the judge says of a run's log."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        with log.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("pod", "node", "gpus"))
            writer.writerows((pod, node, "+".join(map(str, gpus))) for pod, node, gpus in found.log)
        command = [sys.executable, ORACLE, find_file(NODES, None), find_file(_file(found.trace), None), log]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return ("accepted: " if answer.returncode == 0 else "refused: ") + answer.stdout.strip()
