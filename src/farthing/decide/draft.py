"""A snapshot to plan in: what is left, with what this plan has already given taken off."""

from dataclasses import dataclass, field

from farthing.decide.fit import eligible, extras
from farthing.decide.needs import Need
from farthing.model.cluster import Allocation, Pod
from farthing.state.fleet import LEVEL_BIT, Fleet
from farthing.state.snapshot import Free, Snapshot
from farthing.state.usage import NOBODY, consumption

UNSEEN = -3
"""The index of a team that holds nothing yet."""

CLOSED = 1 << 30
"""The mode of a device that nobody may join: no level has this bit."""


@dataclass(slots=True)
class Draft:
    """Owns its columns; `take` and `settle_on` change them."""

    fleet: Fleet
    free: Free
    teams: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Draft":
        """A draft of a snapshot. The snapshot's columns are its own copy already, so they are used as they are."""
        return cls(snapshot.fleet, snapshot.free, {name: i for i, name in enumerate(snapshot.teams)})

    def copy(self) -> "Draft":
        """A draft to try something in."""
        return Draft(self.fleet, self.free.copy(), dict(self.teams))

    def team(self, name: str) -> int:
        return self.teams.get(name, UNSEEN)

    def take(self, device: int, need: Need, team: str) -> None:
        """Take what the need takes of a device."""
        sieve = eligible(self.fleet, need)
        free = self.free
        if not free.users[device]:
            for counter, amount in self.fleet.consumes.get(device, ()):
                free.counters[counter] -= amount
        whole = not self.fleet.multi[device]
        free.compute[device] -= self.fleet.compute[device] if whole else sieve.compute[device]
        free.memory[device] -= self.fleet.memory[device] if whole else sieve.memory[device]
        free.users[device] += 1
        free.mode[device] |= LEVEL_BIT[need.isolation]
        free.team[device] = self.teams.setdefault(team, len(self.teams))
        others = self.fleet.extras.get(device, ())
        for name, amount in extras(need, others).items():
            free.extras[device, name] = free.extras.get((device, name), dict(others)[name].value) - amount

    def settle_on(self, node: int, pod: Pod) -> None:
        """Take the room that a pod takes on a node."""
        free = self.free
        free.cpu[node] -= pod.cpu
        free.memory_of_node[node] -= pod.memory
        free.pods[node] -= 1
        if pod.constraints.ports:
            free.ports[node] = free.ports.get(node, frozenset()) | frozenset(pod.constraints.ports)
        for name, amount in pod.others:
            free.others[node, name] = self._others(node, name) - amount

    def leave(self, node: int, pod: Pod) -> None:
        """Give back the room that a pod takes on a node."""
        free = self.free
        free.cpu[node] += pod.cpu
        free.memory_of_node[node] += pod.memory
        free.pods[node] += 1
        if pod.constraints.ports:
            free.ports[node] = free.ports.get(node, frozenset()) - frozenset(pod.constraints.ports)
        for name, amount in pod.others:
            free.others[node, name] = self._others(node, name) + amount

    def _others(self, node: int, name: str) -> int:
        """What a node has left of another resource."""
        return self.free.others.get((node, name), dict(self.fleet.nodes[node].others).get(name, 0))

    def give_back(self, allocation: Allocation) -> None:
        """Give back what a claim holds of devices."""
        free = self.free
        for result in allocation.results:
            i = self.fleet.device_index.get(result.device)
            if i is None:
                continue
            compute, memory = consumption(self.fleet, i, result)
            free.compute[i] += compute
            free.memory[i] += memory
            free.users[i] -= 1
            consumed = dict(result.consumed)
            for name, capacity in self.fleet.extras.get(i, ()):
                free.extras[i, name] = free.extras.get((i, name), capacity.value) + consumed.get(name, capacity.value)
            if not free.users[i]:
                free.mode[i], free.team[i] = 0, NOBODY
                for counter, amount in self.fleet.consumes.get(i, ()):
                    free.counters[counter] += amount

    def close(self, device: int) -> None:
        """Let nobody take anything of a device any more, nor of what its partitions share."""
        free = self.free
        if not free.users[device]:
            for counter, amount in self.fleet.consumes.get(device, ()):
                free.counters[counter] -= amount
        free.compute[device] = free.memory[device] = 0
        free.users[device] += 1
        free.mode[device] |= CLOSED
