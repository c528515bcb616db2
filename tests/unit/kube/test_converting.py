"""What comes over the wire becomes the nouns of the model, however it was written."""

import msgspec
import pytest

from farthing.kube import wire
from farthing.kube.apply import template_manifest
from farthing.kube.convert import pod_requests
from farthing.kube.resources import CLAIMS, JOBS, PODS, SLICES
from farthing.kube.watch import Inbox
from farthing.model.ask import ask_of_template
from farthing.model.cluster import Key, Pod
from farthing.model.plan import Gone, Seen


def spec(**fields):
    return msgspec.json.decode(msgspec.json.encode(fields), type=wire.PodSpec)


def container(cpu="0", **more):
    return {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}, **more}


@pytest.mark.parametrize(
    ("fields", "milli"),
    [
        ({"containers": [container("1"), container("500m")]}, 1500),
        ({"containers": [container("1")], "initContainers": [container("3")]}, 3000),
        ({"containers": [container("1")], "initContainers": [container("2", restartPolicy="Always")]}, 3000),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("2", restartPolicy="Always"), container("2")],
            },
            4000,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}}, 4000),
    ],
)
def test_what_a_pod_requests_is_kubernetes_own_sum(fields, milli):
    assert pod_requests(spec(**fields))["cpu"] == milli


@pytest.mark.parametrize(
    "name",
    ["farthing-0.25-shared", "farthing-4x0.5-hard--a100--h100", "farthing-10gi-soft", "farthing-2-shared.nvidia",
     "farthing-1g.10gb.plus-me-partition"],
)  # fmt: skip
def test_a_claim_made_from_our_template_carries_the_ask(name):
    ask = ask_of_template(name)
    manifest = template_manifest(Key("ns", name), ask)
    claim = {
        "metadata": {"name": "c", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
        "spec": manifest["spec"]["spec"],
    }
    found = CLAIMS.thing(msgspec.json.encode(claim))
    assert (found.ask, found.unsupported, found.ours) == (ask, "", True)


def share_claim(parameters):
    devices = {
        "requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.farthing.dev"}}],
        "config": [{"opaque": {"driver": "gpu.farthing.dev", "parameters": parameters}}],
    }
    body = {
        "metadata": {"name": "c", "namespace": "n", "uid": "u", "resourceVersion": "1"},
        "spec": {"devices": devices},
    }
    return CLAIMS.thing(msgspec.json.encode(body))


@pytest.mark.parametrize("gpu", ["lots", "", 5, None, ["0.5"], "0.5\n"])
def test_share_parameters_edited_by_hand_end_in_a_sentence(gpu):
    found = share_claim({"apiVersion": "farthing.dev/v1", "kind": "Share", "gpu": gpu})
    assert found.ask is None
    assert found.unsupported


def test_parameters_of_others_are_none_of_our_business():
    found = share_claim({"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig"})
    assert (found.ask, found.unsupported, len(found.config)) == (None, "", 1)


@pytest.mark.parametrize("value", ["-1", "1e30", "nonsense", "99999999999Ei"])
def test_an_absurd_capacity_leaves_the_device_out_with_a_sentence(value):
    good = {"name": "gpu-1", "capacity": {"memory": {"value": "80Gi"}}}
    bad = {"name": "gpu-0", "capacity": {"memory": {"value": value}}}
    pool = {"name": "n0", "generation": 1, "resourceSliceCount": 1}
    body = {
        "metadata": {"name": "s", "resourceVersion": "1"},
        "spec": {"driver": "gpu.farthing.dev", "nodeName": "n0", "pool": pool, "devices": [bad, good]},
    }
    found = SLICES.thing(msgspec.json.encode(body))
    assert [device.name for device in found.devices] == ["gpu-1"]
    assert "gpu-0" in found.faults[0]


def event(kind, **body):
    return msgspec.json.encode({"type": kind, "object": body})


