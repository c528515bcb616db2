"""Placement quality and speed of the planner, in virtual time.

`python -m bench planner [PART ...]` measures the parts (see PARTS; all without an argument) and writes
their sections of docs/benchmarks-planner.md. Fill is the protocol of the paper on fragmentation gradient descent (FGD):
pods arrive until 130 % of all GPUs were asked for, and none leaves. Farthing's runs are logged and judged by a program
that knows nothing of Farthing, where that program is there (`FARTHING_ORACLE`, a folder with check_placement.py).
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from bench import planner_governed, planner_speed
from bench.planner_runs import MORE_SEEDS, NODES, SEEDS, Cell, Figures, Task, measure
from farthing.cli.tracefile import find_file

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-planner.md"
REFERENCE = Path("openb_reference") / "analysis_allo_discrete.csv"
TRACES = ("default", "gpuspec33", "multigpu50", "cpu250", "gpushare60")
CHURN = ("default", "gpuspec33")
CHURNED = ("Farthing", "FGD", "BestFit", "FirstFit", "Packing", "Clustering", "DotProd", "Random")
LOADS = (0.95, 1.0, 1.1)
WINDOW = 200
OURS = "Farthing"
TOLERANCE, WIDE = 0.3, 0.7

_PUBLISHED = {
    "Random": "01-Random",
    "DotProd": "02-DotProd",
    "Clustering": "03-GpuClustering",
    "Packing": "04-GpuPacking",
    "BestFit": "05-BestFit",
    "FGD": "06-FGD",
}

HEAD = f"""# Benchmarks of the planner

