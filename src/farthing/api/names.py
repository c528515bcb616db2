"""Names that stand in manifests and that the spoke and the CLI must spell the same."""

from typing import Final

from farthing.model.cluster import DEVICE_CLASS, GATE, OWN_DRIVER

__all__ = [
    "CLAIM",
    "CONTROLLER",
    "DEVICE_CLASS",
    "DIVIDER",
    "FIELD_MANAGER",
    "GATE",
    "GOVERNOR",
    "MANAGED",
    "NAMESPACE",
    "NODE",
    "NODE_USER",
    "OWN_DRIVER",
    "REPACKER",
    "SPOKE",
    "SPOKE_USER",
]

NAMESPACE: Final = "farthing-system"
"""Where Farthing lives."""

SPOKE: Final = "farthing-spoke"
"""The spoke's ServiceAccount, and the roles bound to it."""

SPOKE_USER: Final = f"system:serviceaccount:{NAMESPACE}:{SPOKE}"
"""Who the spoke is to the API server: the only one who allocates, opens gates and makes our templates."""

REPACKER: Final = "farthing-repacker"
"""The ClusterRole of those who may have devices freed and kept for a waiting pod (`farthing repack --yes`)."""

GOVERNOR: Final = "farthing-governor"
"""The ClusterRole of those who write all Teams and say whose a namespace is."""

DIVIDER: Final = "farthing-team-divider"
"""The ClusterRole of team admins; on which team, a second role says."""

CONTROLLER: Final = "farthing-team-controller"
"""The ClusterRole of controllers that make pods of what people write."""

NODE: Final = "farthing-node"
"""The node drivers' ServiceAccount, and the roles bound to it."""

NODE_USER: Final = f"system:serviceaccount:{NAMESPACE}:{NODE}"
"""Who a node driver is to the API server; which node it is on, its token says besides."""

MANAGED: Final = "farthing.dev/managed"
"""The label of namespaces whose unchanged manifests (`nvidia.com/gpu: 2`, claims of their own) Farthing plans."""

CLAIM: Final = "farthing"
"""The name, inside a pod, of the claim that the annotation asks for."""

FIELD_MANAGER: Final = "farthing"
"""Who owns the fields of what `farthing install` applies."""
