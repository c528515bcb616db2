"""The parts of Kubernetes' objects that we read, as they come over the wire.

msgspec decodes straight into these and skips everything else, so a pod of ten kilobytes costs us some hundred bytes.
Nothing here has an opinion; `convert` turns it into the nouns of `model`.
"""

from typing import Any

import msgspec


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """Field names are Kubernetes' own in lower_case; null and absent both mean the default."""


class OwnerReference(_Wire):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(_Wire):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None


# Nodes and what pods say of them ----------------------------------------------------------------------------------


class Taint(_Wire):
    key: str = ""
    value: str = ""
    effect: str = ""


class Toleration(_Wire):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class NodeSpec(_Wire):
    unschedulable: bool = False
    taints: list[Taint] | None = None


class NodeStatus(_Wire):
    allocatable: dict[str, str] | None = None


class Node(_Wire):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Expression(_Wire):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class SelectorTerm(_Wire):
    match_expressions: list[Expression] | None = None
    match_fields: list[Expression] | None = None


class NodeSelector(_Wire):
    node_selector_terms: list[SelectorTerm] | None = None


class NodeAffinity(_Wire):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class Affinity(_Wire):
    node_affinity: NodeAffinity | None = None


# Pods -------------------------------------------------------------------------------------------------------------


class Resources(_Wire):
    requests: dict[str, str] | None = None


class Port(_Wire):
    host_port: int = 0
    host_ip: str = msgspec.field(default="", name="hostIP")
    protocol: str = "TCP"


class Container(_Wire):
    resources: Resources = msgspec.field(default_factory=Resources)
    ports: list[Port] | None = None
    restart_policy: str | None = None


class Named(_Wire):
    name: str = ""


class PodResourceClaim(_Wire):
    name: str = ""
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodSpec(_Wire):
    node_name: str = ""
    host_network: bool = False
    scheduling_gates: list[Named] | None = None
    resource_claims: list[PodResourceClaim] | None = None
    containers: list[Container] = []
    init_containers: list[Container] | None = None
    resources: Resources | None = None
    overhead: dict[str, str] | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[Toleration] | None = None
    priority: int | None = None
    termination_grace_period_seconds: int | None = None


class Condition(_Wire):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ClaimStatus(_Wire):
    name: str = ""
    resource_claim_name: str | None = None


class Terminated(_Wire):
    finished_at: str | None = None


class ContainerState(_Wire):
    terminated: Terminated | None = None


class ContainerStatus(_Wire):
    state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodStatus(_Wire):
    phase: str = ""
    start_time: str | None = None
    pod_ip: str = msgspec.field(name="podIP", default="")
    container_statuses: list[ContainerStatus] | None = None
    nominated_node_name: str = ""
    conditions: list[Condition] | None = None
    resource_claim_statuses: list[ClaimStatus] | None = None


class Pod(_Wire):
    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


# Device requests --------------------------------------------------------------------------------------------------


class Cel(_Wire):
    expression: str = ""


class Selector(_Wire):
    cel: Cel | None = None


class CapacityRequests(_Wire):
    requests: dict[str, str] | None = None


class Exactly(_Wire):
    device_class_name: str = ""
    selectors: list[Selector] | None = None
    allocation_mode: str = "ExactCount"
    count: int = 1
    admin_access: bool | None = None
    tolerations: list[Toleration] | None = None
    capacity: CapacityRequests | None = None


class Request(_Wire):
    name: str = ""
    exactly: Exactly | None = None
    first_available: list[Exactly] | None = None


class Opaque(_Wire):
    driver: str = ""
    parameters: Any = None


class Config(_Wire):
    opaque: Opaque | None = None


class ClaimDevices(_Wire):
    requests: list[Request] | None = None
    constraints: list[Any] | None = None
    config: list[msgspec.Raw] | None = None


class ClaimSpec(_Wire):
    devices: ClaimDevices = msgspec.field(default_factory=ClaimDevices)


class Result(_Wire):
    request: str = ""
    driver: str = ""
    pool: str = ""
    device: str = ""
    share_id: str | None = msgspec.field(default=None, name="shareID")
    consumed_capacity: dict[str, str] | None = None
    tolerations: list[Toleration] | None = None


