"""A snapshot to plan in: what is left, with what this plan has already given taken off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from farthing.decide.fit import eligible, extras
from farthing.decide.jit import engine
from farthing.decide.needs import Need
from farthing.decide.table import Table
from farthing.model.cluster import Allocation, Pod
from farthing.state.fleet import LEVEL_BIT, Fleet, level_bit
from farthing.state.mix import NOTHING, Typical
from farthing.state.snapshot import Free, Snapshot
from farthing.state.usage import NOBODY, consumption

UNSEEN = -3
"""The index of a team that holds nothing yet."""

CLOSED = 1 << 30
"""The mode of a device that nobody may join: no level has this bit."""


_ABSENT: Final = object()
"""Was not there before."""


@dataclass(slots=True)
class Trial:
    """What is tried; unless it is `kept`, it leaves no trace."""

    kept: bool = False


@dataclass(slots=True)
class Draft:
    """Owns its columns; `take` and `settle_on` change them, and list the nodes that they `changed`.

    Inside a `trial` what entries were before is remembered in `before`, as (column, index or key, value).
    """

    fleet: Fleet
    free: Free
    teams: dict[str, int] = field(default_factory=dict)
    mix: Typical = NOTHING
    changed: list[int] = field(default_factory=list)
    before: list[tuple[Any, Any, Any]] | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Draft":
        """A draft of a snapshot. The snapshot's columns are its own copy already, so they are used as they are."""
        return cls(snapshot.fleet, snapshot.free, {name: i for i, name in enumerate(snapshot.teams)}, snapshot.mix)

    def copy(self) -> "Draft":
        """A draft with columns of its own."""
        return Draft(self.fleet, self.free.copy(), dict(self.teams), self.mix)

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        """Try something: unless it is kept, what is changed inside is as it was before, afterwards. May be nested."""
        outer, begun, trial = self.before, len(self.changed), Trial()
        self.before = []
        try:
            yield trial
        finally:
            if not trial.kept:
                self._undo(self.before)
                self.changed += sorted(set(self.changed[begun:]))
            elif outer is not None:
                outer += self.before
            self.before = outer

    def _undo(self, before: list[tuple[Any, Any, Any]]) -> None:
        for column, key, old in reversed(before):
            if old is _ABSENT:
                del column[key]
            else:
                column[key] = old

    def _set(self, column: Any, key: Any, value: Any) -> None:
        """Change one entry of a column of `free`, an array or a dict."""
        if self.before is not None:
            self.before.append((column, key, column.get(key, _ABSENT) if isinstance(column, dict) else column[key]))
        column[key] = value

    def _use(self, device: int, compute: int, memory: int, users: int, mode: int) -> None:
        """Take amounts and users of a device (or give them back), which is then shared in a mode."""
        free = self.free
        self.changed.append(int(self.fleet.node_of[device]))
        if not free.users[device] or not free.users[device] + users:
            for counter, amount in self.fleet.consumes.get(device, ()):
                self._set(free.counters, counter, free.counters[counter] - users * amount)
        self._set(free.compute, device, free.compute[device] - compute)
        self._set(free.memory, device, free.memory[device] - memory)
        self._set(free.users, device, free.users[device] + users)
        self._set(free.mode, device, mode)

    def team(self, name: str) -> int:
        return self.teams.get(name, UNSEEN)

    def table(self) -> Table:
        """The scores of the fleet's nodes as this draft has them. Remembered with the fleet, for the kernels in use."""
        memo, key = self.fleet.memo, ("table", engine())
        if key not in memo:
            memo[key] = Table(self.fleet, self.free, self.mix)
        found: Table = memo[key]
        found.learn(self.mix)
        found.follow(self.free, self.changed)
        return found

    def take(self, device: int, need: Need, team: str) -> None:
        """Take what the need takes of a device."""
        fleet, free = self.fleet, self.free
        compute, memory = eligible(fleet, need).amounts(device)
        if not fleet.multi[device]:
            compute, memory = int(fleet.compute[device]), int(fleet.memory[device])
        self._use(device, compute, memory, 1, free.mode[device] | LEVEL_BIT[need.isolation])
        self._set(free.team, device, self.teams.setdefault(team, len(self.teams)))
        others = fleet.extras.get(device, ())
        for name, amount in extras(need, others).items():
            left = free.extras.get((device, name), dict(others)[name].value)
            self._set(free.extras, (device, name), left - amount)

    def hold(self, allocation: Allocation) -> None:
        """Take what an allocation takes of devices, as its claim holds it."""
        fleet, free = self.fleet, self.free
        level = level_bit(allocation.isolation)
        for result in allocation.results:
            i = fleet.device_index.get(result.device)
            if i is None:
                continue
            self._use(i, *consumption(fleet, i, result), 1, free.mode[i] | level)
            self._set(free.team, i, self.teams.setdefault(allocation.team, len(self.teams)))
            consumed = dict(result.consumed)
            for name, capacity in fleet.extras.get(i, ()):
                left = free.extras.get((i, name), capacity.value)
                self._set(free.extras, (i, name), left - consumed.get(name, capacity.value))

    def settle_on(self, node: int, pod: Pod) -> None:
        """Take the room that a pod takes on a node."""
        self._room(node, pod, 1)
        if pod.constraints.ports:
            used = self.free.ports.get(node, frozenset())
            self._set(self.free.ports, node, used | frozenset(pod.constraints.ports))

    def leave(self, node: int, pod: Pod) -> None:
        """Give back the room that a pod takes on a node."""
        self._room(node, pod, -1)
        if pod.constraints.ports:
            used = self.free.ports.get(node, frozenset())
            self._set(self.free.ports, node, used - frozenset(pod.constraints.ports))

    def _room(self, node: int, pod: Pod, sign: int) -> None:
        free = self.free
        self.changed.append(node)
        self._set(free.cpu, node, free.cpu[node] - sign * pod.cpu)
        self._set(free.memory_of_node, node, free.memory_of_node[node] - sign * pod.memory)
        self._set(free.pods, node, free.pods[node] - sign)
        for name, amount in pod.others:
            self._set(free.others, (node, name), self._others(node, name) - sign * amount)

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
            last = free.users[i] == 1
            self._use(i, -compute, -memory, -1, 0 if last else free.mode[i])
            if last:
                self._set(free.team, i, NOBODY)
            consumed = dict(result.consumed)
            for name, capacity in self.fleet.extras.get(i, ()):
                left = free.extras.get((i, name), capacity.value)
                self._set(free.extras, (i, name), left + consumed.get(name, capacity.value))

    def close(self, device: int) -> None:
        """Let nobody take anything of a device any more, nor of what its partitions share."""
        free = self.free
        compute, memory = int(free.compute[device]), int(free.memory[device])
        self._use(device, compute, memory, 1, free.mode[device] | CLOSED)
