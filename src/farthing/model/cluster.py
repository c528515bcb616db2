"""What we see of one cluster: nodes, devices, pods and claims, cut down to what decisions need.

Each value is frozen and carries the `version` (Kubernetes' resourceVersion) it was read at, so that an effect decided
on it can say so. Equality ignores the version: two sightings that differ in nothing else are the same news.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from farthing.model.ask import Ask, Isolation, Qos
from farthing.model.gang import Member, Topology
from farthing.model.reason import Reason, Why

GATE: Final = "farthing.dev/queued"
"""The scheduling gate of a pod that waits for us."""

DEVICE_CLASS: Final = "gpu.farthing.dev"
"""The device class of our asks. Classes whose names end in `.gpu.farthing.dev` are ours as well."""

OWN_DRIVER: Final = "gpu.farthing.dev"


def is_our_class(name: str) -> bool:
    """True for the device classes that Farthing plans."""
    return name == DEVICE_CLASS or name.endswith(f".{DEVICE_CLASS}")


class Key(NamedTuple):
    """The name of an object inside its cluster; `namespace` is empty for what belongs to no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class DeviceId(NamedTuple):
    """The name of a device inside its cluster."""

    driver: str
    pool: str
    name: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.name}"


# Nodes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taint:
    """A reason to stay away. `effect` is NoSchedule, PreferNoSchedule, NoExecute, or None (devices)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Toleration:
    """What a pod, or a device request, does not mind. An empty `key` or `effect` stands for every one."""

    key: str
    operator: str
    value: str
    effect: str
    seconds: int | None = None

    def covers(self, taint: Taint) -> bool:
        """Kubernetes' own rule for taints and tolerations."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or self.value == taint.value


