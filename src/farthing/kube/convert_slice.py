"""From ResourceSlices to the nouns of `model`. What a driver published wrongly is left out, with a sentence why."""

from farthing.kube import wire
from farthing.kube.convert import selected_node
from farthing.model import cluster as model
from farthing.model.errors import InvalidError
from farthing.model.quantity import floor_units, whole_units


def resource_slice(seen: wire.Slice) -> model.Slice:
    spec = seen.spec
    devices: list[model.Device] = []
    faults: list[str] = []
    for found in spec.devices or ():
        try:
            devices.append(_device(found))
        except InvalidError as error:
            faults.append(f"device {found.name!r} of slice {seen.metadata.name} is left out: {error}")
    counters, more = _counters(spec.shared_counters, seen.metadata.name)
    return model.Slice(
        name=seen.metadata.name,
        version=int(seen.metadata.resource_version),
        driver=spec.driver,
        pool=spec.pool.name,
        generation=spec.pool.generation,
        count=spec.pool.resource_slice_count,
        node=spec.node_name or selected_node(spec.node_selector),
        devices=tuple(devices),
        counters=counters,
        faults=(*faults, *more),
    )


def _device(seen: wire.Device) -> model.Device:
    if seen.binding_conditions:
        raise InvalidError("bindingConditions", "are not planned by Farthing")
    return model.Device(
        name=seen.name,
        multi=bool(seen.allow_multiple_allocations),
        attributes=tuple(sorted((name, _attribute(name, a)) for name, a in (seen.attributes or {}).items())),
        capacity=tuple(sorted((name, _capacity(name, c)) for name, c in (seen.capacity or {}).items())),
        taints=tuple(model.Taint(t.key, t.value, t.effect) for t in seen.taints or ()),
        consumes=tuple(
            (use.counter_set, name, _amount(f"counter {name}", counter.value))
            for use in seen.consumes_counters or ()
            for name, counter in sorted((use.counters or {}).items())
        ),
        node=seen.node_name or selected_node(seen.node_selector),
    )


def _attribute(name: str, seen: wire.Attribute) -> model.Attribute:
    if seen.version is not None:
        return model.Version(seen.version)
    for value in (seen.string, seen.boolean, seen.integer):
        if value is not None:
            return value
    raise InvalidError(f"attribute {name}", "has no value of type string, int, bool or version")


def _amount(where: str, text: str) -> int:
    """An amount that a device has: not negative, and within what machines have."""
    try:
        amount = floor_units(text)
    except InvalidError as error:
        raise InvalidError(where, error.message) from error
    if amount < 0:
        raise InvalidError(where, f"{text!r} is negative; expected what the device has")
    return amount


def _capacity(name: str, seen: wire.Capacity) -> model.Capacity:
    where = f"capacity {name}"
    value = _amount(where, seen.value)
    policy = seen.request_policy
    if policy is None:
        return model.Capacity(value)
    span = policy.valid_range or wire.ValidRange()
    return model.Capacity(
        value=value,
        portioned=True,
        default=_amount(where, policy.default) if policy.default is not None else value,
        valid=tuple(sorted(_amount(where, text) for text in policy.valid_values or ())),
        least=whole_units(span.min) if span.min is not None else 0,
        most=_amount(where, span.max) if span.max is not None else None,
        step=whole_units(span.step) if span.step is not None else None,
    )


def _counters(
    sets: list[wire.CounterSet] | None, slice_name: str
) -> tuple[tuple[tuple[str, str, int], ...], tuple[str, ...]]:
    counters: list[tuple[str, str, int]] = []
    faults: list[str] = []
    for found in sets or ():
        for name, counter in sorted((found.counters or {}).items()):
            try:
                counters.append((found.name, name, _amount(f"counter {name}", counter.value)))
            except InvalidError as error:
                faults.append(f"counter set {found.name!r} of slice {slice_name} is left out: {error}")
    return tuple(counters), tuple(faults)
