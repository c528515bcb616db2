"""Everything that `farthing install` puts into a cluster, in the order in which it is applied.

The order matters: types before objects of them, rights before who needs them, and every rule before what would slip
by it. `farthing uninstall` goes the other way, policies first.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import yaml

from farthing.api.crd import custom_resource_definition
from farthing.api.kinds import KINDS
from farthing.api.names import OWN_DRIVER
from farthing.api.profiles import profile_object, profile_of
from farthing.api.templating import cel_list, objects, rendered
from farthing.model.ask import VENDORS

DRIVERS: Final = (OWN_DRIVER,)
"""The drivers that are managed where nobody says otherwise. Others, like gpu.nvidia.com, are taken over only when they
are named: pods that kube-scheduler gives their devices to today would wait for Farthing from then on."""

_REFUSING: Final = (
    "10-single-writer",
    "11-template-names",
    "12-asks-stay",
    "13-wrong-asks",
    "14-team-names",
    "15-vendor-limits",
    "16-keeps",
    "17-node-slices",
    "18-claim-configs",
    "18-team-namespaces",
    "18-team-tree",
    "18-team-tree-writer",
    "18-team-use",
    "18-teams",
)
_CHANGING: Final = ("20-claim-protection", "21-pods-that-ask", "23-own-claims")


def printed(drivers: Sequence[str] = DRIVERS) -> dict[str, str]:
    """The manifests as YAML texts with their comments, by file name, in the order in which they are applied."""
    texts = {"00-crds.yaml": _dump(custom_resource_definition(kind) for kind in KINDS)}
    texts["01-namespace.yaml"] = rendered("01-namespace")
    texts["02-driver-profiles.yaml"] = _dump(profile_object(profile_of(driver)) for driver in drivers)
    texts["02-team-tree.yaml"] = rendered("02-team-tree")
    texts["03-device-class.yaml"] = rendered("03-device-class", {"DRIVERS": cel_list(drivers)})
    texts["04-spoke-role.yaml"] = rendered("04-spoke-role")
    texts["05-repack-role.yaml"] = rendered("05-repack-role")
    texts["06-node-role.yaml"] = rendered("06-node-role")
    texts["07-team-roles.yaml"] = rendered("07-team-roles")
    texts |= {f"{name}.yaml": rendered(name) for name in (*_REFUSING, *_CHANGING)}
    for vendor, resource in VENDORS.items():
        words = {"VENDOR": vendor, "RESOURCE": resource}
        texts[f"22-{vendor}-claims.yaml"] = rendered("22-vendor-claims", words)
    return dict(sorted(texts.items()))


def manifests(drivers: Sequence[str] = DRIVERS) -> list[dict[str, Any]]:
    """The manifests as objects, in the order in which they are applied."""
    return [found for text in printed(drivers).values() for found in objects(text)]


def node_driver(image: str = "REGISTRY/farthing:VERSION") -> str:
    """The DaemonSet of the node driver as YAML, for those who have an image of it."""
    return rendered("node-driver", {"IMAGE": image})


def mps_host(image: str = "REGISTRY/farthing:VERSION") -> str:
    """The DaemonSet of the MPS host as YAML, for those who have an image of it."""
    return rendered("mps-host", {"IMAGE": image})


def spoke(image: str = "REGISTRY/farthing:VERSION") -> str:
    """The Deployment of the spoke as YAML, for those who have an image of it."""
    return rendered("spoke", {"IMAGE": image})


def _dump(found: Iterable[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(found, sort_keys=False, width=120, allow_unicode=True)
