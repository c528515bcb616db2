"""A snapshot to plan in: what is left, with what this plan has already given taken off."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that a draft can go back to: how much it had written down by then."""

    journal: int
    changed: int


@dataclass(slots=True)
class Draft:
    """Owns its columns; what changes them lists the nodes that they `changed`, and writes down what was there before.

    `journal` holds column, index and old value (None: nothing was there).
    """

    fleet: Fleet
    free: Free
    teams: dict[str, int] = field(default_factory=dict)
    mix: Typical = NOTHING
    changed: list[int] = field(default_factory=list)
    journal: list[tuple[Any, Any, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Draft":
        """A draft of a snapshot. The snapshot's columns are its own copy already, so they are used as they are."""
        return cls(snapshot.fleet, snapshot.free, {name: i for i, name in enumerate(snapshot.teams)}, snapshot.mix)

    def copy(self) -> "Draft":
        """A draft to try something in."""
        return Draft(self.fleet, self.free.copy(), dict(self.teams), self.mix)

    def mark(self) -> Mark:
        """Where to go back to, should what is tried now come to nothing."""
        return Mark(len(self.journal), len(self.changed))

    def back_to(self, mark: Mark) -> None:
        """Let everything since the mark not have happened. O(what was changed)."""
        while len(self.journal) > mark.journal:
            column, index, old = self.journal.pop()
            if old is None:
                del column[index]
            else:
                column[index] = old
        self.changed += self.changed[mark.changed :]

    def _set(self, column: Any, index: Any, value: Any) -> None:
        """Write one value of a column, or of a dictionary, so that it can be taken back."""
        self.journal.append((column, index, column.get(index) if isinstance(column, dict) else column[index]))
        column[index] = value

    def _add(self, column: Any, index: Any, amount: int) -> None:
        self._set(column, index, column[index] + amount)

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
        if not self.fleet.multi[device]:
            compute, memory = int(self.fleet.compute[device]), int(self.fleet.memory[device])
        others = extras(need, self.fleet.extras.get(device, ()))
        self._occupy(device, compute, memory, others, need.isolation, team)

    def hold(self, allocation: Allocation) -> None:
        """Take what an allocation takes of devices."""
        for i, result in self._results(allocation):
            consumed = dict(result.consumed)
            others = {name: consumed.get(name, capacity.value) for name, capacity in self.fleet.extras.get(i, ())}
            compute, memory = consumption(self.fleet, i, result)
            self._occupy(i, compute, memory, others, allocation.isolation, allocation.team)

    def _occupy(
        self, device: int, compute: int, memory: int, others: Mapping[str, int], isolation: str, team: str
    ) -> None:
        free = self.free
        self.changed.append(int(self.fleet.node_of[device]))
        if not free.users[device]:
            self._count(device, -1)
        self._add(free.compute, device, -compute)
        self._add(free.memory, device, -memory)
        self._add(free.users, device, 1)
        level = next((bit for name, bit in LEVEL_BIT.items() if name == isolation), LEVEL_BIT["shared"])
        self._set(free.mode, device, free.mode[device] | level)
        self._set(free.team, device, self.teams.setdefault(team, len(self.teams)))
        known = dict(self.fleet.extras.get(device, ()))
        for name, amount in others.items():
            self._set(free.extras, (device, name), free.extras.get((device, name), known[name].value) - amount)

    def settle_on(self, node: int, pod: Pod) -> None:
        """Take the room that a pod takes on a node."""
        self._room(node, pod, -1)
        ports = frozenset(pod.constraints.ports)
        if ports:
            self._set(self.free.ports, node, self.free.ports.get(node, frozenset()) | ports)

    def leave(self, node: int, pod: Pod) -> None:
        """Give back the room that a pod takes on a node."""
        self._room(node, pod, 1)
        ports = frozenset(pod.constraints.ports)
        if ports:
            self._set(self.free.ports, node, self.free.ports.get(node, frozenset()) - ports)

    def _room(self, node: int, pod: Pod, sign: int) -> None:
        """Take (`sign` -1) or give back (1) a pod's room, ports aside."""
        free = self.free
        self.changed.append(node)
        self._add(free.cpu, node, sign * pod.cpu)
        self._add(free.memory_of_node, node, sign * pod.memory)
        self._add(free.pods, node, sign)
        for name, amount in pod.others:
            self._set(free.others, (node, name), self._others(node, name) + sign * amount)

    def _others(self, node: int, name: str) -> int:
        """What a node has left of another resource."""
        return self.free.others.get((node, name), dict(self.fleet.nodes[node].others).get(name, 0))

    def give_back(self, allocation: Allocation) -> None:
        """Give back what a claim holds of devices."""
        for i, result in self._results(allocation):
            free = self.free
            self.changed.append(int(self.fleet.node_of[i]))
            compute, memory = consumption(self.fleet, i, result)
            self._add(free.compute, i, compute)
            self._add(free.memory, i, memory)
            self._add(free.users, i, -1)
            consumed = dict(result.consumed)
            for name, capacity in self.fleet.extras.get(i, ()):
                left = free.extras.get((i, name), capacity.value)
                self._set(free.extras, (i, name), left + consumed.get(name, capacity.value))
            if not free.users[i]:
                self._set(free.mode, i, 0)
                self._set(free.team, i, NOBODY)
                self._count(i, 1)

    def _results(self, allocation: Allocation) -> Iterator[tuple[int, Any]]:
        """The results of an allocation whose devices are there, with their index."""
        for result in allocation.results:
            i = self.fleet.device_index.get(result.device)
            if i is not None:
                yield i, result

    def close(self, device: int) -> None:
        """Let nobody take anything of a device any more, nor of what its partitions share."""
        free = self.free
        self.changed.append(int(self.fleet.node_of[device]))
        if not free.users[device]:
            self._count(device, -1)
        self._set(free.compute, device, 0)
        self._set(free.memory, device, 0)
        self._add(free.users, device, 1)
        self._set(free.mode, device, free.mode[device] | CLOSED)

    def _count(self, device: int, sign: int) -> None:
        """Take (`sign` -1) or give back (1) what a device draws on the counters that its partitions share."""
        for counter, amount in self.fleet.consumes.get(device, ()):
            self._add(self.free.counters, counter, sign * amount)
