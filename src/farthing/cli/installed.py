"""Whether Farthing is in a cluster entirely: every object that `farthing install` puts there, by name."""

import asyncio
from collections import defaultdict
from typing import Final

from farthing.api.manifests import manifests
from farthing.kube.connection import Connection
from farthing.model.errors import NotFoundError

_LISTED: Final = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "DeviceClass": "/apis/resource.k8s.io/v1/deviceclasses",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
"""The kinds that are looked for: what Farthing does not work without."""


async def missing(connection: Connection) -> tuple[str, ...]:
    """What should be there and is not, as "Kind name", in the order in which it is installed."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for found in manifests():
        if found["kind"] in _LISTED:
            wanted[found["kind"]].append(found["metadata"]["name"])
    there = await asyncio.gather(*(_names(connection, _LISTED[kind]) for kind in wanted))
    return tuple(
        f"{kind} {name}"
        for (kind, names), present in zip(wanted.items(), there, strict=True)
        for name in names
        if name not in present
    )


async def _names(connection: Connection, path: str) -> set[str]:
    """The names of one kind; none where the API server does not serve it."""
    try:
        items, _ = await connection.list_all(path)
    except NotFoundError:
        return set()
    return {item["metadata"]["name"] for item in items}
