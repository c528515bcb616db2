"""Changes that one may ask about: nodes more, nodes less, other quotas of teams.

4xH100x8                                   four nodes with eight H100 each, like those that are there
4xB300x8:memory=288Gi,cpu=192,ram=2048Gi   of a kind that is not there, or otherwise equipped
vision/H100=16, vision/H100=+4             another quota for a team, in devices
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from farthing.model.cluster import OWN_DRIVER, Capacity, Device, Key, Node, Pod, Slice
from farthing.model.errors import InvalidError, NotFoundError
from farthing.model.quantity import MIB, format_gib, milli_units, whole_units
from farthing.model.team import Quota, Team
from farthing.state.fleet import attribute_of, model_name
from farthing.state.fork import Fork
from farthing.state.residents import Resident, residents
from farthing.state.teams import faults_of

KNOWN_MEMORY: Final = {
    "A10": "24Gi", "A100": "80Gi", "A40": "48Gi", "B200": "180Gi", "B300": "288Gi", "H100": "80Gi", "H200": "141Gi",
    "L4": "24Gi", "L40S": "48Gi", "MI300X": "192Gi", "T4": "16Gi", "V100": "32Gi",
}  # fmt: skip
"""The memory of models that need not be there already; where one comes in several sizes, the largest."""

CPU_PER_GPU: Final = 16_000
RAM_PER_GPU: Final = 128 << 30
"""What a node has for each of its GPUs where nobody says, and none is there to be like: thousandths of cores, bytes."""

MOST_ADDED: Final = 100_000
"""Devices more than anybody asks about; a typing error is told at once, and not after an hour."""

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,4})x([A-Za-z0-9](?:[-A-Za-z0-9]{0,38}[A-Za-z0-9])?)x([1-9][0-9]?)(?::(.*))?")
_EXPECTED: Final = "expected NODESxMODELxGPUS, such as 4xH100x8 or 4xB300x8:memory=288Gi,cpu=192,ram=2048Gi"


@dataclass(frozen=True, slots=True)
class AddNodes:
    """So many nodes more. Sizes are in thousandths of a core and bytes; None: like those that are there."""

    nodes: int
    model: str
    gpus: int
    memory: int | None = None
    cpu: int | None = None
    ram: int | None = None


def parse_addition(text: str) -> AddNodes:
    """The nodes that an option names; InvalidError says what was expected."""
    match = _SHAPE.fullmatch(text)
    if match is None or int(match[3]) > 64:
        raise InvalidError("--add-nodes", f"{text!r} names no nodes; {_EXPECTED}")
    if int(match[1]) * int(match[3]) > MOST_ADDED:
        raise InvalidError("--add-nodes", f"{text!r} are more than {MOST_ADDED:,} devices; expected fewer")
    sizes: dict[str, int] = {}
    for part in match[4].split(",") if match[4] is not None else ():
        name, _, amount = part.partition("=")
        if name not in ("memory", "cpu", "ram") or name in sizes:
            raise InvalidError("--add-nodes", f"{part!r} in {text!r} is no size of a node; {_EXPECTED}")
        try:
            sizes[name] = milli_units(amount) if name == "cpu" else whole_units(amount)
        except InvalidError as error:
            raise InvalidError("--add-nodes", f"{name} of {text!r}: {error}") from error
        if sizes[name] <= 0 or (name == "memory" and sizes[name] % MIB):
            raise InvalidError("--add-nodes", f"{part!r} in {text!r} must be more than 0, and memory whole MiB")
    return AddNodes(int(match[1]), match[2], int(match[3]), sizes.get("memory"), sizes.get("cpu"), sizes.get("ram"))


_QUOTA: Final = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/([^=/]{1,80})=([+-]?)([0-9]{1,6}(?:\.[0-9]{1,3})?)")
_QUOTA_EXPECTED: Final = "expected TEAM/CLASS=DEVICES, such as vision/H100=16, or vision/H100=+4 for four more"


@dataclass(frozen=True, slots=True)
class SetQuota:
    """Another quota for a team: `milli` of a class in thousandths of devices; `more`: on top of what it has."""

    team: str
    device_class: str
    milli: int
    more: bool


def parse_quota(text: str) -> SetQuota:
    """The quota that an option names; InvalidError says what was expected."""
    match = _QUOTA.fullmatch(text)
    if match is None:
        raise InvalidError("--team-quota", f"{text!r} is no quota; {_QUOTA_EXPECTED}")
    milli = milli_units(match[4])
    return SetQuota(match[1], match[2], -milli if match[3] == "-" else milli, bool(match[3]))


def set_quota(fork: Fork, wanted: SetQuota, at: float) -> None:
    """Let a team have another quota; InvalidError where its tree would be wrong then."""
    team = fork.world.get(Team, Key("", wanted.team))
    if team is None:
        raise NotFoundError(f"--team-quota: there is no team {wanted.team}")
    quotas = dict(team.compute)
    old = quotas.get(wanted.device_class, Quota(0))
    quotas[wanted.device_class] = replace(old, amount=wanted.milli + (old.amount if wanted.more else 0))
    fork.see(replace(team, compute=tuple(quotas.items())), at)


def check_teams(fork: Fork, before: Collection[str]) -> None:
    """Refuse changes by which a team becomes wrong that was not among those wrong `before`."""
    for fault in faults_of(fork.world.all(Team)):
        if fault.team not in before:
            raise InvalidError("--team-quota", f"team {fault.team} {fault.sentence}")


def add_nodes(fork: Fork, wanted: AddNodes, at: float) -> str:
    """Let the nodes be there; a sentence about what they are like."""
    pattern = _like(fork, wanted)
    pattern, said = (
        (_assumed(fork, wanted), "sizes assumed") if pattern is None else (pattern, f"like {pattern[0].name}")
    )
    like, slice_ = pattern
    taken = {node.name for node in fork.world.all(Node)}
    names = (f"new-{model_name(wanted.model)}-{i}" for i in range(len(taken) + wanted.nodes))
    for name in [name for name in names if name not in taken][: wanted.nodes]:
        labels = {**like.labels, "kubernetes.io/hostname": name}
        node = replace(
            like, name=name, uid=name, labels=labels, cpu=wanted.cpu or like.cpu, memory=wanted.ram or like.memory
        )
        fork.see(node, at)
        fork.see(replace(slice_, name=f"{name}-{slice_.driver}", pool=name, node=name, generation=1, count=1), at)
    cores, ram = (wanted.cpu or like.cpu) / 1000, wanted.ram or like.memory
    return f"{wanted.nodes} with {wanted.gpus} {wanted.model}, {said}: {cores:g} cores, {format_gib(ram)} each"


def _like(fork: Fork, wanted: AddNodes) -> tuple[Node, Slice] | None:
    """A node with devices of the model, its slice cut or stretched to size; one of just the size before others."""
    fleet, model = fork.world.fleet, model_name(wanted.model)
    found: list[tuple[int, str, Slice, tuple[Device, ...]]] = []
    for one in fork.world.all(Slice):
        profile = fleet.profiles.get(one.driver)
        if profile is not None and one.node in fleet.node_index and one.count == 1 and not one.counters:
            named = ((device, attribute_of(device, one.driver, profile.model)) for device in one.devices)
            devices = tuple(device for device, name in named if f"-{model}-" in f"-{model_name(str(name))}-")
            if devices:
                found.append((abs(len(devices) - wanted.gpus), one.node, one, devices))
    if not found:
        return None
    _, name, one, devices = min(found, key=lambda entry: entry[:2])
    node = fleet.nodes[fleet.node_index[name]]
    scale = wanted.gpus / len(devices)
    memory = fleet.profiles[one.driver].memory
    pattern = replace(devices[0], taints=())
    if wanted.memory is not None:
        capacity = tuple((n, _sized(c, wanted.memory) if n == memory else c) for n, c in pattern.capacity)
        pattern = replace(pattern, capacity=capacity)
    taints = tuple(taint for taint in node.taints if not taint.key.startswith("node.kubernetes.io/"))
    node = replace(node, cpu=round(node.cpu * scale), memory=round(node.memory * scale), taints=taints)
    return node, replace(one, devices=_many(pattern, wanted.gpus))


def _sized(capacity: Capacity, value: int) -> Capacity:
    return replace(capacity, value=value, default=value if capacity.portioned else 0)


def _many(pattern: Device, count: int) -> tuple[Device, ...]:
    return tuple(replace(pattern, name=f"gpu-{i}") for i in range(count))


def _assumed(fork: Fork, wanted: AddNodes) -> tuple[Node, Slice]:
    """A node of a model that is not there, as a driver of ours would publish it."""
    memory = wanted.memory or (
        whole_units(KNOWN_MEMORY[wanted.model.upper()]) if wanted.model.upper() in KNOWN_MEMORY else 0
    )
    if not memory:
        raise InvalidError(
            "--add-nodes",
            f"no node has a {wanted.model}, and its memory is not known; "
            f"say it: {wanted.nodes}x{wanted.model}x{wanted.gpus}:memory=80Gi",
        )
    profile = fork.world.fleet.profiles.get(OWN_DRIVER)
    if profile is None:
        raise NotFoundError(
            f"no node has a {wanted.model} that new nodes could be like, and {OWN_DRIVER} is not managed"
        )
    levels = tuple((f"isolation{level.capitalize()}", True) for level in ("shared", "soft", "hard"))
    device = Device(
        name="gpu",
        multi=True,
        attributes=((profile.model, wanted.model), *levels),
        capacity=(
            (profile.compute, Capacity(1000, portioned=True, default=1000, least=1, step=1)),
            (profile.memory, Capacity(memory, portioned=True, default=memory, least=MIB, step=MIB)),
        ),
    )
    cpu, ram = wanted.cpu or CPU_PER_GPU * wanted.gpus, wanted.ram or RAM_PER_GPU * wanted.gpus
    node = Node("new", 0, "new", cpu, ram, 110, {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"})
    return node, Slice("new", 0, OWN_DRIVER, "new", 1, 1, "new", _many(device, wanted.gpus))


def remove_node(fork: Fork, name: str, at: float, remade: frozenset[str]) -> tuple[Resident, ...]:
    """Let a node be gone: whose controller is one of `remade` waits again, everybody else on it is gone, too.

    Those who held devices there.
    """
    if fork.world.get(Node, Key("", name)) is None:
        raise NotFoundError(f"--remove-node: there is no node {name}")
    lost = tuple(one for one in residents(fork.world) if one.pod.node == name)
    for pod in [pod for pod in fork.world.all(Pod) if pod.node == name and not pod.over]:
        if pod.claims and pod.owner is not None and pod.owner.kind in remade:
            _again(fork, pod, at)
        else:
            fork.end(pod, at)
    for one in [one for one in fork.world.all(Slice) if one.node == name]:
        fork.lose(Slice, one.key, at)
    fork.lose(Node, Key("", name), at)
    return lost


def _again(fork: Fork, pod: Pod, at: float) -> None:
    """The pod waits once more, with its claims given back."""
    for entry in pod.claims:
        claim = fork.world.claim(Key(pod.key.namespace, entry.claim))
        if claim is not None:
            fork.see(replace(claim, allocation=None, users=()), at)
    fork.see(replace(pod, node="", gated=True, started=None, placed=False, verdict=None), at)
