"""From Kubernetes' objects to the nouns of `model`: pods, nodes, claims and the small ones. Slices: `convert_slice`.

Whatever a person may have written by hand ends as a value with a sentence in it, never as an exception: one odd
object must not stop the loop.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import msgspec

from farthing.kube import wire
from farthing.kube.gangs import gang_of
from farthing.kube.owners import controller, controlling, labels, owners
from farthing.kube.reading import shallow
from farthing.kube.share import ask_of_share, is_share
from farthing.model import cluster as model
from farthing.model.ask import (
    CHECKPOINT,
    DURATION,
    ISOLATIONS,
    LEAVE_BY,
    MOVE,
    PRIORITY,
    QOS,
    TEAM,
    Ask,
    Qos,
    parse_checkpoint,
    parse_duration,
    parse_move,
    parse_priority,
    parse_qos,
)
from farthing.model.cluster import GATE, Key
from farthing.model.errors import InvalidError
from farthing.model.keep import KEPT
from farthing.model.quantity import floor_units, milli_units, whole_units
from farthing.model.reason import Reason, Why
from farthing.model.team import Queueing, Quota, Team
from farthing.model.written import BudgetObject, PriceBookObject

PLACED_CONDITION = "farthing.dev/Placed"
FINALIZER = "resource.kubernetes.io/delete-protection"

_UNSCHEDULABLE = model.Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
_OVER = ("Succeeded", "Failed")


def key_of(meta: wire.Meta) -> Key:
    return Key(meta.namespace, meta.name)


def instant(stamp: str) -> float:
    """Seconds since 1970 of a Kubernetes timestamp; 0 for none."""
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


# Nodes and constraints --------------------------------------------------------------------------------------------


def node(seen: wire.Node) -> model.Node:
    room = seen.status.allocatable or {}
    taints = tuple(model.Taint(t.key, t.value, t.effect) for t in seen.spec.taints or ())
    if seen.spec.unschedulable and _UNSCHEDULABLE not in taints:
        taints += (_UNSCHEDULABLE,)
    return model.Node(
        name=seen.metadata.name,
        version=int(seen.metadata.resource_version),
        uid=seen.metadata.uid,
        cpu=milli_units(room.get("cpu", "0")),
        memory=floor_units(room.get("memory", "0")),
        pods=floor_units(room.get("pods", "0")),
        labels=seen.metadata.labels or {},
        taints=taints,
        others=tuple(
            sorted((name, floor_units(n)) for name, n in room.items() if name not in ("cpu", "memory", "pods"))
        ),
    )


def toleration(seen: wire.Toleration) -> model.Toleration:
    return model.Toleration(seen.key, seen.operator or "Equal", seen.value, seen.effect, seen.toleration_seconds)


def selector_terms(selector: wire.NodeSelector | None) -> tuple[model.Term, ...] | None:
    """The terms of a node selector; None where there is no selector at all."""
    if selector is None:
        return None
    return tuple(
        model.Term(_matches(term.match_expressions), _matches(term.match_fields))
        for term in selector.node_selector_terms or ()
    )


def _matches(expressions: list[wire.Expression] | None) -> tuple[model.Match, ...]:
    return tuple(model.Match(e.key, e.operator, tuple(e.values or ())) for e in expressions or ())


@lru_cache(maxsize=10_000)
def _one(constraints: model.Constraints) -> model.Constraints:
    """The one object for all equal constraints."""
    return constraints


def _constraints(spec: wire.PodSpec) -> model.Constraints:
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    ports = {(p.protocol, p.host_ip, p.host_port) for c in spec.containers for p in c.ports or () if p.host_port}
    return _one(
        model.Constraints(
            selector=tuple(sorted((spec.node_selector or {}).items())),
            affinity=selector_terms(required),
            tolerations=tuple(toleration(t) for t in spec.tolerations or ()),
            ports=tuple(sorted(ports)),
        )
    )


# Pods -------------------------------------------------------------------------------------------------------------


def pod(seen: wire.Pod) -> model.Pod:
    meta, spec, status = seen.metadata, seen.spec, seen.status
    requests = pod_requests(spec)
    conditions = {c.type: c for c in status.conditions or ()}
    verdict = conditions.get(PLACED_CONDITION)
    annotations = meta.annotations or {}
    hints, fault = _hints(annotations)
    owner = controlling(meta)
    gang, topology, unclear = gang_of(meta)
    qos, unsafe = _qos(annotations)
    gates = {gate.name for gate in spec.scheduling_gates or ()}
    return model.Pod(
        key=key_of(meta),
        uid=meta.uid,
        version=int(meta.resource_version),
        created=instant(meta.creation_timestamp),
        constraints=_constraints(spec),
        cpu=requests.pop("cpu", 0),
        memory=requests.pop("memory", 0),
        others=tuple(sorted(requests.items())),
        priority=hints.get(PRIORITY, spec.priority or 0),
        team=(meta.labels or {}).get(TEAM, ""),
        node=spec.node_name,
        nominated=status.nominated_node_name,
        gated=GATE in gates,
        blocked=bool(gates - {GATE}),
        over=status.phase in _OVER,
        deleting=meta.deletion_timestamp is not None,
        claims=_pod_claims(seen),
        refusal=_refusal(conditions.get("PodScheduled")),
        verdict=_verdict(verdict),
        placed=verdict is not None and verdict.status == "True",
        fault=fault or unclear or unsafe,
        duration=hints.get(DURATION),
        owner=model.Owner(owner.kind, owner.name, owner.uid) if owner is not None else None,
        movable=bool(hints.get(MOVE)),
        grace=30 if spec.termination_grace_period_seconds is None else spec.termination_grace_period_seconds,
        started=instant(status.start_time) if status.start_time else None,
        ended=_ended(status) if status.phase in _OVER else None,
        kept=annotations.get(KEPT, ""),
        owners=owners(meta) if spec.resource_claims else (),
        succeeded=status.phase == "Succeeded",
        gang=gang,
        topology=topology,
        qos=qos,
        notice=hints.get(CHECKPOINT, 0),
        leave_by=_leave_by(annotations.get(LEAVE_BY, "")),
        labels=labels(meta) if spec.resource_claims else (),
        metrics="" if spec.host_network else _metrics(annotations, status),
    )


def _qos(annotations: dict[str, str]) -> tuple[Qos, str]:
    try:
        return (parse_qos(annotations[QOS]) if QOS in annotations else "burstable"), ""
    except InvalidError as error:
        return "burstable", str(error)


def _leave_by(text: str) -> float | None:
    """The instant that a pod was told to be gone by; None where it says none that can be read."""
    try:
        return instant(text) if text else None
    except ValueError:
        return None


def _ended(status: wire.PodStatus) -> float | None:
    """When the last of a finished pod's containers ended; None where nobody says."""
    states = (found.state.terminated for found in status.container_statuses or ())
    return max((instant(state.finished_at) for state in states if state and state.finished_at), default=None)


