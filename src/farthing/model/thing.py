"""Every kind of thing that Farthing watches."""

from farthing.model.cluster import Claim, DeviceClass, DriverProfile, Namespace, Node, Pod, Slice, TaintRule, Template
from farthing.model.team import Team

Thing = Node | Slice | TaintRule | DriverProfile | DeviceClass | Claim | Pod | Namespace | Template | Team