class Match(NamedTuple):
    """One line of a node selector: In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...]


class Term(NamedTuple):
    """Lines that must all hold; `fields` speak of `metadata.name`."""

    labels: tuple[Match, ...]
    fields: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a pod says about the nodes it may run on. Equal constraints are one object, since thousands share them.

    `affinity` is the *required* node affinity: any one term must hold; None where the pod has none.
    `ports` are host ports as (protocol, host address, number).
    """

    selector: tuple[tuple[str, str], ...] = ()
    affinity: tuple[Term, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()
    ports: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A node's room and rules: `cpu` in thousandths of a core, `memory` in bytes, and what `others` it offers."""

    name: str
    version: int = field(compare=False)
    uid: str
    cpu: int
    memory: int
    pods: int
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> Key:
        return Key("", self.name)


# Devices ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Version:
    """A device attribute of the type `version`."""

    text: str


Attribute = str | int | bool | Version


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much of one thing a device has and in which portions it may be taken (`requestPolicy`).

    `value` is rounded down, in the unit of the thing (bytes, milli-GPU). Where `portioned` is False a request takes
    it all. A request is rounded up to the next of `valid`, or to `least` plus a multiple of `step`, at most `most`.
    """

    value: int
    portioned: bool = False
    default: int = 0
    valid: tuple[int, ...] = ()
    least: int = 0
    most: int | None = None
    step: int | None = None

    def portion(self, wanted: int | None) -> int | None:
        """What a request for `wanted` (None: nothing said) takes; None where it can never be granted."""
        if not self.portioned:
            return self.value if wanted is None or wanted <= self.value else None
        if wanted is None:
            return self.default
        if self.valid:
            return next((v for v in self.valid if v >= wanted), None)
        taken = max(wanted, self.least)
        if self.step:
            taken = self.least + -(-(taken - self.least) // self.step) * self.step
        return taken if taken <= (self.value if self.most is None else self.most) else None


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a slice. `multi` is allowMultipleAllocations; `consumes` are (counter set, counter, amount)."""

    name: str
    multi: bool
    attributes: tuple[tuple[str, Attribute], ...] = ()
    capacity: tuple[tuple[str, Capacity], ...] = ()
    taints: tuple[Taint, ...] = ()
    consumes: tuple[tuple[str, str, int], ...] = ()
    node: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A ResourceSlice. `node` is empty where its devices belong to no single node (or each names its own).

    `count` says how many slices the pool has at this `generation`; `faults` are sentences about what was unusable.
    """

    name: str
    version: int = field(compare=False)
    driver: str
    pool: str
    generation: int
    count: int
    node: str
    devices: tuple[Device, ...] = ()
    counters: tuple[tuple[str, str, int], ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return Key("", self.name)


@dataclass(frozen=True, slots=True)
class DriverProfile:
    """How to read one driver's devices: which capacity is memory, which compute, which attribute the model.

    Empty names mean that the driver says nothing of the kind. `levels` are assumed where a device does not say.
    """

    name: str
    version: int = field(compare=False)
    driver: str
    vendor: str = ""
    memory: str = ""
    compute: str = ""
    model: str = ""
    profile: str = ""
    levels: tuple[Isolation, ...] = ()

    @property
    def key(self) -> Key:
        return Key("", self.name)


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A device class: CEL expressions that every device of it satisfies, and configuration for drivers as JSON."""

    name: str
    version: int = field(compare=False)
    selectors: tuple[str, ...] = ()
    config: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return Key("", self.name)


@dataclass(frozen=True, slots=True)
class TaintRule:
    """A DeviceTaintRule: a taint that an administrator or controller puts on devices. Empty names match all."""

    name: str
    version: int = field(compare=False)
    taint: Taint
    driver: str = ""
    pool: str = ""
    device: str = ""

    @property
    def key(self) -> Key:
        return Key("", self.name)

    def covers(self, device: DeviceId) -> bool:
        """Whether the rule speaks of this device."""
        wanted = (self.driver, self.pool, self.device)
        return all(not name or name == found for name, found in zip(wanted, device, strict=True))


# Claims -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a claim: `count` devices of a class, each with so much capacity, passing the CEL `selectors`."""

    name: str
    device_class: str
    count: int = 1
    capacity: tuple[tuple[str, int], ...] = ()
    selectors: tuple[str, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One device, or share of one, that a claim holds. `consumed` is by capacity name, in whole units."""

    request: str
    device: DeviceId
    share_id: str
    consumed: tuple[tuple[str, int], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a claim holds. `isolation` and `team` are as declared when it was given; empty where another wrote it.

    `config` is what is written beside it for the drivers, each entry as JSON; it is not read back. `since` is when it
    was given, in seconds since 1970, as written on it; 0 where nothing is.
    """

    results: tuple[Result, ...]
    node: str = ""
    isolation: str = ""
    team: str = ""
    config: tuple[str, ...] = field(default=(), compare=False)
    since: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A ResourceClaim that asks for our devices, or holds one of a driver that we manage.

    `ask` is what a claim made from our template carries; a claim of the user's own has None and means its requests.
    `unsupported` is a sentence naming what we cannot plan. `users` are the pods (name, uid) it is reserved for.
    `config` is configuration for drivers, each entry as JSON, to be handed on with the allocation.
    `protected`: it carries the finalizer that makes Kubernetes give the allocation back.
    """

    key: Key
    uid: str
    version: int = field(compare=False)
    created: float
    owner: str = ""
    requests: tuple[Request, ...] = ()
    ask: Ask | None = None
    config: tuple[str, ...] = ()
    unsupported: str = ""
    allocation: Allocation | None = None
    users: tuple[tuple[str, str], ...] = ()
    deleting: bool = False
    protected: bool = True

    @property
    def ours(self) -> bool:
        """True where Farthing is to allocate it."""
        return any(is_our_class(r.device_class) for r in self.requests)


# Pods -------------------------------------------------------------------------------------------------------------


class Owner(NamedTuple):
    """The controller that made a pod, and makes another when the pod is gone."""

    kind: str
    name: str
    uid: str


class PodClaim(NamedTuple):
    """One entry of a pod's resourceClaims. `claim` is empty until Kubernetes made it from the `template`."""

    entry: str
    claim: str
    template: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `cpu` is in thousandths of a core, `memory` in bytes; `created` in seconds since 1970.

    `gated`: our gate is on it; `blocked`: somebody else's is. `refusal` is kube-scheduler's sentence where it found
    no node; `verdict` is what we last wrote on it, with `placed` True where that was good news.
    `duration` is how many seconds it says that it runs; `movable`: it says that it may be restarted elsewhere.
    `started` and `ended` are instants, None before; `grace` is how many seconds it gets to end. `kept` is what its
    annotation says is kept for it, as text (see `keep`). `owners` are Kind/name of what made it, the nearest first, as
    far as it says; only pods with claims have them. `succeeded`: it is over, and did what it was to do.
    `qos` is how safe it is from others. `notice` is how many seconds before it has to go it wants to be told, and
    `leave_by` the instant that it was told.
    far as it says, and `labels` what people wrote on it; only pods with claims have them.
    `metrics` is the URL of the page of metrics that it says it serves, at an address of its own; empty without one.
    """

    key: Key
    uid: str
    version: int = field(compare=False)
    created: float
    constraints: Constraints
    cpu: int = 0
    memory: int = 0
    others: tuple[tuple[str, int], ...] = ()
    priority: int = 0
    team: str = ""
    node: str = ""
    nominated: str = ""
    gated: bool = False
    blocked: bool = False
    over: bool = False
    deleting: bool = False
    claims: tuple[PodClaim, ...] = ()
    refusal: str = ""
    verdict: Reason | None = None
    placed: bool = False
    fault: str = ""
    duration: int | None = None
    owner: Owner | None = None
    movable: bool = False
    grace: int = 30
    started: float | None = None
    ended: float | None = None
    kept: str = ""
    owners: tuple[str, ...] = ()
    succeeded: bool = False
    gang: Member | None = None
    topology: Topology | None = None
    qos: Qos = "burstable"
    notice: int = 0
    leave_by: float | None = None
    labels: tuple[tuple[str, str], ...] = ()
    metrics: str = ""

    @property
    def leaves(self) -> bool:
        """Whether it was told to go for another, or is going anyhow."""
        told = self.verdict is not None and self.verdict.why is Why.PREEMPTED
        return (told or self.deleting) and not self.over

    @property
    def role(self) -> str:
        """Its part in its gang; empty where it has none."""
        return self.gang.role if self.gang is not None else ""

    @property
    def waits(self) -> bool:
        """True while it has no node and may still get one."""
        return not (self.node or self.over or self.deleting)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace; `team` is its label, empty where it has none."""

    name: str
    version: int = field(compare=False)
    team: str = ""

    @property
    def key(self) -> Key:
        return Key("", self.name)


@dataclass(frozen=True, slots=True)
class Template:
    """A ResourceClaimTemplate: only that it is there matters."""

    key: Key
    version: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A Job: only who made it matters, as Kind/name; empty where nobody did."""

    key: Key
    version: int = field(compare=False)
    owner: str = ""
