"""What the spoke watches: for each kind its path, how it is decoded, and which noun of `model` it becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from farthing.kube import convert, wire
from farthing.kube.convert_slice import resource_slice
from farthing.model import cluster as model
from farthing.model.cluster import Key
from farthing.model.thing import Thing
from farthing.model.written import BudgetObject, PriceBookObject

_RESOURCE: Final = "/apis/resource.k8s.io/v1"


@dataclass(frozen=True)
class Resource:
    """One watched kind. `path` lists it over all namespaces; an `optional` kind need not be known to the server."""

    kind: type[Thing]
    path: str
    _decode: Callable[[bytes | msgspec.Raw], Any]
    _convert: Callable[[Any], Thing]
    optional: bool = False

    def thing(self, raw: bytes | msgspec.Raw) -> Thing:
        """The noun behind one object's JSON; msgspec.ValidationError or ValueError where there is none."""
        return self._convert(self._decode(raw))


def _resource(
    kind: type[Thing], path: str, shape: type[Any], to_model: Callable[[Any], Thing], *, optional: bool = False
) -> Resource:
    return Resource(kind, path, msgspec.json.Decoder(shape).decode, to_model, optional)


PODS: Final = _resource(model.Pod, "/api/v1/pods", wire.Pod, convert.pod)
CLAIMS: Final = _resource(model.Claim, f"{_RESOURCE}/resourceclaims", wire.Claim, convert.claim)
SLICES: Final = _resource(model.Slice, f"{_RESOURCE}/resourceslices", wire.Slice, resource_slice)
NODES: Final = _resource(model.Node, "/api/v1/nodes", wire.Node, convert.node)
NAMESPACES: Final = _resource(model.Namespace, "/api/v1/namespaces", wire.Namespace, convert.namespace)
TEMPLATES: Final = _resource(model.Template, f"{_RESOURCE}/resourceclaimtemplates", wire.Template, convert.template)
CLASSES: Final = _resource(model.DeviceClass, f"{_RESOURCE}/deviceclasses", wire.DeviceClass, convert.device_class)
TAINT_RULES: Final = _resource(
    model.TaintRule, f"{_RESOURCE}/devicetaintrules", wire.DeviceTaintRule, convert.taint_rule, optional=True
)
PROFILES: Final = _resource(
    model.DriverProfile, "/apis/farthing.dev/v1/driverprofiles", wire.DriverProfile, convert.driver_profile
)
BUDGETS: Final = _resource(
    BudgetObject, "/apis/farthing.dev/v1alpha1/budgets", wire.Written, convert.budget, optional=True
)
PRICE_BOOKS: Final = _resource(
    PriceBookObject, "/apis/farthing.dev/v1alpha1/pricebooks", wire.Written, convert.price_book, optional=True
)

WRITTEN: Final = (BUDGETS, PRICE_BOOKS)
"""What people write for the ledger; decisions do not look at it."""

WATCHED: Final = (PROFILES, CLASSES, TAINT_RULES, NAMESPACES, NODES, SLICES, TEMPLATES, CLAIMS, PODS, *WRITTEN)
"""Everything that a decision looks at, in an order in which the first listing makes sense."""


JOBS: Final = _resource(model.Job, "/apis/batch/v1/jobs", wire.Job, convert.job)

METERED: Final = (JOBS,)
"""What only a meter looks at."""


def pod_path(key: Key, subresource: str = "") -> str:
    return f"/api/v1/namespaces/{key.namespace}/pods/{key.name}{subresource}"


def claim_path(key: Key, subresource: str = "") -> str:
    return f"{_RESOURCE}/namespaces/{key.namespace}/resourceclaims/{key.name}{subresource}"


def templates_path(namespace: str) -> str:
    return f"{_RESOURCE}/namespaces/{namespace}/resourceclaimtemplates"


def slice_path(name: str) -> str:
    return f"{SLICES.path}/{name}"


def eviction(pod: model.Pod) -> dict[str, Any]:
    """What asks the API server to evict exactly this pod."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.key.name, "namespace": pod.key.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
