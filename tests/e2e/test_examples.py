"""Every example ends as its comment says."""

from pathlib import Path

from farthing.cli.submit import manifests_in, submit
from tests.e2e.conftest import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_the_examples_run_wait_and_are_refused_as_they_say(site):
    submitted = await submit(site.connection, manifests_in(EXAMPLES))
    refused = {found.name: found.refusal for found in submitted if found.refusal}
    assert set(refused) == {"wrong"}
    assert "'1.5' is not an amount of GPU" in refused["wrong"]

    async def settled():
        pods = (await site.connection.list_all("/api/v1/namespaces/default/pods"))[0]
        running = [p for p in pods if p["status"].get("phase") == "Running"]
        return len(running) == 10

    await eventually(settled, "all examples but the dreamer run", 60)
    site.namespace = "default"
    assert (await site.held("dreamer", "UnknownModel"))["message"].endswith("the cluster has A100, H100, L4")
    assert all(d.startswith("a100") for d in await site.devices("index-0"))
    assert (await site.devices("native"))[0].split("-")[0] in ("a100", "h100")
    site.namespace = "legacy"
    assert len(await site.devices("old-faithful")) == 1
    legacy = (await site.pod("old-faithful"))["spec"]["containers"][0]["resources"]
    assert "nvidia.com/gpu" not in legacy["limits"] if "limits" in legacy else True
    for kind, name in (("deployments", "chat"), ("statefulsets", "index")):
        await site.connection.delete(f"/apis/apps/v1/namespaces/default/{kind}/{name}")
    await site.connection.delete("/apis/batch/v1/namespaces/default/jobs/train", {"propagationPolicy": "Background"})
    for namespace, name in (
        ("default", "notebook"),
        ("default", "native"),
        ("default", "dreamer"),
        ("legacy", "old-faithful"),
    ):
        await site.connection.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
    site.namespace = "default"
    await site.empty()