_SCRAPE, _PORT, _PATH = "prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path"
"""Annotations by which pods tell Prometheus, by common custom, where their metrics are."""


def _metrics(annotations: dict[str, str], status: wire.PodStatus) -> str:
    """Where a running pod serves metrics."""
    port, path = annotations.get(_PORT, ""), annotations.get(_PATH, "/metrics")
    if status.phase != "Running" or not status.pod_ip or annotations.get(_SCRAPE) != "true":
        return ""
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or not re.fullmatch("/[A-Za-z0-9._~/-]{0,200}", path):
        return ""
    host = f"[{status.pod_ip}]" if ":" in status.pod_ip else status.pod_ip
    return f"http://{host}:{port}{path}"


def _hints(annotations: dict[str, str]) -> tuple[dict[str, int], str]:
    hints: dict[str, int] = {}
    parsers: tuple[tuple[str, Callable[[str], int]], ...] = (
        (PRIORITY, parse_priority),
        (DURATION, parse_duration),
        (MOVE, parse_move),
        (CHECKPOINT, parse_checkpoint),
    )
    for name, parse in parsers:
        if (text := annotations.get(name)) is not None:
            try:
                hints[name] = parse(text)
            except InvalidError as error:
                return hints, str(error)
    return hints, ""


def _pod_claims(seen: wire.Pod) -> tuple[model.PodClaim, ...]:
    made = {s.name: s.resource_claim_name or "" for s in seen.status.resource_claim_statuses or ()}
    return tuple(
        model.PodClaim(c.name, c.resource_claim_name or made.get(c.name, ""), c.resource_claim_template_name or "")
        for c in seen.spec.resource_claims or ()
    )


def _refusal(scheduled: wire.Condition | None) -> str:
    if scheduled is None or scheduled.status != "False" or scheduled.reason != "Unschedulable":
        return ""
    return scheduled.message or "kube-scheduler found no node"


def _verdict(condition: wire.Condition | None) -> Reason | None:
    if condition is None or condition.reason not in set(Why):
        return None
    return Reason(Why(condition.reason), condition.message)


