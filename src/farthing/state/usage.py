"""What is in use: who holds what of which device, and which pods are on which node.

Changes mark devices and nodes as dirty; `refresh` recomputes just those, each from all its holders, so that no sum
can drift. O(holders of what changed) per refresh.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from farthing.model.cluster import Allocation, DeviceId, Key, Pod, Result
from farthing.state.classes import Classes, part_of
from farthing.state.fleet import Fleet, level_bit
from farthing.state.snapshot import Free

NOBODY = -1
SEVERAL = -2


@dataclass(frozen=True, slots=True)
class _Held:
    """One share on one device."""

    result: Result
    isolation: str
    team: str


class Usage:
    """Holders by device, pods by node, and the columns made of them."""

    def __init__(self) -> None:
        self.teams: dict[str, int] = {}
        self._of_claim: dict[Key, Allocation] = {}
        self._on_device: dict[DeviceId, dict[Key, list[_Held]]] = defaultdict(dict)
        self._home: dict[Key, str] = {}
        self._on_node: dict[str, dict[Key, Pod]] = defaultdict(dict)
        self._dirty_devices: set[DeviceId] = set()
        self._dirty_nodes: set[str] = set()
        self._fleet: Fleet | None = None
        self._free: Free | None = None
        self._classes: Classes | None = None
        self._of_team: dict[str, list[int]] = {}
        self._shares: dict[int, list[tuple[str, int, int]]] = {}

    def set_claim(self, key: Key, allocation: Allocation | None) -> None:
        """Record what a claim holds now."""
        old = self._of_claim.pop(key, None)
        for result in old.results if old else ():
            self._on_device[result.device].pop(key, None)
            self._dirty_devices.add(result.device)
        if allocation is None:
            return
        self._of_claim[key] = allocation
        for result in allocation.results:
            held = _Held(result, allocation.isolation, allocation.team)
            self._on_device[result.device].setdefault(key, []).append(held)
            self._dirty_devices.add(result.device)

    def set_pod(self, key: Key, pod: Pod | None, home: str) -> None:
        """Record that a pod takes room on the node `home` now; nowhere where that is empty."""
        old = self._home.pop(key, "")
        if old:
            self._on_node[old].pop(key, None)
            self._dirty_nodes.add(old)
        if pod is not None and home:
            self._home[key] = home
            self._on_node[home][key] = pod
            self._dirty_nodes.add(home)

    def holders(self, device: DeviceId) -> tuple[Key, ...]:
        """The claims on a device."""
        return tuple(self._on_device.get(device, ()))

    def refresh(self, fleet: Fleet, classes: Classes | None = None) -> Free:
        """The columns as of now; they change with the next refresh, so copy before planning.

        With `classes`, what teams use is counted as well: see `of_team`.
        """
        if self._free is None or fleet is not self._fleet or classes is not self._classes:
            self._fleet, self._free, self._classes = fleet, untouched(fleet), classes
            self._of_team, self._shares = {}, {}
            self._dirty_devices.update(device for device, claims in self._on_device.items() if claims)
            self._dirty_nodes.update(name for name, pods in self._on_node.items() if pods)
        pools = {device[:2] for device in self._dirty_devices}
        for device in self._dirty_devices:
            if (i := fleet.device_index.get(device)) is not None:
                self._refresh_device(fleet, self._free, i, device)
            if not self._on_device.get(device, True):
                del self._on_device[device]
        if len(fleet.counters) and pools:
            self._refresh_counters(fleet, self._free)
        for name in self._dirty_nodes:
            if (i := fleet.node_index.get(name)) is not None:
                _refresh_node(fleet, self._free, i, self._on_node[name].values())
            if not self._on_node[name]:
                del self._on_node[name]
        self._dirty_devices.clear()
        self._dirty_nodes.clear()
        return self._free

    def _refresh_device(self, fleet: Fleet, free: Free, i: int, device: DeviceId) -> None:
        held = [share for shares in self._on_device.get(device, {}).values() for share in shares]
        compute = memory = mode = 0
        teams = set()
        if self._classes is not None:
            self._count(fleet, self._classes, i, held)
        for share in held:
            taken = consumption(fleet, i, share.result)
            compute += taken[0]
            memory += taken[1]
            mode |= level_bit(share.isolation)
            teams.add(self.teams.setdefault(share.team, len(self.teams)))
        free.compute[i] = fleet.compute[i] - compute
        free.memory[i] = fleet.memory[i] - memory
        free.users[i] = len(held)
        free.mode[i] = mode
        for name, capacity in fleet.extras.get(i, ()):
            used = sum(dict(share.result.consumed).get(name, capacity.value) for share in held)
            free.extras[i, name] = capacity.value - used
        free.team[i] = NOBODY if not teams else teams.pop() if len(teams) == 1 else SEVERAL

    def _count(self, fleet: Fleet, classes: Classes, i: int, held: list[_Held]) -> None:
        """Bring what teams use in step with who is on a device now."""
        c, count = int(classes.of[i]), len(classes.names)
        for team, milli, memory in self._shares.pop(i, ()):
            self._of_team[team][c] -= milli
            self._of_team[team][count + c] -= memory
        for share in held:
            compute, memory = consumption(fleet, i, share.result)
            amounts = self._of_team.setdefault(share.team, [0] * (2 * count))
            milli = part_of(fleet, classes, i, compute, memory)
            amounts[c] += milli
            amounts[count + c] += memory
            self._shares.setdefault(i, []).append((share.team, milli, memory))

    @property
    def of_team(self) -> Mapping[str, Sequence[int]]:
        """What each team uses itself: thousandths of devices by class, then bytes by class."""
        return self._of_team

    def _refresh_counters(self, fleet: Fleet, free: Free) -> None:
        free.counters[:] = fleet.counter_size
        for i, uses in fleet.consumes.items():
            if free.users[i]:
                for counter, amount in uses:
                    free.counters[counter] -= amount


def consumption(fleet: Fleet, i: int, result: Result) -> tuple[int, int]:
    """What a result takes of device i, as (compute, memory). A capacity it does not speak of is taken whole."""
    compute, memory = int(fleet.compute[i]), int(fleet.memory[i])
    if not fleet.multi[i]:
        return compute, memory
    profile = fleet.profiles[result.device.driver]
    consumed = dict(result.consumed)
    return consumed.get(profile.compute, compute), consumed.get(profile.memory, memory)


def untouched(fleet: Fleet) -> Free:
    """The columns of a fleet that nobody uses."""
    size = len(fleet.devices)
    return Free(
        compute=fleet.compute.copy(),
        memory=fleet.memory.copy(),
        users=np.zeros(size, dtype=np.int64),
        mode=np.zeros(size, dtype=np.int64),
        team=np.full(size, NOBODY, dtype=np.int64),
        cpu=fleet.cpu.copy(),
        memory_of_node=fleet.memory_of_node.copy(),
        pods=fleet.pods.copy(),
        counters=fleet.counter_size.copy(),
        extras={},
        ports={},
        others={},
    )


def _refresh_node(fleet: Fleet, free: Free, i: int, pods: Iterable[Pod]) -> None:
    here = list(pods)
    free.cpu[i] = fleet.cpu[i] - sum(pod.cpu for pod in here)
    free.memory_of_node[i] = fleet.memory_of_node[i] - sum(pod.memory for pod in here)
    free.pods[i] = fleet.pods[i] - len(here)
    ports = frozenset(port for pod in here for port in pod.constraints.ports)
    if ports or i in free.ports:
        free.ports[i] = ports
    offered = dict(fleet.nodes[i].others)
    used: dict[str, int] = defaultdict(int)
    for pod in here:
        for name, amount in pod.others:
            used[name] += amount
    for name, room in offered.items():
        free.others[i, name] = room - used[name]
