"""Who may say that devices are kept for a pod, and how; and whether a pod may be moved."""

import pytest

from farthing.api.names import REPACKER
from farthing.cli.leader import read_leader
from farthing.cli.look import look
from farthing.kube.connection import Connection
from farthing.model.ask import MOVE, MOVE_REFUSED
from farthing.model.errors import InvalidError, NotFoundError, PermanentError
from farthing.model.keep import KEPT, KEPT_REFUSED
from tests.api.objects import DRY, admitted, pod, pods

pytestmark = pytest.mark.cluster

GOOD = "2026-11-25T07:10:03Z gpu.farthing.dev/n0/gpu-0 gpu.nvidia.com/a/pool/gpu-1"


async def person(admin: Connection, login, namespace: str, name: str, *roles: str):
    """A service account with these cluster roles, in its namespace and in the cluster."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    for role in roles:
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"generateName": "test-"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        await admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    return await login(namespace, name)


async def keep(connection: Connection, namespace: str, text: str | None) -> None:
    await connection.patch(f"{pods(namespace)}/p", {"metadata": {"annotations": {KEPT: text}}})


async def test_who_may_change_pods_may_not_keep_devices_for_them(admin, login, namespace):
    await admin.create(pods(namespace), pod("2"))
    editor = await person(admin, login, namespace, "editor", "edit")
    with pytest.raises(PermanentError, match="may not have devices kept for a pod; `farthing repack` does it"):
        await keep(editor, namespace, GOOD)
    await keep(admin, namespace, GOOD)
    await editor.patch(f"{pods(namespace)}/p", {"metadata": {"labels": {"a": "b"}}})
    await keep(editor, namespace, None)


async def test_who_has_the_role_may(admin, login, namespace):
    await admin.create(pods(namespace), pod("2"))
    repacker = await person(admin, login, namespace, "repacker", REPACKER)
    await keep(repacker, namespace, GOOD)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    await repacker.create(f"{pods(namespace)}/p/eviction", eviction, DRY)
    assert (await look(repacker)).typed
    assert not (await read_leader(repacker, 0.0)).leads
    with pytest.raises(NotFoundError):
        await repacker.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/none")


@pytest.mark.parametrize("text", ["", "soon", "2026-11-25T07:10:03Z", f"{GOOD} ", f"{GOOD}\n", "x" * 20_000])
async def test_what_cannot_be_read_is_refused(admin, namespace, text):
    await admin.create(pods(namespace), pod("2"))
    with pytest.raises(InvalidError) as refused:
        await keep(admin, namespace, text)
    assert KEPT_REFUSED in str(refused.value)


async def test_a_pod_is_not_created_with_it_by_just_anybody(admin, login, namespace):
    editor = await person(admin, login, namespace, "editor", "edit")
    with pytest.raises(PermanentError, match="may not have devices kept"):
        await admitted(editor, namespace, pod("2", annotations={KEPT: GOOD}))


async def test_no_template_of_pods_carries_it(admin, namespace):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {
            "template": {"metadata": {"annotations": {KEPT: GOOD}}, "spec": {"restartPolicy": "Never", **pod()["spec"]}}
        },
    }
    with pytest.raises(InvalidError, match="Farthing has no such annotation"):
        await admin.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", job, DRY)


@pytest.mark.parametrize("text", ["", "yes", "Allowed", "true"])
async def test_a_pod_says_clearly_whether_it_may_be_moved(admin, namespace, text):
    with pytest.raises(InvalidError) as refused:
        await admitted(admin, namespace, pod("0.5", annotations={MOVE: text}))
    assert f"{MOVE}: '{text}' {MOVE_REFUSED}" in str(refused.value)
    for word in ("allowed", "never"):
        await admitted(admin, namespace, pod("0.5", annotations={MOVE: word}))
