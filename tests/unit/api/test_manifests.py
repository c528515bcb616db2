"""What is printed: complete, in order, and with nothing left to fill in."""

import re

import pytest

from farthing.api import templating
from farthing.api.manifests import DRIVERS, manifests, printed
from farthing.api.templating import rendered
from farthing.model import ask


def names(kind):
    return [found["metadata"]["name"] for found in manifests() if found["kind"] == kind]


def test_every_policy_has_a_binding_and_comes_before_it():
    order = [(found["kind"], found["metadata"]["name"]) for found in manifests()]
    for kind in ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
        assert names(kind)
        assert names(kind) == names(f"{kind}Binding")
        for name in names(kind):
            assert order.index((kind, name)) < order.index((f"{kind}Binding", name))


def test_types_come_first_and_refusals_before_changes():
    kinds = [found["kind"] for found in manifests()]
    assert kinds[0] == "CustomResourceDefinition"
    assert kinds.index("DriverProfile") < kinds.index("ValidatingAdmissionPolicy")
    last_refusal = max(i for i, kind in enumerate(kinds) if kind.startswith("Validating"))
    assert last_refusal < kinds.index("MutatingAdmissionPolicy")


def test_file_names_are_in_the_order_of_applying():
    assert list(printed()) == sorted(printed())


def test_nothing_is_left_to_fill_in():
    for name, text in printed().items():
        assert not re.search(r"\$[A-Z{]", text), name


def test_every_policy_fails_closed():
    for found in manifests():
        if found["kind"].endswith("AdmissionPolicy"):
            assert found["spec"]["failurePolicy"] == "Fail", found["metadata"]["name"]


def test_drivers_named_are_in_the_class_and_have_profiles():
    found = manifests(["gpu.example.com", "gpu.nvidia.com"])
    profiles = {item["metadata"]["name"]: item["spec"] for item in found if item["kind"] == "DriverProfile"}
    assert profiles == {
        "gpu.example.com": {"driver": "gpu.example.com", "vendor": "", "isolation": ["shared"]},
        "gpu.nvidia.com": {
            "driver": "gpu.nvidia.com",
            "vendor": "nvidia",
            "memory": "memory",
            "modelAttribute": "productName",
            "profileAttribute": "profile",
            "isolation": ["shared"],
        },
    }
    (device_class,) = [item for item in found if item["kind"] == "DeviceClass"]
    expression = device_class["spec"]["selectors"][0]["cel"]["expression"]
    assert expression == "device.driver in ['gpu.example.com', 'gpu.nvidia.com']"
    assert DRIVERS == ("gpu.farthing.dev",)


def test_the_words_of_the_grammar_are_those_of_the_parser():
    text = rendered("13-wrong-asks")
    for pattern in (ask.AMOUNT_PATTERN, ask.MODELS_PATTERN, ask.DURATION_PATTERN, ask.PRIORITY_PATTERN):
        assert f"r'{pattern}'" in text


def test_a_word_that_would_break_out_of_its_quotes_is_refused(monkeypatch):
    monkeypatch.setattr(ask, "AMOUNT_REFUSED", "isn't an amount")
    with pytest.raises(ValueError, match="AMOUNT_REFUSED holds a quote"):
        templating.rendered("13-wrong-asks")


def test_an_unknown_name_in_a_template_stops_the_printer():
    with pytest.raises(KeyError, match="RESOURCE"):
        rendered("22-vendor-claims")


ALLOWED = {
    ("", "pods"): {"get", "list", "watch", "patch"},
    ("", "pods/status"): {"patch"},
    ("", "pods/eviction"): {"create"},
    ("jobset.x-k8s.io", "jobsets"): {"get", "list", "watch"},
    ("leaderworkerset.x-k8s.io", "leaderworkersets"): {"get", "list", "watch"},
    ("ray.io", "rayclusters"): {"get", "list", "watch"},
    ("kubeflow.org", "pytorchjobs"): {"get", "list", "watch"},
    ("kubeflow.org", "tfjobs"): {"get", "list", "watch"},
    ("kubeflow.org", "jaxjobs"): {"get", "list", "watch"},
    ("kubeflow.org", "mpijobs"): {"get", "list", "watch"},
    ("", "nodes"): {"get", "list", "watch"},
    ("", "namespaces"): {"get", "list", "watch"},
    ("resource.k8s.io", "resourceclaims"): {"get", "list", "watch"},
    ("resource.k8s.io", "resourceclaims/status"): {"update"},
    ("resource.k8s.io", "resourceclaims/binding"): {"update"},
    ("resource.k8s.io", "resourceclaimtemplates"): {"get", "list", "watch", "create"},
    ("resource.k8s.io", "resourceslices"): {"get", "list", "watch", "delete"},
    ("resource.k8s.io", "deviceclasses"): {"get", "list", "watch"},
    ("resource.k8s.io", "devicetaintrules"): {"get", "list", "watch"},
    ("farthing.dev", "driverprofiles"): {"get", "list", "watch"},
    ("farthing.dev", "teams"): {"get", "list", "watch"},
    ("farthing.dev", "teams/status"): {"patch"},
    ("farthing.dev", "teamtrees"): {"create", "patch"},
    ("farthing.dev", "tenancies"): {"list", "create", "patch", "delete"},
    ("farthing.dev", "budgets"): {"get", "list", "watch"},
    ("farthing.dev", "budgets/status"): {"patch"},
    ("farthing.dev", "pricebooks"): {"get", "list", "watch"},
    ("batch", "jobs"): {"get", "list", "watch"},
    ("events.k8s.io", "events"): {"create"},
}


def test_the_spoke_may_do_this_and_nothing_else():
    (role,) = [f for f in manifests() if f["kind"] == "ClusterRole" and f["metadata"]["name"] == "farthing-spoke"]
    found = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert found == ALLOWED
    (own,) = [f for f in manifests() if f["kind"] == "Role"]
    assert own["metadata"]["namespace"] == "farthing-system"
    assert own["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
