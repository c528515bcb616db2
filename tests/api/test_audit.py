"""Every decision about teams leaves a record in the API server's audit log: who, what, under which rule."""

import json

import pytest

from farthing.api.names import NAMESPACE, SPOKE
from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from farthing.model.cluster import Key
from tests.api.company import refusal
from tests.api.conftest import logins, make_namespace
from tests.api.objects import eventually, pod, pods
from tests.api.teams import add, bind, tend
from tests.clusters import running_cluster

pytestmark = pytest.mark.cluster

AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
  resources:
  - {group: farthing.dev, resources: [teams]}
  - {group: "", resources: [pods]}
- {level: None}
"""


async def test_who_did_what_under_which_rule(tmp_path):
    with running_cluster(audit=AUDIT) as cluster:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as admin, logins(cluster, admin, tmp_path) as login:
            await install_into(admin, [])
            vision, sales = await make_namespace(admin), await make_namespace(admin)
            body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "alice"}}
            await admin.create(f"/api/v1/namespaces/{vision}/serviceaccounts", body)
            for namespace in (vision, sales):
                await bind(admin, Key(vision, "alice"), "edit", namespace)
            name = f"system:serviceaccount:{vision}:alice"
            await add(admin, "vision", namespaces=[vision], members=[name])
            await add(admin, "sales", namespaces=[sales])
            await tend(await login(NAMESPACE, SPOKE), admin)
            alice = await login(vision, "alice")
            await alice.create(pods(vision), pod("0.25"))
            assert "may not use" in await refusal(alice.create(pods(sales), pod("0.25")))

        async def written():
            return records(cluster.where / "audit.log", name) or None

        found = await eventually(written)
        assert found == [
            ("farthing-team-use", 201, f"{name} uses team vision for Pod; rule: member"),
            ("farthing-team-use", 403, f"{name} uses team sales for Pod; rule: the verb use on one of sales"),
        ]
        made = records(cluster.where / "audit.log", "admin")
        assert ("farthing-team-tree", 201, "admin CREATE team sales; rule: the verb divide on all teams") in made


def records(path, user):
    """What our policies noted of a user: the policy, the answer's status, and the sentence."""
    events = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [
        (key.partition("/")[0], event["responseStatus"]["code"], sentence)
        for event in events
        if event["user"]["username"] == user
        for key, sentence in event.get("annotations", {}).items()
        if key.startswith("farthing-team-")
    ]