Each section is written by `python -m bench planner`, on the public openb trace (1,213 nodes, 6,212 GPUs). Quality: means
over seeds {SEEDS[0]} to {SEEDS[-1]}, one set of parameters for all traces, chosen on these traces and seeds. Allocation is in percent
of all GPUs. ± is a standard error; where two policies are compared, that of the differences seed by seed.
"""


# Fill -----------------------------------------------------------------------------------------------------------------


def fill() -> Iterator[str]:
    """Farthing beside FGD on each trace, alone and in windows."""
    tasks = {t: (Task(t, "FGD"), Task(t, OURS, judged=True), Task(t, OURS, window=WINDOW)) for t in TRACES}
    found = measure(task for row in tasks.values() for task in row)
    yield f"*In windows*: {WINDOW} pods are placed jointly, the largest first. *Apart*: Farthing, one by one, less FGD."
    yield ""
    for percent in (130, 100):
        yield f"Allocation after {percent} % of all GPUs were asked for:"
        yield ""
        yield "| trace | FGD | Farthing | apart | in windows |"
        yield "|---|---|---|---|---|"
        for trace, row in tasks.items():
            cells = [found[task] for task in row]
            fgd, ours, joint = (cell.allocation if percent == 130 else cell.at_100 for cell in cells)
            yield f"| {trace} | {fgd.mean:.2f} | **{ours.mean:.2f}** | {_apart(ours, fgd)} | {joint.mean:.2f} |"
        yield ""
    verdicts = [run.verdict for row in tasks.values() for run in found[row[1]].runs]
    accepted = sum(verdict.startswith("accepted") for verdict in verdicts)
    yield f"The judge accepted {accepted} of the {len(verdicts)} logs of Farthing's runs one by one."


# The reference policies -----------------------------------------------------------------------------------------------


def reference() -> Iterator[str]:
    """The reference policies beside what their authors published."""
    published = _published()
    wanted = [Task(trace, policy) for trace in TRACES for policy in _PUBLISHED]
    found = measure(task for task in wanted if (task.trace, _PUBLISHED[task.policy]) in published)
    yield "Allocation at 130 %, beside the means of ten runs that the authors published."
    yield ""
    yield "| trace | policy | published | here | apart |"
    yield "|---|---|---|---|---|"
    yield from (_beside(published, task, here) for task, here in found.items())
    doubtful = [
        task for task, here in found.items() if _misses(published[task.trace, _PUBLISHED[task.policy]], task, here)
    ]
    if doubtful:
        yield ""
        yield f"The goal was {TOLERANCE} (Packing and Clustering: {WIDE}). What is farther apart, again with seeds {MORE_SEEDS[0]} to {MORE_SEEDS[-1]}:"
        yield ""
        yield "| trace | policy | published | here | apart |"
        yield "|---|---|---|---|---|"
        yield from (_beside(published, task, here) for task, here in measure(doubtful, MORE_SEEDS).items())


def _beside(published: dict[tuple[str, str], Figures], task: Task, here: Cell) -> str:
    known, ours = published[task.trace, _PUBLISHED[task.policy]], here.allocation
    error = (known.error**2 + ours.error**2) ** 0.5
    apart = f"{ours.mean - known.mean:+.2f} ± {error:.2f}"
    return f"| {task.trace} | {task.policy} | {known.mean:.2f} | {ours.mean:.2f} | {apart} |"


def _misses(known: Figures, task: Task, here: Cell) -> bool:
    tolerance = WIDE if task.policy in ("Packing", "Clustering") else TOLERANCE
    return abs(here.allocation.mean - known.mean) > tolerance


def _published() -> dict[tuple[str, str], Figures]:
    """The published allocations at 130 % by trace and policy."""
    runs: dict[tuple[str, str], list[float]] = {}
    with find_file(NODES, None).parents[1].joinpath(REFERENCE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            trace = row["workload"].removeprefix("openb_pod_list_")
            runs.setdefault((trace, row["sc_policy"]), []).append(float(row["130"]))
    return {key: Figures(tuple(values)) for key, values in runs.items()}


# Churn ----------------------------------------------------------------------------------------------------------------


def churn() -> Iterator[str]:
    """Pods that come and go: allocation, and what was turned away."""
    tasks = {(t, load): [Task(t, p, mode="churn", load=load) for p in CHURNED] for t in CHURN for load in LOADS}
    found = measure(task for row in tasks.values() for task in row)
    yield "Pods come and go by chance. In brackets: the GPUs turned away, in percent of those asked for. *Apart*: Farthing less"
    yield "the best of the others, in allocation."
    yield ""
    yield "| trace | load | " + " | ".join(CHURNED) + " | apart |"
    yield "|---|---|" + "---|" * (len(CHURNED) + 1)
    for (trace, load), row in tasks.items():
        cells = {task.policy: found[task] for task in row}
        best = max(cells.values(), key=_held)
        rival = max((cell for policy, cell in cells.items() if policy != OURS), key=_held)
        texts = [_churned(cell, best=cell is best) for cell in cells.values()]
        yield f"| {trace} | {load} | " + " | ".join(texts) + f" | {_apart(cells[OURS].allocation, rival.allocation)} |"


def _held(cell: Cell) -> float:
    return cell.allocation.mean


def _churned(cell: Cell, *, best: bool) -> str:
    text = f"{cell.allocation.mean:.2f} ({cell.rejected.mean:.2f})"
    return f"**{text}**" if best else text


def _apart(one: Figures, other: Figures) -> str:
    """How much more the one is, on the same seeds."""
    found = one.less(other)
    return f"{found.mean:+.2f} ± {found.error:.2f}"


# The page -------------------------------------------------------------------------------------------------------------

PARTS: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "fill": ("Fill: pods arrive and none leaves", fill),
    "reference": ("The reference policies", reference),
    "churn": ("Churn: pods come and go", churn),
    "speed": ("Speed", planner_speed.speed),
    "governed": ("Speed with quota", planner_governed.governed),
    "distinct": ("Thousands of different asks", planner_speed.distinct),
}


def main(*wanted: str) -> None:
    """Measure parts, and write the section of each when it is done."""
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for part in wanted or PARTS:
        title, measured = PARTS[part]
        text = "\n".join(measured())
        write_section(title, f"{text}\n\nMeasured on {date.today().isoformat()}.\n")


def write_section(title: str, text: str) -> None:
    """Put a section into the page, in place of what it was; the others stay."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    sections = dict(re.findall(r"^## (.+?)\n\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    sections[title] = text
    ordered = [known for known, _ in PARTS.values() if known in sections]
    PAGE.write_text("\n".join([HEAD, *(f"## {name}\n\n{sections[name].strip()}\n" for name in ordered)]), "utf-8")
