"""Real pods of the public trace find their places on the real fleet."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from farthing.local.fleet import load_fleet
from farthing.local.publish import publish
from tests.clusters import running_cluster
from tests.e2e.conftest import Site, eventually, leads

TRACES = Path(os.environ.get("FARTHING_TRACES") or Path(__file__).parents[3] / "shared" / "traces") / "openb"


@pytest.mark.traces
async def test_three_hundred_pods_of_the_trace_are_bound_and_the_books_are_right():
    if not TRACES.exists():
        if os.environ.get("CI"):
            pytest.fail(f"the public traces are not at {TRACES}; name their folder with FARTHING_TRACES")
        pytest.skip(f"the public traces are not at {TRACES}; `farthing traces fetch` gets them")
    manifests = load_fleet(TRACES / "openb_node_list_gpu_node.csv")
    slices = [m for m in manifests if m["kind"] == "ResourceSlice"]
    assert (len(manifests) - len(slices), sum(len(s["spec"]["devices"]) for s in slices)) == (1213, 6212)
    with running_cluster() as cluster:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            await install_into(connection, [])
            await publish(connection, manifests, lambda _done, _total: None)
            await cluster.start_spoke(connection)
            await eventually(lambda: leads(connection), "the spoke leads")
            report = await _replay(cluster)
            assert (report["created"], report["bound"]) == (300, 300), report
            await Site(cluster, connection).sound()


async def _replay(cluster):
    command = [sys.executable, "-m", "farthing", "replay", "--pods", "300", "-o", "json"]
    command += ["--traces", str(TRACES.parent), "--kubeconfig", str(cluster.kubeconfig)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return json.loads(out)
