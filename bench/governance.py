"""What governance does and costs: `python -m bench governance [PART ...]` writes docs/benchmarks-governance.md.

All but `baseline-cluster` is the planner alone, in virtual time; no cluster is needed.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from bench import baseline_cluster, fairness, governance_cost, remembering
from bench.baseline import SIZES, WORK, play, teams
from farthing.decide.jit import compile_kernels

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-governance.md"

KUEUE = {"makespan": 366.0, "use": 55.0, "large": 20.8, "medium": 74.9, "small": 212.9, "evicted": 49.0}
"""Kueue's own suite, run on a machine of this size with its own control plane: seconds, and percent."""


def _baseline() -> Iterator[str]:
    calm, taking = play(), play(preempting=True)
    capacity = sum(quota.amount for team in teams() if not team.parent for _, quota in team.compute)
    yield "15,000 workloads of 30 queues in 5 cohorts (`bench/baseline.py`), in virtual time. Kueue's figures are its own suite's,"
    yield "run on a machine of this size: it writes to a real API server, which limits it, and preempts; ours decides only. So they"
    yield "say how good the decisions are, not how fast the systems are. Teams go strictly in line. With preemption, it is looked"
    yield "once a second, as a spoke does, who has to go for those with the better right; they begin anew."
    yield ""
    yield "| | Kueue, on its API server | planner without preemption | planner with preemption |"
    yield "|---|---|---|---|"
    yield (
        f"| all of it, s (at least {WORK / capacity:.0f}) | {KUEUE['makespan']:.0f} | **{calm.makespan:.1f}** "
        f"| **{taking.makespan:.1f}** |"
    )
    yield f"| quota in use, % | {KUEUE['use']:.0f} | **{100 * calm.use:.1f}** | **{100 * taking.use:.1f}** |"
    for size in reversed(SIZES):
        waits = [found.waited[size.name] for found in (calm, taking)]
        yield f"| wait of the {size.name}, mean s | {KUEUE[size.name]:.1f} | **{waits[0]:.1f}** | **{waits[1]:.1f}** |"
    yield f"| evictions | {KUEUE['evicted']:.0f} | {calm.evicted} | {taking.evicted} |"
    yield ""
    yield f"{calm.plans} plans were made in {calm.took:.0f} s, and {taking.plans} in {taking.took:.0f} s."


def _cluster() -> Iterator[str]:
    part = float(os.environ.get("FARTHING_BENCH_PART", "1"))
    yield from baseline_cluster.lines(asyncio.run(baseline_cluster.measure(part)), KUEUE)


def _fairness() -> Iterator[str]:
    yield f"Asks of the public openb trace (default) from {fairness.TEAMS} teams with weights from 1 to 4, all asking alike for {fairness.LOAD}"
    yield f"times what there is in all, on the trace's own 1,213 nodes, for {fairness.LIFETIMES} lifetimes of a pod, which fill the pool in"
    yield f"{fairness.SETTLED}: the means are of what follows. Beside what is given it says how much of that other teams should have,"
    yield "were it divided by weight among those who want it at the moment."
    yield ""
    yield from fairness.lines()


PARTS = {
    "baseline": ("Kueue's baseline shape", _baseline),
    "baseline-cluster": ("Kueue's baseline shape with real pods", _cluster),
    "fairness": ("Fairness", _fairness),
    "cost": ("Cost", governance_cost.lines),
    "memory": ("What teams borrowed lately, written down", remembering.lines),
}
"""The page's sections by name, in their order."""


def main(names: Sequence[str] = ()) -> None:
    """Measure everything, or only the named parts, and write what was measured into the page."""
    unknown = set(names) - PARTS.keys()
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))} is no part; expected {', '.join(PARTS)}")
    compile_kernels()
    known = _known()
    for name in names or PARTS:
        title, measure = PARTS[name]
        print(title, file=sys.stderr)
        known[title] = f"Measured on {date.today().isoformat()}.\n\n" + "\n".join(measure())
        _write(known)
        sys.stdout.write(f"{known[title]}\n")


def _known() -> dict[str, str]:
    """The sections that the page has, by title."""
    _, *sections = PAGE.read_text(encoding="utf-8").split("\n## ") if PAGE.exists() else [""]
    return {title: body.strip() for title, _, body in (section.partition("\n") for section in sections)}


def _write(known: dict[str, str]) -> None:
    head = [
        "# Benchmarks of governance",
        "Written by `python -m bench governance`, or one section by naming its part, on 2 cores. Where nothing else is said",
        "the planner is alone, in virtual time.",
    ]
    found = [f"## {title}\n\n{known[title]}\n" for title, _ in PARTS.values() if title in known]
    PAGE.write_text("\n".join([head[0], "", *head[1:], "", "\n".join(found)]), encoding="utf-8")
