"""Gangs and preemption on the real control plane: from the first pod of a gang to the last; how soon loans come back."""

import asyncio
import os
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

from bench.rig import AT_ONCE, Rig, annotated, eventually, rig, run_pods
from farthing.kube.resources import TEAMS
from farthing.local.pins import KUBERNETES

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-gangs.md"
NODES, GANG, GANGS = 500, 64, 5
LENT_NODES, LOANS = 64, (1, 500)
BORROWER = "borrower"


def main() -> None:
    """Measure and write the page."""
    spans = asyncio.run(_gangs())
    loans = asyncio.run(_loans())
    text = "\n".join(
        [
            "# Benchmarks of gangs and preemption",
            "",
            f"Written by `python -m bench gangs` on {date.today().isoformat()}: {os.cpu_count()} cores ({platform.machine()}),",
            f"Kubernetes {KUBERNETES}, everything on the one machine; over the quarter of an hour before, so many others",
            f"wanted a core: {os.getloadavg()[2]:.1f}.",
            "",
            f"## A gang of {GANG} pods at {NODES} nodes of 8 GPUs",
            "",
            "Each asks for a whole GPU. Bound by kube-scheduler, seen by a watch; one gang after the other.",
            "",
            "| gang | from the first pod bound to the last | from the first created to the last bound |",
            "|---|---|---|",
            *(f"| {i} | {span:.2f} s | {whole:.2f} s |" for i, (span, whole) in enumerate(spans, start=1)),
            "",
            f"## What was lent comes back: {LENT_NODES * 8} GPUs, all borrowed",
            "",
            "Whole GPUs, taken back by their team: from the creation of its first pod until its last is bound. Pods that",
            "have to go end at once.",
            "",
            "| GPUs | until the last is bound |",
            "|---|---|",
            *(f"| {count} | {seconds:.1f} s |" for count, seconds in loans),
            "",
        ]
    )
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


async def _gangs() -> list[tuple[float, float]]:
    async with rig() as r:
        await r.fleet(NODES)
        await r.install()
        await run_pods(r.connection, [annotated(f"warm-{i}") for i in range(5)])
        found = []
        for number in range(GANGS):
            bound = await run_pods(r.connection, [_member(number, i) for i in range(GANG)])
            times, last = bound.bound.values(), max(bound.bound.values())
            found.append((last - min(times), last - min(bound.created.values())))
        return found


def _member(number: int, i: int) -> dict[str, Any]:
    manifest = annotated(f"g{number}-{i}", "1")
    said = {"farthing.dev/gang": str(GANG), "farthing.dev/gang-name": f"g{number}"}
    manifest["metadata"]["annotations"].update(said)
    return manifest


async def _loans() -> list[tuple[int, float]]:
    found = []
    for count in LOANS:
        async with rig() as r:
            await r.fleet(LENT_NODES)
            await r.install()
            await _lend(r)
            bound = await run_pods(r.connection, [annotated(f"mine-{i}", "1") for i in range(count)])
            found.append((count, max(bound.bound.values()) - min(bound.created.values())))
    return found


async def _lend(r: Rig) -> None:
    """All devices are the lender's, and the borrower has them."""
    quota = {"compute": [{"deviceClass": "H100", "amount": LENT_NODES * 8}], "namespaces": ["default"]}
    for name, spec in (("lender", quota), (BORROWER, {"namespaces": [BORROWER]})):
        body = {"apiVersion": "farthing.dev/v1", "kind": "Team", "metadata": {"name": name}, "spec": spec}
        await r.connection.create(TEAMS.path, body)
    await r.connection.create("/api/v1/namespaces", {"metadata": {"name": BORROWER}})
    path, slots = f"/api/v1/namespaces/{BORROWER}/pods", asyncio.Semaphore(AT_ONCE)

    async def known() -> bool:
        tree = await r.connection.get("/apis/farthing.dev/v1/teamtrees/farthing")
        return len(tree["teams"]) == 2

    await eventually(known)

    async def create(i: int) -> None:
        manifest = annotated(f"b-{i}", "1")
        manifest["spec"]["terminationGracePeriodSeconds"] = 0
        async with slots:
            await r.connection.create(path, manifest)

    await asyncio.gather(*(create(i) for i in range(LENT_NODES * 8)))

    async def all_bound() -> bool:
        pods, _ = await r.connection.list_all(path)
        return sum(bool(pod["spec"].get("nodeName")) for pod in pods) == LENT_NODES * 8

    await eventually(all_bound, 180)
