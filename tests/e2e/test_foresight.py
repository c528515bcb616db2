"""What a real cluster says of the future: when a pod would start, and what other nodes would change."""

import asyncio
import json
import sys

from farthing.cli.look import look
from farthing.state.residents import finished
from tests.e2e.conftest import eventually

L4 = {"farthing.dev/gpu-model": "L4"}


async def farthing(site, *words):
    """A command's answer."""
    command = ["-m", "farthing", *words, "--kubeconfig", str(site.cluster.kubeconfig)]
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == 0, said.decode()
    return out.decode()


async def all_taken(site, duration):
    """Every L4 is held for a known time, and one pod waits for one."""
    for i in range(8):
        await site.submit(f"held{i}", "1", annotations={**L4, "farthing.dev/duration": duration})
    for i in range(8):
        await site.running(f"held{i}")
    await site.submit("waits", "1", annotations=L4)
    await site.held("waits", "NoCapacity")


async def test_when_a_pod_would_start_and_with_which_nodes_at_once(site, tmp_path):
    await all_taken(site, "1h")
    found = json.loads(await farthing(site, "explain", "pod/waits", "-n", site.namespace, "-o", "json"))
    starts = found["starts"]
    assert 3400 < starts["likely_seconds"] <= 3600
    assert (starts["by_hint"], starts["by_history"], starts["unknown"]) == (8, 0, 0)
    assert "8 running pods say (farthing.dev/duration)" in starts["sentence"]

    file = tmp_path / "cluster.json"
    await farthing(site, "export", str(file))
    waits = f"{site.namespace}/waits"
    for source in (["--from", str(file)], []):
        options = ["--add-nodes", "1xL4x1", "--price", "L4=0.8", "-o", "json", *source]
        then = json.loads(await farthing(site, "what-if", *options))
        assert then["starts"] == [waits]
        assert then["after"]["cost_micro_per_hour"] - then["before"]["cost_micro_per_hour"] == 800_000
        assert then["like"][0].startswith("1 with 1 L4, like l4-")
    then = json.loads(await farthing(site, "what-if", "--remove-node", "l4-0", "-o", "json"))
    assert len(then["stops"]) == 2
    assert then["starts"] == []


async def test_how_long_finished_pods_ran_is_known(site):
    for i in range(3):
        await site.submit(f"short{i}", "0.1", annotations={"sim.farthing.dev/run": "2s"}, restartPolicy="Never")

    async def over():
        seen = await look(site.connection)
        return [one.seconds for one in finished(seen.world) if one.pod.key.namespace == site.namespace]

    async def all_over():
        return len(await over()) == 3

    await eventually(all_over, "three pods have ended")
    assert all(1 <= seconds <= 20 for seconds in await over())
