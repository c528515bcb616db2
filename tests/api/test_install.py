"""`farthing install` and `farthing uninstall` on a real cluster."""

import asyncio
import json
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from farthing.api.manifests import manifests
from farthing.cli import app
from farthing.cli.applying import path_of
from farthing.cli.uninstalling import survey
from farthing.kube.connection import Connection
from farthing.model.errors import InvalidError, PermanentError
from tests.api.conftest import make_namespace, write_kubeconfig
from tests.api.objects import DRY, WORKLOADS, claims, eventually, found, gates, pod, pods, templates, workload
from tests.clusters import Cluster

pytestmark = pytest.mark.cluster

NVIDIA = "gpu.nvidia.com"
PROFILES = "/apis/farthing.dev/v1/driverprofiles"
CLASS = "/apis/resource.k8s.io/v1/deviceclasses/gpu.farthing.dev"


def run(cluster, *arguments):
    """The command's steps, as (kind, name): outcome."""
    result = CliRunner().invoke(app, [*arguments, "--kubeconfig", str(cluster.kubeconfig), "-o", "json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return {(step["kind"], step["name"]): step["outcome"] for step in json.loads(result.stdout)}


@pytest.fixture
def alone(installed: Cluster) -> Cluster:
    """The cluster when nobody waits or holds any more, as other tests' namespaces may take a while to go."""

    async def nobody(connection):
        return not (await survey(connection)).concerned

    with_connection(installed, lambda c: eventually(lambda: nobody(c)))
    return installed


def with_connection(cluster, what):
    async def inside():
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            return await what(connection)

    return asyncio.run(inside())


def test_installing_again_changes_nothing(installed: Cluster):
    assert set(run(installed, "install").values()) == {"unchanged"}


def test_what_drifted_is_put_right(installed: Cluster):
    binding = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/farthing-wrong-asks"
    with_connection(installed, lambda c: c.patch(binding, {"spec": {"validationActions": ["Audit"]}}))
    with_connection(installed, lambda c: c.delete(binding.replace("wrong-asks", "asks-stay")))
    steps = run(installed, "install")
    assert steps.pop(("ValidatingAdmissionPolicyBinding", "farthing-wrong-asks")) == "changed"
    assert steps.pop(("ValidatingAdmissionPolicyBinding", "farthing-asks-stay")) == "created"
    assert set(steps.values()) == {"unchanged"}


def test_drivers_are_added_and_stay(installed: Cluster):
    try:
        steps = run(installed, "install", "--driver", NVIDIA)
        assert steps["DriverProfile", NVIDIA] == "created"
        assert steps["DeviceClass", "gpu.farthing.dev"] == "changed"
        assert set(run(installed, "install").values()) == {"unchanged"}
        device_class = with_connection(installed, lambda c: c.get(CLASS))
        expression = device_class["spec"]["selectors"][0]["cel"]["expression"]
        assert expression == "device.driver in ['gpu.farthing.dev', 'gpu.nvidia.com']"
    finally:
        with_connection(installed, lambda c: c.delete(f"{PROFILES}/{NVIDIA}"))
        run(installed, "install")


def test_a_profile_tuned_by_a_person_is_kept(installed: Cluster):
    path = f"{PROFILES}/{NVIDIA}"
    run(installed, "install", "--driver", NVIDIA)
    try:
        with_connection(installed, lambda c: c.patch(path, {"spec": {"modelAttribute": "architecture"}}))
        assert run(installed, "install")["DriverProfile", NVIDIA] == "kept"
        assert with_connection(installed, lambda c: c.get(path))["spec"]["modelAttribute"] == "architecture"
    finally:
        with_connection(installed, lambda c: c.delete(path))
        run(installed, "install")


def test_printing_touches_no_cluster():
    printed = CliRunner().invoke(app, ["install", "--print", "--kubeconfig", "/nowhere", "--driver", NVIDIA])
    assert list(yaml.safe_load_all(printed.stdout)) == manifests([NVIDIA])
    as_json = CliRunner().invoke(app, ["install", "--print", "-o", "json"])
    assert json.loads(as_json.stdout)["items"] == manifests()


def test_who_may_install_only_half_is_told_how_far_it_came(installed: Cluster, tmp_path):
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    half = [
        {"apiGroups": ["apiextensions.k8s.io", "farthing.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["namespaces", "serviceaccounts"], "verbs": ["*"]},
    ]

    async def half_an_administrator(connection):
        subject = {"kind": "ServiceAccount", "namespace": "default", "name": "default"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half"}
        await connection.create(f"{rbac}/clusterroles", {"metadata": {"name": "half"}, "rules": half})
        binding = {"metadata": {"name": "half"}, "roleRef": role, "subjects": [subject]}
        await connection.create(f"{rbac}/clusterrolebindings", binding)
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        return (await connection.create(path, {"spec": {}}))["status"]["token"]

    token = with_connection(installed, half_an_administrator)
    server = yaml.safe_load(installed.kubeconfig.read_text())["clusters"][0]["cluster"]
    write_kubeconfig(tmp_path / "kubeconfig", server, token)
    try:
        with pytest.raises(PermanentError) as refused:
            run(SimpleNamespace(kubeconfig=tmp_path / "kubeconfig"), "install")
        assert f"6 of {len(manifests())} objects are applied; then DeviceClass gpu.farthing.dev" in str(refused.value)
        assert "Running the same command again is safe and goes on from there" in str(refused.value)
    finally:
        for kind in ("clusterrolebindings", "clusterroles"):
            with_connection(installed, lambda c, kind=kind: c.delete(f"{rbac}/{kind}/half"))


def test_uninstalling_lets_go_who_waits_and_leaves_nothing(alone: Cluster):
    async def some_wait(connection):
        namespace = await make_namespace(connection)
        gates_of_others = {"schedulingGates": [{"name": "example.com/first"}]}
        await connection.create(pods(namespace), pod("0.25", spec=gates_of_others))
        return namespace

    namespace = with_connection(alone, some_wait)
    try:
        with pytest.raises(PermanentError) as refused:
            run(alone, "uninstall")
        assert "Waiting for Farthing: 1 pod. Their gate will be opened, but they stay Pending" in str(refused.value)
        assert f"\n  {namespace}/p\n" in str(refused.value)
        assert "Nothing was changed; `farthing uninstall --force` goes on" in str(refused.value)
        assert set(run(alone, "install").values()) == {"unchanged"}

        steps = run_ignoring_stderr(alone, "uninstall", "--force")
        assert steps["Pod", f"{namespace}/p"] == "changed"
        assert steps["CustomResourceDefinition", "driverprofiles.farthing.dev"] == "deleted"

        async def left(connection):
            freed = await connection.get(f"{pods(namespace)}/p")
            present = [path_of(wanted) for wanted in manifests() if await found(connection, path_of(wanted))]
            plain = await connection.create(pods("default"), pod("nonsense"), DRY)
            return gates(freed["spec"]), present, gates(plain["spec"])

        assert with_connection(alone, left) == (["example.com/first"], [], [])
        assert set(run(alone, "uninstall").values()) == {"absent"}
    finally:
        assert set(run(alone, "install").values()) == {"created"}
        with_connection(alone, lambda c: c.delete(f"/api/v1/namespaces/{namespace}"))


def run_ignoring_stderr(cluster, *arguments):
    result = CliRunner().invoke(app, [*arguments, "--kubeconfig", str(cluster.kubeconfig), "-o", "json"])
    assert result.exception is None, result.exception
    return {(step["kind"], step["name"]): step["outcome"] for step in json.loads(result.stdout)}


def test_templates_of_asks_go_and_others_stay(alone: Cluster):
    """They can only be made while the policy that keeps their names is not there."""

    async def plant(connection):
        namespace = await make_namespace(connection)
        spec = {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu.farthing.dev"}}]}}}
        for name in ("farthing-0.25-shared", "farthing-rod", "mine"):
            await connection.create(templates(namespace), {"metadata": {"name": name}, "spec": spec})
        return namespace

    run(alone, "uninstall")
    namespace = with_connection(alone, plant)
    try:
        steps = run(alone, "uninstall")
        assert steps["ResourceClaimTemplate", f"{namespace}/farthing-0.25-shared"] == "deleted"
        names = with_connection(alone, lambda c: c.list_all(templates(namespace)))[0]
        assert sorted(item["metadata"]["name"] for item in names) == ["farthing-rod", "mine"]
    finally:
        run(alone, "install")
        with_connection(alone, lambda c: c.delete(f"/api/v1/namespaces/{namespace}"))


def test_templates_that_go_with_their_namespace_meanwhile_are_no_error(alone: Cluster, monkeypatch):
    everything = Connection.list_all

    async def and_one_that_just_went(connection, path, params=None):
        listed, version = await everything(connection, path, params)
        gone = {"metadata": {"name": "farthing-0.25-shared", "namespace": "just-gone"}}
        return ([*listed, gone] if path.endswith("/resourceclaimtemplates") else listed), version

    monkeypatch.setattr(Connection, "list_all", and_one_that_just_went)
    try:
        steps = run(alone, "uninstall")
        assert steps["ResourceClaimTemplate", "just-gone/farthing-0.25-shared"] == "absent"
    finally:
        run(alone, "install")


def test_claims_in_use_are_named_and_come_back_when_their_pods_end(alone: Cluster):
    """What Farthing gave out stays with its pods, and kube-controller-manager alone takes it back."""

    async def use(connection):
        namespace = await make_namespace(connection)
        spec = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.farthing.dev"}}]}}
        await connection.create(templates(namespace), {"metadata": {"name": "mine"}, "spec": {"spec": spec}})
        await connection.delete(f"{PROFILES}/gpu.farthing.dev")
        wanted = pod(spec={"nodeName": "n1", "resourceClaims": [{"name": "c", "resourceClaimTemplateName": "mine"}]})
        await connection.create(pods(namespace), wanted)
        (claim,) = await eventually(lambda: items(connection, claims(namespace)))
        path = f"{claims(namespace)}/{claim['metadata']['name']}"

        async def given():
            holder = await connection.get(f"{pods(namespace)}/p")
            claim = await connection.get(path)
            result = {"request": "gpu", "driver": "gpu.farthing.dev", "pool": "n1", "device": "gpu-0"}
            user = {"resource": "pods", "name": "p", "uid": holder["metadata"]["uid"]}
            claim["status"] = {"allocation": {"devices": {"results": [result]}}, "reservedFor": [user]}
            try:
                return await connection.replace(f"{path}/status", claim)
            except PermanentError:
                return None

        await eventually(given)
        return namespace, path

    namespace, path = with_connection(alone, use)
    try:
        with pytest.raises(PermanentError) as refused:
            run(alone, "uninstall")
        assert "Holding devices: 1 claim. Their pods keep running" in str(refused.value)
        run_ignoring_stderr(alone, "uninstall", "--force")
        assert with_connection(alone, lambda c: c.get(path))["status"]["allocation"]
        done = {"status": {"phase": "Succeeded"}}
        with_connection(alone, lambda c: c.patch(f"{pods(namespace)}/p/status", done))
        with_connection(alone, lambda c: eventually(lambda: absent(c, path)))
    finally:
        run(alone, "install")
        with_connection(alone, lambda c: c.delete(f"/api/v1/namespaces/{namespace}"))


async def items(connection, path):
    return (await connection.list_all(path))[0]


async def absent(connection, path):
    return await found(connection, path) is None


def test_what_was_there_before_can_still_be_changed_but_not_made_wrong_anew(alone: Cluster):
    async def from_before(connection):
        namespace = await make_namespace(connection)
        await connection.create(pods(namespace), pod("abc", labels={"farthing.dev/team": "Vision"}))
        path = WORKLOADS["Deployment"].format(namespace)
        await connection.create(path, workload("Deployment", pod("abc")) | {"metadata": {"name": "it"}})
        return namespace, f"{path}/it"

    async def change(connection):
        note = {"metadata": {"annotations": {"example.com/note": "x"}, "labels": {"a": "b"}}}
        await connection.patch(f"{pods(namespace)}/p", note)
        await connection.patch(path, note)
        await connection.patch(path, {"spec": {"template": note, "replicas": 0}})

    async def make_wrong(connection, amount):
        template = {"metadata": {"annotations": {"farthing.dev/gpu": amount}}}
        await connection.patch(path, {"spec": {"template": template}})

    run(alone, "uninstall")
    try:
        namespace, path = with_connection(alone, from_before)
        run(alone, "install")
        with_connection(alone, change)
        with pytest.raises(InvalidError, match="'def' is not an amount of GPU"):
            with_connection(alone, lambda c: make_wrong(c, "def"))
        with_connection(alone, lambda c: make_wrong(c, "0.5"))
    finally:
        run(alone, "install")
        with_connection(alone, lambda c: c.delete(f"/api/v1/namespaces/{namespace}"))
