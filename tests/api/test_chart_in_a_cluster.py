"""The chart in a real cluster: Helm installs it, pods are taken care of, and nothing is left when Helm takes it away."""

import pytest

from farthing.api.chart import FOLDER
from farthing.api.names import NAMESPACE
from farthing.kube.connection import Connection
from farthing.model.errors import InvalidError, NotFoundError
from tests.api.objects import eventually
from tests.clusters import running_cluster
from tests.helm import helm, needs_helm
from tests.surface.test_chart import NAME, ROOT

pytestmark = [pytest.mark.cluster, needs_helm]
POD = {
    "metadata": {"name": "p", "annotations": {"farthing.dev/gpu": "0.25"}},
    "spec": {"containers": [{"name": "main", "image": "none"}]},
}
PODS = "/api/v1/namespaces/default/pods"
PROGRAMS = (("daemonsets", "farthing-node"), ("daemonsets", "farthing-mps"), ("deployments", "farthing-spoke"))


async def test_helm_installs_upgrades_and_takes_away():
    with running_cluster() as cluster:
        common = ("--kubeconfig", cluster.kubeconfig, "--namespace", NAMESPACE)
        new = ("install", "farthing", ROOT / FOLDER, "--create-namespace", "--set", f"image={NAME}", *common)
        helm(*new)
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:

            async def gates(*wanted):
                """Whether a pod that asks gets these; while rules come and go, it may also be refused."""
                try:
                    made = await connection.create(PODS, POD, {"dryRun": "All"})
                except InvalidError:
                    return False
                return [gate["name"] for gate in made["spec"].get("schedulingGates", [])] == list(wanted)

            assert await eventually(lambda: gates("farthing.dev/queued"))
            for kind, name in PROGRAMS:
                await connection.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}/{name}")
            change = ("--set", f"image={NAME}", "--set", "spoke.replicas=3", *common)
            assert "replicas: 3" in helm("upgrade", "farthing", ROOT / FOLDER, *change, "--dry-run=server")
            helm("upgrade", "farthing", ROOT / FOLDER, *change)
            path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/farthing-spoke"
            assert (await connection.get(path))["spec"]["replicas"] == 3
            helm("uninstall", "farthing", *common)
            with pytest.raises(NotFoundError):
                await connection.get(path)
            assert await eventually(gates)
