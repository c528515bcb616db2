"""When kube-scheduler refuses, the share is freed and placed again; what is not supported is refused by name."""

from tests.e2e.conftest import condition, eventually


async def test_a_refused_pod_is_placed_elsewhere_and_the_user_can_see_why(site):
    rule = {"labelSelector": {"matchLabels": {"app": "lonely"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    for name in ("one", "two"):
        await site.submit(name, "0.25", labels={"app": "lonely"}, affinity=affinity)
    first, second = await site.running("one"), await site.running("two", 90)
    assert first["spec"]["nodeName"] != second["spec"]["nodeName"]
    events, _ = await site.connection.list_all(f"/apis/events.k8s.io/v1/namespaces/{site.namespace}/events")
    told = [e for e in events if e["reason"] == "RefusedByScheduler"]
    assert told
    assert "anti-affinity" in told[0]["note"]


async def claim_template(site, name, request):
    body = {"metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": [{"name": "gpu", **request}]}}}}
    path = f"/apis/resource.k8s.io/v1/namespaces/{site.namespace}/resourceclaimtemplates"
    await site.connection.create(path, body)


async def own_claim_pod(site, name, template):
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": template}],
            "containers": [{"name": "main", "image": "none", "resources": {"claims": [{"name": "gpu"}]}}],
        },
    }
    await site.connection.create(site.pods_path(), body)


async def test_what_is_not_supported_is_refused_by_its_name(site):
    await claim_template(site, "choice", {"firstAvailable": [{"name": "a", "deviceClassName": "gpu.farthing.dev"}]})
    await claim_template(site, "all", {"exactly": {"deviceClassName": "gpu.farthing.dev", "allocationMode": "All"}})
    for name, word in (("choice", "firstAvailable"), ("all", "allocationMode All")):
        await own_claim_pod(site, name, name)
        assert word in (await site.held(name, "Unsupported"))["message"]


async def test_an_own_claim_with_count_capacity_and_selectors_is_planned(site):
    expression = 'device.attributes["gpu.farthing.dev"].model == "H100"'
    exactly = {"deviceClassName": "gpu.farthing.dev", "count": 2, "selectors": [{"cel": {"expression": expression}}]}
    await claim_template(
        site, "pair", {"exactly": {**exactly, "capacity": {"requests": {"memory": "10Gi", "compute": "100"}}}}
    )
    await own_claim_pod(site, "native", "pair")
    await site.running("native")
    devices = await site.devices("native")
    assert len(set(devices)) == 2
    assert all(device.startswith("h100") for device in devices)


async def test_a_selector_that_fails_is_told_to_the_user(site):
    expression = 'device.attributes["gpu.farthing.dev"].nonsense == "H100"'
    selectors = [{"cel": {"expression": expression}}]
    await claim_template(site, "odd", {"exactly": {"deviceClassName": "gpu.farthing.dev", "selectors": selectors}})
    await own_claim_pod(site, "odd", "odd")
    assert "nonsense" in (await site.held("odd", "InvalidAsk"))["message"]


async def test_two_pods_share_a_claim_by_its_name(site):
    request = {
        "name": "gpu",
        "exactly": {"deviceClassName": "gpu.farthing.dev", "capacity": {"requests": {"compute": "300"}}},
    }
    path = f"/apis/resource.k8s.io/v1/namespaces/{site.namespace}/resourceclaims"
    await site.connection.create(path, {"metadata": {"name": "ours"}, "spec": {"devices": {"requests": [request]}}})
    for name in ("one", "two"):
        body = {
            "metadata": {"name": name},
            "spec": {
                "automountServiceAccountToken": False,
                "resourceClaims": [{"name": "gpu", "resourceClaimName": "ours"}],
                "containers": [{"name": "main", "image": "none", "resources": {"claims": [{"name": "gpu"}]}}],
            },
        }
        await site.connection.create(site.pods_path(), body)
    one, two = await site.running("one"), await site.running("two")
    assert one["spec"]["nodeName"] == two["spec"]["nodeName"]
    for name in ("one", "two"):
        await site.connection.delete(site.pods_path(name))
    await site.empty()


async def test_a_full_fleet_holds_and_lets_go_as_room_comes(site):
    model = {"farthing.dev/gpu-model": "L4"}
    for i in range(5):
        await site.submit(f"p{i}", "2", annotations=model)

    async def four_run():
        pods = await site.pods()
        return sum(p["status"].get("phase") == "Running" for p in pods) == 4

    await eventually(four_run, "four of five run")
    waiting = next(p for p in await site.pods() if p["status"].get("phase") != "Running")
    name = waiting["metadata"]["name"]
    assert "free" in (await site.held(name, "NoCapacity"))["message"]
    other = next(p["metadata"]["name"] for p in await site.pods() if p["metadata"]["name"] != name)
    await site.connection.delete(site.pods_path(other))
    pod = await site.running(name)
    assert condition(pod)["status"] == "True"
