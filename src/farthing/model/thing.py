"""Every kind of thing that Farthing watches."""

from farthing.model.cluster import (
    Claim,
    DeviceClass,
    DriverProfile,
    Job,
    Namespace,
    Node,
    Pod,
    Slice,
    TaintRule,
    Template,
)
from farthing.model.team import Team
from farthing.model.written import BudgetObject, PriceBookObject

Thing = (
    Node
    | Slice
    | TaintRule
    | DriverProfile
    | DeviceClass
    | Claim
    | Pod
    | Namespace
    | Template
    | Team
    | Job
    | BudgetObject
    | PriceBookObject
)
