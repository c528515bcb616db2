"""A snapshot to plan in: what is left, with what this plan has already given taken off."""

from dataclasses import dataclass, field

from farthing.decide.fit import eligible, extras
from farthing.decide.needs import Need
from farthing.decide.table import Table
from farthing.model.cluster import Allocation, Pod
from farthing.state.fleet import LEVEL_BIT, Fleet
from farthing.state.mix import NOTHING, Typical
from farthing.state.snapshot import Free, Snapshot
from farthing.state.usage import NOBODY, consumption

UNSEEN = -3
"""The index of a team that holds nothing yet."""

CLOSED = 1 << 30
"""The mode of a device that nobody may join: no level has this bit."""


@dataclass(slots=True)
class Draft:
    """Owns its columns; `take` and `settle_on` change them, and list the nodes that they `changed`."""

    fleet: Fleet
    free: Free
    teams: dict[str, int] = field(default_factory=dict)
    mix: Typical = NOTHING
    changed: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Draft":
        """A draft of a snapshot. The snapshot's columns are its own copy already, so they are used as they are."""
        return cls(snapshot.fleet, snapshot.free, {name: i for i, name in enumerate(snapshot.teams)}, snapshot.mix)

    def copy(self) -> "Draft":
        """A draft to try something in."""
        return Draft(self.fleet, self.free.copy(), dict(self.teams), self.mix)

    def team(self, name: str) -> int:
        return self.teams.get(name, UNSEEN)

    def table(self) -> Table:
        """The scores of the fleet's nodes as this draft has them. Remembered with the fleet."""
        memo = self.fleet.memo
        if "table" not in memo:
            memo["table"] = Table(self.fleet, self.free, self.mix)
        found: Table = memo["table"]
        found.learn(self.mix)
        found.follow(self.free, self.changed)
        return found

    def take(self, device: int, need: Need, team: str) -> None:
        """Take what the need takes of a device."""
        compute, memory = eligible(self.fleet, need).amounts(device)
        free = self.free
        self.changed.append(int(self.fleet.node_of[device]))
        if not free.users[device]:
            for counter, amount in self.fleet.consumes.get(device, ()):
                free.counters[counter] -= amount
        whole = not self.fleet.multi[device]
        free.compute[device] -= self.fleet.compute[device] if whole else compute
        free.memory[device] -= self.fleet.memory[device] if whole else memory
        free.users[device] += 1
        free.mode[device] |= LEVEL_BIT[need.isolation]
        free.team[device] = self.teams.setdefault(team, len(self.teams))
        others = self.fleet.extras.get(device, ())
        for name, amount in extras(need, others).items():
            free.extras[device, name] = free.extras.get((device, name), dict(others)[name].value) - amount

    def settle_on(self, node: int, pod: Pod) -> None:
        """Take the room that a pod takes on a node."""
        free = self.free
        self.changed.append(node)
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
        self.changed.append(node)
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
            self.changed.append(int(self.fleet.node_of[i]))
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
        self.changed.append(int(self.fleet.node_of[device]))
        if not free.users[device]:
            for counter, amount in self.fleet.consumes.get(device, ()):
                free.counters[counter] -= amount
        free.compute[device] = free.memory[device] = 0
        free.users[device] += 1
        free.mode[device] |= CLOSED