def pod_requests(spec: wire.PodSpec) -> dict[str, int]:
    """What a pod requests of a node, by resource name: cpu in thousandths, everything else in whole units.

    Kubernetes' rule: the containers together, with the sidecars; or the hungriest init container with the sidecars
    started before it, where that is more; pod-level requests instead where given; overhead on top.
    """
    total: dict[str, int] = {}
    for container in spec.containers:
        _add(total, container.resources.requests)
    peak: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    for container in spec.init_containers or ():
        if container.restart_policy == "Always":
            _add(total, container.resources.requests)
            _add(sidecars, container.resources.requests)
            _raise(peak, sidecars)
        else:
            moment = dict(sidecars)
            _add(moment, container.resources.requests)
            _raise(peak, moment)
    _raise(total, peak)
    if spec.resources is not None:
        total.update({name: _amount(name, text) for name, text in (spec.resources.requests or {}).items()})
    _add(total, spec.overhead)
    return total


def _amount(name: str, text: str) -> int:
    return milli_units(text) if name == "cpu" else whole_units(text)


def _add(total: dict[str, int], more: dict[str, str] | None) -> None:
    for name, text in (more or {}).items():
        total[name] = total.get(name, 0) + _amount(name, text)


def _raise(total: dict[str, int], least: dict[str, int]) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


# Claims -----------------------------------------------------------------------------------------------------------


def claim(seen: wire.Claim) -> model.Claim:
    meta, devices = seen.metadata, seen.spec.devices
    ask, unsupported = _ask(devices)
    owners = (o.uid for o in meta.owner_references or () if o.kind == "Pod")
    return model.Claim(
        key=key_of(meta),
        uid=meta.uid,
        version=int(meta.resource_version),
        created=instant(meta.creation_timestamp),
        owner=next(owners, ""),
        requests=tuple(_request(r) for r in devices.requests or ()),
        ask=ask,
        config=_config(devices.config),
        unsupported=unsupported or _unsupported(devices),
        allocation=_allocation(seen.status.allocation),
        users=tuple((u.name, u.uid) for u in seen.status.reserved_for or () if u.resource == "pods"),
        deleting=meta.deletion_timestamp is not None,
        protected=FINALIZER in (meta.finalizers or ()),
    )


def _ask(devices: wire.ClaimDevices) -> tuple[Ask | None, str]:
    entries = [_decode_config(raw) for raw in devices.config or ()]
    found = [c.opaque.parameters for c in entries if c.opaque and is_share(c.opaque.parameters)]
    if not found:
        return None, ""
    if len(found) > 1 or len(devices.requests or ()) != 1:
        return None, "a claim with Share parameters has exactly one request and one such entry"
    try:
        return ask_of_share(found[0]), ""
    except InvalidError as error:
        return None, str(error)


_decode_config = msgspec.json.Decoder(wire.Config).decode


@lru_cache(maxsize=10_000)
def _same_text(text: str) -> str:
    """The one text for all equal texts: thousands of claims carry the same configuration."""
    return text


def _config(entries: list[msgspec.Raw] | None) -> tuple[str, ...]:
    return tuple(_same_text(shallow(bytes(raw)).decode()) for raw in entries or ())


def _request(seen: wire.Request) -> model.Request:
    exact = seen.exactly or (seen.first_available or [wire.Exactly()])[0]
    amounts = exact.capacity.requests if exact.capacity else None
    return model.Request(
        name=seen.name,
        device_class=exact.device_class_name,
        count=exact.count,
        capacity=tuple(sorted((name, _bounded(text)) for name, text in (amounts or {}).items())),
        selectors=tuple(s.cel.expression for s in exact.selectors or () if s.cel),
        tolerations=tuple(toleration(t) for t in exact.tolerations or ()),
    )


def _bounded(text: str) -> int:
    """A requested amount; what is beyond all machines stays beyond all machines."""
    try:
        return whole_units(text)
    except InvalidError:
        return 1 << 62


def _unsupported(devices: wire.ClaimDevices) -> str:
    """The first feature of a claim that Farthing does not plan, as a sentence; empty where it plans all."""
    for request in devices.requests or ():
        exact = request.exactly
        if exact is None:
            return f"request {request.name!r} uses firstAvailable, which Farthing does not plan; use exactly"
        if exact.admin_access:
            return f"request {request.name!r} uses adminAccess, which Farthing does not plan"
        if exact.allocation_mode != "ExactCount":
            return f"request {request.name!r} uses allocationMode {exact.allocation_mode}; Farthing plans ExactCount"
    return "constraints are not planned by Farthing; leave them out" if devices.constraints else ""


