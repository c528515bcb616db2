"""`make bench`: measures everything on a cluster and writes docs/benchmarks.md.

`python -m bench planner [PART ...]` measures placement in virtual time and writes docs/benchmarks-planner.md.
`python -m bench planner-size` measures how it grows and writes docs/benchmarks-planner-size.md.
`python -m bench governance [baseline|baseline-cluster|fairness|cost|memory]` measures teams and writes docs/benchmarks-governance.md.
`python -m bench gangs` measures gangs and preemption on a cluster and writes docs/benchmarks-gangs.md.
`python -m bench ledger [DEVICES] [INTERVALS A DEVICE] [SQLite | PostgreSQL]` measures the ledger and writes
docs/benchmarks-ledger.md.
`python -m bench growth [FOLDER] [MONTHS]` measures it at 1, 5 and 100 million intervals and writes
docs/benchmarks-growth.md. It needs 10 GiB, and goes on where it was interrupted.
"""

import asyncio
import os
import platform
import statistics
import sys
from datetime import date
from pathlib import Path

from bench import gangs, governance, growth, latency, ledger, planner, planner_size, size, throughput, trace
from farthing.local.pins import ETCD, KUBERNETES

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LIMITS = Path(__file__).with_name("limits.md")
ROUNDS = 3


def main() -> None:
    """Run all measurements, one after the other, and print the page while it grows."""
    sizes = [_best_of(nodes, pods) for nodes, pods in ((500, 1000), (2000, 600))]
    text = "\n\n".join(
        [_head(), _throughput(sizes), _calls(sizes[-1][0]), _latency(), _size(), _trace(), LIMITS.read_text("utf-8")]
    )
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _best_of(nodes: int, pods: int) -> list[throughput.Throughput]:
    found = []
    for round_ in range(ROUNDS):
        print(f"throughput at {nodes} nodes, round {round_ + 1} of {ROUNDS}", file=sys.stderr)
        found.append(asyncio.run(throughput.measure(nodes, pods)))
    return found


def _head() -> str:
    return f"""# Benchmarks

Written by `make bench` on {date.today().isoformat()}: {os.cpu_count()} cores ({platform.machine()}), Python
{platform.python_version()}, Kubernetes {KUBERNETES}, etcd {ETCD}; everything on the one machine, the load too. Machines are
noisy: read the ratios, which compare runs on the same control plane a minute apart."""


def _throughput(sizes: list[list[throughput.Throughput]]) -> str:
    rows = []
    for rounds in sizes:
        same = statistics.median(r.same.rate / r.alone.rate for r in rounds)
        asked = statistics.median(r.annotated.rate / r.alone.rate for r in rounds)
        rates = [statistics.median(getattr(r, name).rate for r in rounds) for name in ("alone", "same", "annotated")]
        rows.append(
            f"| {rounds[0].nodes} | {rates[0]:.0f} | {rates[1]:.0f} | {rates[2]:.0f} | **{same:.2f}** | **{asked:.2f}** |"
        )
    return "\n".join(
        [
            "## Pods bound per second",
            "",
            "A quarter of one of 8 GPUs a node. *Alone*: kube-scheduler's own DRA allocation, Farthing not installed.",
            '*Same pods*: the same manifests, placed by Farthing. *Annotated*: `farthing.dev/gpu: "0.25"`. Medians of',
            f"{ROUNDS} rounds, each on a control plane of its own; the ratios are medians of the rounds' ratios.",
            "",
            "| nodes | alone | same pods | annotated | same / alone | annotated / alone |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _calls(found: throughput.Throughput) -> str:
    names = sorted({*found.alone.cpu, *found.same.cpu, *found.annotated.cpu})
    runs = (found.alone, found.same, found.annotated)
    cpu = [f"| {name} | " + " | ".join(f"{run.cpu.get(name, 0):.1f}" for run in runs) + " |" for name in names]
    total = "| **together** | " + " | ".join(f"{sum(run.cpu.values()):.1f}" for run in runs) + " |"
    calls = [f"| {call} | {count:.2f} | {ms:.0f} |" for call, (count, ms) in sorted(found.calls.items())]
    return "\n".join(
        [
            f"## Where the time goes, at {found.nodes} nodes",
            "",
            "Milliseconds of CPU a pod, by component (the cores are all busy, so this is what limits the rate):",
            "",
            "| component | alone | same pods | annotated |",
            "|---|---|---|---|",
            *cpu,
            total,
            "",
            "The spoke's calls under this load; most of each one's time is waiting for a core:",
            "",
            "| call | per pod | ms each |",
            "|---|---|---|",
            *calls,
        ]
    )


def _latency() -> str:
    print("latency at low load", file=sys.stderr)
    found = asyncio.run(latency.measure())
    return f"""## From created to bound, at low load

{latency.PODS} pods, one every {latency.PAUSE} s, {latency.NODES} nodes: p50 {found.p50 * 1000:.0f} ms, p99 {found.p99 * 1000:.0f} ms."""


def _size() -> str:
    print("memory and cold start", file=sys.stderr)
    found = asyncio.run(size.measure())
    return f"""## A large cluster

{found.nodes} nodes, {found.devices} devices, {found.pods} pods: the spoke takes {found.mib:.0f} MiB after binding them all,
{found.mib_fresh:.0f} MiB after a fresh start, and binds its first pod {found.seconds:.1f} s after it was started (the lease of
its predecessor was given back)."""


def _trace() -> str:
    print("replay of the public trace", file=sys.stderr)
    found = asyncio.run(trace.measure())
    report = found.report
    waiting = "; ".join(f"{group['pods']} wait: {group['reason']}" for group in report["waiting"]) or "none waits"
    return f"""## The public trace

`farthing replay --pods {trace.PODS}` on the trace's own {trace.NODES} nodes: {report["created"]} created, {report["bound"]} bound, {waiting}.
{report["allocation_percent"]:.1f} % of all GPUs are given, at {report["pods_per_second"]:.0f} pods a second;
created to bound p50 {report["latency_p50_seconds"]:.2f} s, p99 {report["latency_p99_seconds"]:.2f} s (all are submitted at once).
The spoke takes {found.mib:.0f} MiB. The independent judge says: `{found.verdict}`."""


if __name__ == "__main__":  # processes that the export starts read this file too
    if sys.argv[1:2] == ["planner"]:
        planner.main(*sys.argv[2:])
    elif sys.argv[1:2] == ["planner-size"]:
        planner_size.main()
    elif sys.argv[1:2] == ["governance"]:
        governance.main(sys.argv[2:])
    elif sys.argv[1:2] == ["gangs"]:
        gangs.main()
    elif sys.argv[1:2] == ["ledger"]:
        ledger.main(*sys.argv[2:5])
    elif sys.argv[1:2] == ["growth"]:
        growth.main(*sys.argv[2:4])
    else:
        main()