class AllocatedDevices(_Wire):
    results: list[Result] | None = None
    config: list[Config] | None = None


class Allocation(_Wire):
    devices: AllocatedDevices = msgspec.field(default_factory=AllocatedDevices)
    node_selector: NodeSelector | None = None
    allocation_timestamp: str | None = None


class User(_Wire):
    resource: str = ""
    name: str = ""
    uid: str = ""


class ResourceClaimStatus(_Wire):
    allocation: Allocation | None = None
    reserved_for: list[User] | None = None


class Claim(_Wire):
    metadata: Meta
    spec: ClaimSpec = msgspec.field(default_factory=ClaimSpec)
    status: ResourceClaimStatus = msgspec.field(default_factory=ResourceClaimStatus)


# Slices -----------------------------------------------------------------------------------------------------------


class ValidRange(_Wire):
    min: str | None = None
    max: str | None = None
    step: str | None = None


class RequestPolicy(_Wire):
    default: str | None = None
    valid_values: list[str] | None = None
    valid_range: ValidRange | None = None


class Capacity(_Wire):
    value: str = "0"
    request_policy: RequestPolicy | None = None


class Counter(_Wire):
    value: str = "0"


class Consumption(_Wire):
    counter_set: str = ""
    counters: dict[str, Counter] | None = None


class CounterSet(_Wire):
    name: str = ""
    counters: dict[str, Counter] | None = None


class Attribute(_Wire):
    string: str | None = None
    integer: int | None = msgspec.field(default=None, name="int")
    boolean: bool | None = msgspec.field(default=None, name="bool")
    version: str | None = None


class Device(_Wire):
    name: str = ""
    attributes: dict[str, Attribute] | None = None
    capacity: dict[str, Capacity] | None = None
    consumes_counters: list[Consumption] | None = None
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    all_nodes: bool | None = None
    taints: list[Taint] | None = None
    allow_multiple_allocations: bool | None = None
    binds_to_node: bool | None = None
    binding_conditions: list[str] | None = None


class Pool(_Wire):
    name: str = ""
    generation: int = 0
    resource_slice_count: int = 0


class SliceSpec(_Wire):
    driver: str = ""
    pool: Pool = msgspec.field(default_factory=Pool)
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    all_nodes: bool | None = None
    per_device_node_selection: bool | None = None
    devices: list[Device] | None = None
    shared_counters: list[CounterSet] | None = None


class Slice(_Wire):
    metadata: Meta
    spec: SliceSpec = msgspec.field(default_factory=SliceSpec)


# The rest ---------------------------------------------------------------------------------------------------------


class DeviceClassSpec(_Wire):
    selectors: list[Selector] | None = None
    config: list[msgspec.Raw] | None = None


class DeviceClass(_Wire):
    metadata: Meta
    spec: DeviceClassSpec = msgspec.field(default_factory=DeviceClassSpec)


class DeviceTaintSelector(_Wire):
    driver: str | None = None
    pool: str | None = None
    device: str | None = None


class DeviceTaintRuleSpec(_Wire):
    device_selector: DeviceTaintSelector | None = None
    taint: Taint = msgspec.field(default_factory=Taint)


class DeviceTaintRule(_Wire):
    metadata: Meta
    spec: DeviceTaintRuleSpec = msgspec.field(default_factory=DeviceTaintRuleSpec)


class DriverProfileSpec(_Wire):
    driver: str = ""
    vendor: str = ""
    memory: str = ""
    compute: str = ""
    model_attribute: str = ""
    profile_attribute: str = ""
    isolation: list[str] | None = None


class DriverProfile(_Wire):
    metadata: Meta
    spec: DriverProfileSpec = msgspec.field(default_factory=DriverProfileSpec)


class Namespace(_Wire):
    metadata: Meta


class Template(_Wire):
    metadata: Meta


class Written(_Wire):
    """An object whose `spec` is read elsewhere."""

    metadata: Meta
    spec: msgspec.Raw = msgspec.Raw(b"{}")


class Job(_Wire):
    metadata: Meta
