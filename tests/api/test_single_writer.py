"""Only the spoke allocates devices of managed drivers; other drivers are untouched."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from farthing.kube.connection import Connection
from farthing.model.cluster import GATE, OWN_DRIVER
from farthing.model.errors import NotFoundError, PermanentError
from tests.api.objects import claims, eventually, found, pod, pods, templates

pytestmark = pytest.mark.cluster

OTHER_DRIVER = "gpu.example.com"
PROFILES = "/apis/farthing.dev/v1/driverprofiles"
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
CLASSES = "/apis/resource.k8s.io/v1/deviceclasses"

ALLOCATES = "only Farthing allocates devices of the driver gpu.farthing.dev, and {} is not Farthing"
TAKES_BACK = "only Farthing takes back allocated devices of the driver gpu.farthing.dev, and {} is not Farthing"


@pytest.fixture
async def node(admin: Connection) -> AsyncIterator[str]:
    """A node with a device of ours and one of another driver, that kube-scheduler would use."""
    name = str((await admin.create("/api/v1/nodes", {"metadata": {"generateName": "n-"}}))["metadata"]["name"])
    await admin.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
    room = {"cpu": "8", "memory": "64Gi", "pods": "110"}
    await admin.patch(f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room}})
    for driver in (OWN_DRIVER, OTHER_DRIVER):
        device = {"name": "gpu-0", "allowMultipleAllocations": True}
        pool = {"name": name, "generation": 1, "resourceSliceCount": 1}
        spec = {"driver": driver, "nodeName": name, "pool": pool, "devices": [device]}
        await admin.create(SLICES, {"metadata": {"name": f"{name}-{driver}"}, "spec": spec})
    if await found(admin, f"{CLASSES}/{OTHER_DRIVER}") is None:
        selector = {"cel": {"expression": f'device.driver == "{OTHER_DRIVER}"'}}
        await admin.create(CLASSES, {"metadata": {"name": OTHER_DRIVER}, "spec": {"selectors": [selector]}})
    yield name
    for driver in (OWN_DRIVER, OTHER_DRIVER):
        await admin.delete(f"{SLICES}/{name}-{driver}")
    await admin.delete(f"/api/v1/nodes/{name}")


async def impersonate(connection: Connection, user: str) -> None:
    """Be a service account from now on."""
    connection._session.headers["Impersonate-User"] = user
    connection._session.headers["Impersonate-Group"] = "system:serviceaccounts"


def claim_spec(device_class: str, **more: Any) -> dict[str, Any]:
    return {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": device_class, **more}}]}}


async def make_claim(admin: Connection, namespace: str, device_class: str = OWN_DRIVER, **more: Any) -> str:
    body = {"metadata": {"name": "c"}, "spec": claim_spec(device_class, **more)}
    await admin.create(claims(namespace), body)
    return f"{claims(namespace)}/c"


async def allocate(
    who: Connection, path: str, node: str, driver: str = OWN_DRIVER, params: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    claim = await who.get(path)
    only = {"key": "metadata.name", "operator": "In", "values": [node]}
    result = {"request": "gpu", "driver": driver, "pool": node, "device": "gpu-0", **more}
    if "adminAccess" not in more:
        result["shareID"] = "0e1d7d3c-9f7b-4d60-8b62-1d5ad1b2f0aa"
    claim["status"] = {
        "allocation": {
            # Without an instant kube-scheduler would add one, and an allocation cannot be changed.
            "allocationTimestamp": "2026-11-24T00:00:00Z",
            "devices": {"results": [result]},
            "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [only]}]},
        }
    }
    return await who.replace(f"{path}/status", claim, params)


async def take_back(who: Connection, path: str) -> None:
    claim = await who.get(path)
    claim["status"] = {}
    await who.replace(f"{path}/status", claim)


# Who may ----------------------------------------------------------------------------------------------------------


async def test_the_spoke_allocates_and_takes_back(spoke: Connection, admin: Connection, namespace: str, node: str):
    path = await make_claim(admin, namespace)
    await allocate(spoke, path, node)
    await take_back(spoke, path)
    await allocate(spoke, path, node)


async def test_an_administrator_does_neither(spoke: Connection, admin: Connection, namespace: str, node: str):
    path = await make_claim(admin, namespace)
    with pytest.raises(PermanentError) as refused:
        await allocate(admin, path, node)
    assert ALLOCATES.format("admin") in str(refused.value)
    await allocate(spoke, path, node)
    with pytest.raises(PermanentError) as refused:
        await take_back(admin, path)
    assert TAKES_BACK.format("admin") in str(refused.value)


async def test_the_claim_controller_takes_back_and_does_not_allocate(
    installed, spoke: Connection, admin: Connection, namespace: str, node: str
):
    path = await make_claim(admin, namespace)
    name = "system:serviceaccount:kube-system:resource-claim-controller"
    async with Connection.from_kubeconfig(installed.kubeconfig) as controller:
        await impersonate(controller, name)
        with pytest.raises(PermanentError) as refused:
            await allocate(controller, path, node)
        assert ALLOCATES.format(name) in str(refused.value)
        await allocate(spoke, path, node)
        await take_back(controller, path)


async def test_what_is_not_the_allocation_stays_everybody_s(
    spoke: Connection, admin: Connection, namespace: str, node: str
):
    path = await make_claim(admin, namespace)
    claim = await allocate(spoke, path, node)
    user = {"resource": "pods", "name": "p", "uid": "11111111-1111-1111-1111-111111111111"}
    claim["status"]["reservedFor"] = [user]
    result = claim["status"]["allocation"]["devices"]["results"][0]
    device = {name: result[name] for name in ("driver", "pool", "device", "shareID")}
    claim["status"]["devices"] = [device | {"data": {"healthy": True}}]
    claim = await admin.replace(f"{path}/status", claim)
    assert claim["status"]["reservedFor"] == [user]
    assert claim["status"]["devices"][0]["data"] == {"healthy": True}


async def test_admin_access_takes_nothing_and_is_left_to_kubernetes(admin: Connection, namespace: str, node: str):
    label = {"resource.kubernetes.io/admin-access": "true"}
    await admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": label}})
    path = await make_claim(admin, namespace, adminAccess=True)
    await allocate(admin, path, node, adminAccess=True)


# Which drivers ----------------------------------------------------------------------------------------------------


async def test_other_drivers_are_managed_as_long_as_they_have_a_profile(admin: Connection, namespace: str, node: str):
    path = await make_claim(admin, namespace, OTHER_DRIVER)
    await allocate(admin, path, node, OTHER_DRIVER)
    await take_back(admin, path)
    await admin.create(PROFILES, profile(OTHER_DRIVER))
    try:

        async def refused():
            try:  # in a dry run: a profile that comes into force in between would forbid to take it back
                await allocate(admin, path, node, OTHER_DRIVER, {"dryRun": "All"})
            except PermanentError as error:
                return str(error)
            return ""

        assert f"only Farthing allocates devices of the driver {OTHER_DRIVER}" in await eventually(refused)
    finally:
        await admin.delete(f"{PROFILES}/{OTHER_DRIVER}")
    await eventually(lambda: allowed(admin, path, node, OTHER_DRIVER))


async def test_without_any_profile_nobody_is_hindered(admin: Connection, namespace: str, node: str):
    path = await make_claim(admin, namespace)
    await admin.delete(f"{PROFILES}/{OWN_DRIVER}")
    try:
        await eventually(lambda: allowed(admin, path, node, OWN_DRIVER))
    finally:
        await admin.create(PROFILES, profile(OWN_DRIVER, memory="memory", compute="compute", modelAttribute="model"))

        async def refused():
            try:
                await take_back(admin, path)
            except PermanentError:
                return True
            await allocate(admin, path, node)
            return False

        await eventually(refused)


async def allowed(who: Connection, path: str, node: str, driver: str) -> bool:
    try:
        await allocate(who, path, node, driver)
    except PermanentError:
        return False
    return True


def profile(driver: str, **spec: str) -> dict[str, Any]:
    return {
        "apiVersion": "farthing.dev/v1",
        "kind": "DriverProfile",
        "metadata": {"name": driver},
        "spec": {"driver": driver, "vendor": "nvidia", **spec},
    }


# The real kube-scheduler and kube-controller-manager --------------------------------------------------------------


async def with_template(admin: Connection, namespace: str, device_class: str) -> dict[str, Any]:
    body = {"metadata": {"name": "mine"}, "spec": {"spec": claim_spec(device_class)}}
    await admin.create(templates(namespace), body)
    claims_of_pod = [{"name": "gpu", "resourceClaimTemplateName": "mine"}]
    return pod(spec={"resourceClaims": claims_of_pod})


async def on_a_node(admin: Connection, namespace: str) -> str:
    return str((await admin.get(f"{pods(namespace)}/p"))["spec"].get("nodeName", ""))


@pytest.mark.usefixtures("node")
async def test_kube_scheduler_is_refused_and_the_pod_says_why(admin: Connection, namespace: str):
    await admin.create(pods(namespace), await with_template(admin, namespace, OWN_DRIVER))

    async def said():
        conditions = (await admin.get(f"{pods(namespace)}/p"))["status"].get("conditions", [])
        return next((c["message"] for c in conditions if "only Farthing" in c.get("message", "")), "")

    assert ALLOCATES.format("system:kube-scheduler") in await eventually(said)
    assert await on_a_node(admin, namespace) == ""


async def test_kube_scheduler_allocates_other_drivers_as_ever(admin: Connection, namespace: str, node: str):
    await admin.create(pods(namespace), await with_template(admin, namespace, OTHER_DRIVER))
    assert await eventually(lambda: on_a_node(admin, namespace)) == node


async def test_kube_scheduler_adds_pods_to_a_claim_that_is_shared(
    spoke: Connection, admin: Connection, namespace: str, node: str
):
    await allocate(spoke, await make_claim(admin, namespace), node)
    shared = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "c"}]}
    for name in ("p", "q"):
        await admin.create(pods(namespace), pod(name=name, spec=shared))

    async def users():
        claim = await admin.get(f"{claims(namespace)}/c")
        names = [user["name"] for user in claim["status"].get("reservedFor", [])]
        return sorted(names) if len(names) == 2 else None

    assert await eventually(users) == ["p", "q"]
    assert await eventually(lambda: on_a_node(admin, namespace)) == node


async def test_a_whole_life(spoke: Connection, admin: Connection, namespace: str, node: str):
    """Asked, gated, template made, claim made, allocated, ungated, bound, done: allocation and claim are gone."""
    await admin.create(pods(namespace), pod("0.25"))
    spec = {"spec": claim_spec(OWN_DRIVER)}
    await spoke.create(templates(namespace), {"metadata": {"name": "farthing-0.25-shared"}, "spec": spec})

    async def made():
        items, _ = await admin.list_all(claims(namespace))
        return items

    (claim,) = await eventually(made)
    assert claim["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    path = f"{claims(namespace)}/{claim['metadata']['name']}"
    await allocate(spoke, path, node)
    nominated = {"status": {"nominatedNodeName": node}}
    await spoke.patch(f"{pods(namespace)}/p/status", nominated, "strategic-merge-patch")
    gate = [{"op": "test", "path": "/spec/schedulingGates/0/name", "value": GATE}]
    remove = [{"op": "remove", "path": "/spec/schedulingGates/0"}]
    await spoke.patch(f"{pods(namespace)}/p", gate + remove, "json-patch")
    assert await eventually(lambda: on_a_node(admin, namespace)) == node

    with pytest.raises(PermanentError):
        await take_back(admin, path)
    await admin.delete(path)
    assert (await admin.get(path))["status"]["allocation"], "a claim in use is protected from deletion"

    await admin.patch(f"{pods(namespace)}/p/status", {"status": {"phase": "Succeeded"}})

    async def gone():
        try:
            await admin.get(path)
        except NotFoundError:
            return True
        return False

    assert await eventually(gone)