def _allocation(seen: wire.Allocation | None) -> model.Allocation | None:
    if seen is None:
        return None
    entries = [c.opaque.parameters for c in seen.devices.config or () if c.opaque and is_share(c.opaque.parameters)]
    # ours is the last: what a user put into the claim's own configuration comes before it, whatever team that names
    force: dict[str, object] = next((entry for entry in reversed(entries) if "team" in entry), {})
    isolation = str(force.get("isolation", ""))
    return model.Allocation(
        results=tuple(_result(r) for r in seen.devices.results or ()),
        node=selected_node(seen.node_selector),
        isolation=isolation if isolation in ISOLATIONS else "",
        team=str(force.get("team", "")),
        since=instant(seen.allocation_timestamp or ""),
    )


def _result(seen: wire.Result) -> model.Result:
    return model.Result(
        request=seen.request,
        device=model.DeviceId(seen.driver, seen.pool, seen.device),
        share_id=seen.share_id or "",
        consumed=tuple(sorted((name, _bounded(text)) for name, text in (seen.consumed_capacity or {}).items())),
        tolerations=tuple(toleration(t) for t in seen.tolerations or ()),
    )


def selected_node(selector: wire.NodeSelector | None) -> str:
    """The one node that an allocation's selector names; empty where it does not name one."""
    for term in selector_terms(selector) or ():
        for match in term.fields:
            if match.key == "metadata.name" and match.operator == "In" and len(match.values) == 1:
                return match.values[0]
    return ""


# The small ones ---------------------------------------------------------------------------------------------------


def device_class(seen: wire.DeviceClass) -> model.DeviceClass:
    expressions = tuple(s.cel.expression for s in seen.spec.selectors or () if s.cel)
    version = int(seen.metadata.resource_version)
    return model.DeviceClass(seen.metadata.name, version, expressions, _config(seen.spec.config))


def taint_rule(seen: wire.DeviceTaintRule) -> model.TaintRule:
    chosen, taint = seen.spec.device_selector or wire.DeviceTaintSelector(), seen.spec.taint
    return model.TaintRule(
        name=seen.metadata.name,
        version=int(seen.metadata.resource_version),
        taint=model.Taint(taint.key, taint.value, taint.effect),
        driver=chosen.driver or "",
        pool=chosen.pool or "",
        device=chosen.device or "",
    )


def driver_profile(seen: wire.DriverProfile) -> model.DriverProfile:
    spec = seen.spec
    return model.DriverProfile(
        name=seen.metadata.name,
        version=int(seen.metadata.resource_version),
        driver=spec.driver,
        vendor=spec.vendor,
        memory=spec.memory,
        compute=spec.compute,
        model=spec.model_attribute,
        profile=spec.profile_attribute,
        levels=tuple(level for level in ISOLATIONS if level in (spec.isolation or ())),
    )


def team(seen: wire.Team) -> Team:
    spec = seen.spec
    return Team(
        name=seen.metadata.name,
        version=int(seen.metadata.resource_version),
        parent=spec.parent or "",
        compute=_quotas(spec.compute, milli_units),
        memory=_quotas(spec.memory, whole_units),
        weight=milli_units(str(spec.weight)),
        maximum=None if spec.maximum is None else milli_units(str(spec.maximum)),
        namespaces=tuple(spec.namespaces or ()),
        priority=spec.priority,
        isolation=tuple(level for level in ISOLATIONS if level in (spec.isolation or ())),
        models=tuple(sorted({model.lower() for model in spec.models or ()})),
        members=tuple(spec.members or ()),
        queueing=Queueing(spec.queueing),
    )


def _quotas(entries: list[wire.TeamQuota] | None, units: Callable[[str], int]) -> tuple[tuple[str, Quota], ...]:
    """Quotas by device class; models are compared in lower case, as everywhere."""

    def limit(text: int | str | None) -> int | None:
        return None if text is None else units(str(text))

    return tuple(
        (entry.device_class.lower(), Quota(units(str(entry.amount)), limit(entry.borrowing), limit(entry.lending)))
        for entry in entries or ()
    )


def namespace(seen: wire.Namespace) -> model.Namespace:
    meta = seen.metadata
    return model.Namespace(meta.name, int(meta.resource_version), (meta.labels or {}).get(TEAM, ""))


def template(seen: wire.Template) -> model.Template:
    return model.Template(key_of(seen.metadata), int(seen.metadata.resource_version))


def budget(seen: wire.Written) -> BudgetObject:
    return BudgetObject(seen.metadata.name, int(seen.metadata.resource_version), bytes(seen.spec).decode())


def price_book(seen: wire.Written) -> PriceBookObject:
    return PriceBookObject(seen.metadata.name, int(seen.metadata.resource_version), bytes(seen.spec).decode())


def job(seen: wire.Job) -> model.Job:
    return model.Job(key_of(seen.metadata), int(seen.metadata.resource_version), controller(seen.metadata))
