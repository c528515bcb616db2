"""Placement quality and speed of the planner, in virtual time: `python -m bench planner` writes docs/benchmarks-planner.md.

Fill is the protocol of the paper on fragmentation gradient descent (FGD): pods arrive until 130 % of all GPUs were
asked for, and none leaves. Each of Farthing's runs is logged and judged by a program that knows nothing of Farthing,
where that program is there (`FARTHING_ORACLE`, a folder with check_placement.py).
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from farthing.cli.tracefile import find_file
from farthing.decide.jit import compile_kernels
from farthing.files.fleet import read_fleet
from farthing.files.pods import read_pods
from farthing.sim.engine import Setting, run
from farthing.sim.fleet import simulated
from farthing.sim.policies import POLICIES
from farthing.sim.results import Mode, Run
from farthing.sim.workload import arrivals

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-planner.md"
ORACLE = Path(os.environ.get("FARTHING_ORACLE", Path(__file__).parents[2] / "shared" / "oracle")) / "check_placement.py"
REFERENCE = Path("openb_reference") / "analysis_allo_discrete.csv"
NODES = "openb_node_list_gpu_node.csv"
TRACES = ("default", "gpuspec33", "multigpu50", "cpu250", "gpushare60")
SEEDS = range(42, 52)
LOADS = (0.95, 1.0, 1.1)
WINDOW = 200

_PUBLISHED = {
    "Random": "01-Random",
    "DotProd": "02-DotProd",
    "Clustering": "03-GpuClustering",
    "Packing": "04-GpuPacking",
    "BestFit": "05-BestFit",
    "FGD": "06-FGD",
}


@dataclass(frozen=True)
class Cell:
    """Runs of one policy in one setting, a seed each."""

    runs: tuple[Run, ...]

    def at(self, percent: int) -> float:
        """Allocation after so much has arrived: the mean of the seeds, in percent."""
        return statistics.fmean(r.curve.allocation[percent] for r in self.runs)

    @property
    def error(self) -> float:
        """The standard error of the allocation at the end."""
        return statistics.stdev(r.allocation for r in self.runs) / len(self.runs) ** 0.5

    @property
    def allocation(self) -> float:
        return statistics.fmean(r.allocation for r in self.runs)

    @property
    def rejected(self) -> float:
        return statistics.fmean(r.rejected_gpus for r in self.runs)

    @property
    def speed(self) -> float:
        return sum(r.decisions for r in self.runs) / sum(r.seconds for r in self.runs)


def _cell(trace: str, policy: str, setting: Setting) -> Cell:
    described = read_fleet(find_file(NODES, None))
    pods = arrivals(list(read_pods(find_file(_pods(trace), None))))
    found = []
    for seed in SEEDS:
        print(f"{trace}, {setting.mode.value}, {policy}, seed {seed}", file=sys.stderr)
        there = simulated(described, seed)
        found.append(run(there, pods, policy, replace(setting, seed=seed), trace, time.perf_counter))
    return Cell(tuple(found))


def _pods(trace: str) -> str:
    return f"openb_pod_list_{trace}.csv"


def _published() -> dict[tuple[str, str], list[float]]:
    """The published means by trace and policy: allocation after 0 to 130 % have arrived."""
    runs: dict[tuple[str, str], list[list[float]]] = {}
    with find_file(NODES, None).parents[1].joinpath(REFERENCE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            trace = row["workload"].removeprefix("openb_pod_list_")
            runs.setdefault((trace, row["sc_policy"]), []).append([float(row[str(i)]) for i in range(131)])
    return {key: [statistics.fmean(column) for column in zip(*found, strict=True)] for key, found in runs.items()}


def _judged(cell: Cell, trace: str) -> int:
    """How many of the runs' logs the judge accepts."""
    accepted = 0
    for found in cell.runs:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log.csv"
            with log.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("pod", "node", "gpus"))
                writer.writerows((pod, node, "+".join(map(str, gpus))) for pod, node, gpus in found.log)
            command = [sys.executable, ORACLE, find_file(NODES, None), find_file(_pods(trace), None), log]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
        print(json.dumps(answer.stdout.strip()), file=sys.stderr)
        accepted += answer.returncode == 0
    return accepted


def _fill() -> Iterator[str]:
    """Farthing beside FGD on each trace, alone and in windows."""
    logged = ORACLE.exists()
    accepted = judged = 0
    yield "| trace | FGD | Farthing | ± | in windows | FGD at 100 % | Farthing at 100 % | in windows |"
    yield "|---|---|---|---|---|---|---|---|"
    for trace in TRACES:
        fgd = _cell(trace, "FGD", Setting())
        ours = _cell(trace, "Farthing", Setting(log=logged))
        joint = _cell(trace, "Farthing", Setting(window=WINDOW, log=False))
        if logged:
            judged += len(ours.runs)
            accepted += _judged(ours, trace)
        yield (
            f"| {trace} | {fgd.at(130):.2f} | **{ours.at(130):.2f}** | {ours.error:.2f} | {joint.at(130):.2f} "
            f"| {fgd.at(100):.2f} | **{ours.at(100):.2f}** | {joint.at(100):.2f} |"
        )
    yield ""
    yield f"The judge accepted {accepted} of {judged} logs of the single runs." if logged else "No judge was there."


def _reproduced() -> Iterator[str]:
    """The reference policies beside what their authors published."""
    published = _published()
    yield "| trace | policy | published | here | apart |"
    yield "|---|---|---|---|---|"
    for trace in TRACES:
        for policy, name in _PUBLISHED.items():
            known = published.get((trace, name))
            if known is not None:
                here = _cell(trace, policy, Setting()).at(130)
                yield f"| {trace} | {policy} | {known[130]:.2f} | {here:.2f} | {here - known[130]:+.2f} |"


def _churn() -> Iterator[str]:
    """Pods that come and go: allocation, and what was turned away."""
    yield "| trace | load | " + " | ".join(POLICIES) + " |"
    yield "|---|---|" + "---|" * len(POLICIES)
    for trace in ("default", "gpuspec33"):
        for load in LOADS:
            cells = [_cell(trace, policy, Setting(Mode.churn, load=load)) for policy in POLICIES]
            best = max(cell.allocation for cell in cells)
            texts = [f"{cell.allocation:.2f} ({cell.rejected:.1f})" for cell in cells]
            marked = [f"**{t}**" if c.allocation == best else t for t, c in zip(texts, cells, strict=True)]
            yield f"| {trace} | {load} | " + " | ".join(marked) + " |"


def main() -> None:
    """Measure everything, and write the page while it grows."""
    compile_kernels()
    head = f"""# Benchmarks of the planner

Written by `python -m bench planner` on {date.today().isoformat()}: means over seeds {SEEDS[0]} to {SEEDS[-1]} on the public openb
trace (1,213 nodes, 6,212 GPUs), one set of parameters for all traces. The parameters were chosen on these traces and
seeds. *In windows*: {WINDOW} pods are placed jointly, the largest first. Allocation is in percent of all GPUs.

## Fill: after 130 % and 100 % of all GPUs were asked for

± is the standard error of Farthing's mean.

"""
    with PAGE.open("w", encoding="utf-8") as file:
        for part in (
            [head],
            _fill(),
            ["\n## The reference policies\n\nAllocation at 130 %, beside the means that their authors published.\n"],
            _reproduced(),
            [
                "\n## Churn: pods come and go by chance\n\nIn brackets: the GPUs turned away, in percent of those asked for.\n"
            ],
            _churn(),
        ):
            for line in part:
                file.write(line if line is head else f"{line}\n")
                file.flush()