def test_an_object_that_cannot_be_read_is_left_out_and_the_next_one_is_read():
    complaints = []
    inbox = Inbox(complaints.append)
    meta = {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7"}
    inbox.put(PODS, event("ADDED", metadata=meta, spec={"containers": "not a list"}))
    inbox.put(PODS, event("ADDED", metadata=meta, spec={"containers": []}))
    inbox.put(PODS, event("DELETED", metadata=meta))
    news = list(inbox.drain())
    assert [type(item) for item in news] == [Seen, Gone]
    assert news[1] == Gone(Pod, Key("n", "p"), 7)
    assert len(complaints) == 1


def test_news_that_is_known_is_not_decoded():
    inbox = Inbox(lambda _: None, lambda kind, key, version: version <= 7)
    meta = {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7"}
    inbox.put(PODS, event("MODIFIED", metadata=meta, spec={"containers": []}))
    assert list(inbox.drain()) == []


def test_the_team_in_force_is_what_we_wrote_last_whatever_the_claims_own_configuration_says():
    def share(**said):
        parameters = {"apiVersion": "farthing.dev/v1", "kind": "Share", **said}
        return {"opaque": {"driver": "gpu.farthing.dev", "parameters": parameters}}

    config = [share(gpu="0.5", team="victim", isolation="hard"), share(team="vision", isolation="shared")]
    claim = {
        "metadata": {"name": "c", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
        "spec": {"devices": {}},
        "status": {"allocation": {"devices": {"config": config}, "allocationTimestamp": "2026-11-25T00:00:01Z"}},
    }
    allocation = CLAIMS.thing(msgspec.json.encode(claim)).allocation
    assert (allocation.team, allocation.isolation) == ("vision", "shared")
    assert allocation.since == 1795564801


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (None, {}, ()),
        ("Job/train", {}, ("Job/train",)),
        ("ReplicaSet/web-5d4f", {"pod-template-hash": "5d4f"}, ("ReplicaSet/web-5d4f", "Deployment/web")),
        ("Job/s-0", {"jobset.sigs.k8s.io/jobset-name": "s"}, ("Job/s-0", "JobSet/s")),
        (
            "RayCluster/r-raycluster-x",
            {"ray.io/originated-from-cr-name": "r", "ray.io/originated-from-crd": "RayJob"},
            ("RayCluster/r-raycluster-x", "RayJob/r"),
        ),
        ("Workflow/w", {"workflows.argoproj.io/workflow": "w"}, ("Workflow/w",)),
        (
            "ReplicaSet/m-1",
            {"pod-template-hash": "1", "serving.kserve.io/inferenceservice": "llama"},
            ("ReplicaSet/m-1", "Deployment/m", "InferenceService/llama"),
        ),
    ],
)
def test_a_pods_owners_are_what_it_says_of_them_up_to_the_root(owner, labels, expected):
    references = [{"kind": "Node", "name": "n"}]
    if owner:
        kind, name = owner.split("/")
        references.append({"kind": kind, "name": name, "controller": True})
    meta = {
        "name": "p",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "5",
        "labels": labels,
        "ownerReferences": references,
    }
    seen = {"metadata": meta, "spec": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "c"}]}}
    assert PODS.thing(msgspec.json.encode(seen)).owners == expected


SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}


@pytest.mark.parametrize(
    ("annotations", "status", "more", "url"),
    [
        (SCRAPED, {}, {}, "http://10.0.0.7:8000/metrics"),
        (SCRAPED | {"prometheus.io/path": "/m/x"}, {"podIP": "fd00::7"}, {}, "http://[fd00::7]:8000/m/x"),
        (SCRAPED | {"prometheus.io/scrape": "yes"}, {}, {}, ""),
        ({"prometheus.io/scrape": "true"}, {}, {}, ""),
        (SCRAPED | {"prometheus.io/port": "80@elsewhere"}, {}, {}, ""),
        (SCRAPED | {"prometheus.io/path": "/x?y"}, {}, {}, ""),
        (SCRAPED, {"phase": "Pending"}, {}, ""),
        (SCRAPED, {"podIP": ""}, {}, ""),
        (SCRAPED, {}, {"hostNetwork": True}, ""),
    ],
)
def test_a_page_of_metrics_is_where_the_pod_says_at_its_own_address(annotations, status, more, url):
    meta = {"name": "p", "namespace": "a", "resourceVersion": "1", "annotations": annotations}
    seen = {
        "metadata": meta,
        "spec": {"containers": [], **more},
        "status": {"phase": "Running", "podIP": "10.0.0.7", **status},
    }
    assert PODS.thing(msgspec.json.encode(seen)).metrics == url


def test_labels_that_controllers_write_are_no_labels_of_people():
    labels = {"app": "x", "app.kubernetes.io/name": "y", "pod-template-hash": "h", "batch.kubernetes.io/job-name": "j"}
    meta = {"name": "p", "namespace": "a", "resourceVersion": "1", "labels": labels}
    claims = [{"name": "c", "resourceClaimTemplateName": "t"}]
    seen = {"metadata": meta, "spec": {"containers": [], "resourceClaims": claims}}
    assert PODS.thing(msgspec.json.encode(seen)).labels == (("app", "x"), ("app.kubernetes.io/name", "y"))


def test_a_job_names_what_made_it():
    owner = {"kind": "CronJob", "name": "report", "uid": "u", "controller": True}
    meta = {"name": "report-1", "namespace": "a", "resourceVersion": "1", "ownerReferences": [owner]}
    assert JOBS.thing(msgspec.json.encode({"metadata": meta})).owner == "CronJob/report"
