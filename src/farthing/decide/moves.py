"""The search for moves: who leaves a node so that a waiting pod fits there, and where they go.

On every node that could ever hold the pod, movable pods are taken off device by device, those who lose least first,
until it fits; whoever need not have left is put back. Each of the rest must find another place *while it still runs*
and the waiting pod's devices are closed to it. The node where this costs least is proposed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fit import able, eligible
from farthing.decide.movable import devices_of, lost_seconds, milli_held, milli_wanted, replacement
from farthing.decide.needs import Need, needs_of
from farthing.decide.nodes import allowed, roomy
from farthing.decide.place import Placement, place
from farthing.model.cluster import DeviceId, Pod
from farthing.state.residents import Resident
from farthing.state.snapshot import Waiting

NODES_TRIED: Final = 64
"""Of the nodes that come into question, so many are looked at closely for each waiting pod: those with most free."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What moves may cost at most: so many restarts, and so much work to be done again, in GPU seconds."""

    moves: int = 20
    lost_gpu_seconds: int = 24 * 3600


@dataclass(frozen=True, slots=True)
class Move:
    """A pod is restarted elsewhere. `lost_gpu_seconds` is the work that has to be done again, at most.

    `gpu_milli` is what it holds, in thousandths of devices.
    """

    pod: Pod
    team: str
    gpu_milli: int
    devices: tuple[DeviceId, ...]
    to_node: str
    to_devices: tuple[DeviceId, ...]
    lost_gpu_seconds: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Moves that let one waiting pod start, on `devices` of `node`. `gpu_milli` is what starts: the gain."""

    pod: Pod
    team: str
    gpu_milli: int
    node: str
    devices: tuple[DeviceId, ...]
    moves: tuple[Move, ...]

    @property
    def lost_gpu_seconds(self) -> int:
        """The cost, besides the restarts."""
        return sum(move.lost_gpu_seconds for move in self.moves)


@dataclass
class Search:
    """Looks for moves on a draft, which every proposal changes to what it leaves behind."""

    draft: Draft
    at: float
    movable: tuple[Resident, ...]
    moved: set[str] = field(default_factory=set)
    _costs: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def best(self, waiting: Waiting, budget: Budget) -> Proposal | None:
        """The moves that cost least: work lost, then restarts, then the smallest node; None where none will do."""
        needs = tuple(need for claim in waiting.claims if claim.ours for _, need in needs_of(claim))
        cheapest: tuple[_Cost, _Room] | None = None
        for node, here in self._nodes(waiting.pod, needs):
            leaving = self._leaving(node, here, waiting, needs)
            cost = (sum(self._cost(resident)[0] for resident in leaving), len(leaving), node)
            affordable = leaving and len(leaving) <= budget.moves and cost[0] <= budget.lost_gpu_seconds
            if affordable and (cheapest is None or cost < cheapest[0]):
                room = self._room(node, leaving, waiting, needs)
                cheapest = (cost, room) if room and self._possible(room, waiting) else cheapest
        return self._proposal(cheapest[1], waiting, needs) if cheapest else None

    def _possible(self, room: "_Room", waiting: Waiting) -> bool:
        """Whether everybody who leaves finds another place."""
        with self.draft.trial():
            return len(self._carry_out(room, waiting)) == len(room.leaving)

    def _proposal(self, room: "_Room", waiting: Waiting, needs: tuple[Need, ...]) -> Proposal:
        """Make the moves in the draft, for good, and write them down."""
        fleet, chosen = self.draft.fleet, room.placement.devices
        wanted = [milli_wanted(fleet, n, i) for n, devices in zip(needs, chosen, strict=True) for i in devices]
        moves = self._carry_out(room, waiting)
        self.moved.update(move.pod.uid for move in moves)
        devices = tuple(fleet.devices[i] for i in room.targets)
        node = fleet.nodes[room.placement.node].name
        return Proposal(waiting.pod, waiting.team, sum(wanted), node, devices, moves)

    def _carry_out(self, room: "_Room", waiting: Waiting) -> tuple[Move, ...]:
        """Close to others what the pod gets, and move those who leave, until one finds no place."""
        for device in room.targets:
            self.draft.close(device)
        self.draft.settle_on(room.placement.node, waiting.pod)
        moves = []
        for resident in sorted(room.leaving, key=self._largest_first):
            found = self._settle(resident)
            if found is None:
                break
            moves.append(found)
        return tuple(moves)

    def _nodes(self, pod: Pod, needs: tuple[Need, ...]) -> Iterator[tuple[int, list[Resident]]]:
        """Nodes that could hold the pod were they empty, those with most free first, and who may leave each."""
        fleet, size = self.draft.fleet, len(self.draft.fleet.nodes)
        could, free = allowed(fleet, pod.constraints).copy(), np.zeros(size)
        for need in needs:
            healthy = eligible(fleet, need).healthy
            could &= np.bincount(fleet.node_of[healthy], minlength=size) >= need.count
            free += np.bincount(fleet.node_of[healthy], weights=self.draft.free.compute[healthy], minlength=size)
        homes: dict[int, list[Resident]] = defaultdict(list)
        for resident in self.movable:
            node = fleet.node_index.get(resident.pod.node)
            if node is not None and could[node] and self._may_leave(resident, pod):
                homes[node].append(resident)
        for node in sorted(homes, key=lambda node: (-free[node], node))[:NODES_TRIED]:
            yield node, homes[node]

    def _may_leave(self, resident: Resident, pod: Pod) -> bool:
        """Nobody is moved twice, nor for somebody less important."""
        return resident.pod.uid not in self.moved and resident.pod.priority <= pod.priority

    # Leaving ------------------------------------------------------------------------------------------------------

    def _leaving(
        self, node: int, here: list[Resident], waiting: Waiting, needs: tuple[Need, ...]
    ) -> tuple[Resident, ...]:
        """Who leaves a node so that the pod fits; nobody where it would not if all did."""
        if not self._fits_without(here, node, waiting, needs):
            return ()
        leaving: list[Resident] = []
        with self.draft.trial():
            for group in self._by_device(here):
                more = [resident for resident in group if resident not in leaving]
                leaving += more
                self._leave(more)
                if self._fits(node, waiting, needs):
                    break
        for resident in sorted(leaving, key=self._cost, reverse=True):
            fewer = [one for one in leaving if one is not resident]
            if self._fits_without(fewer, node, waiting, needs):
                leaving = fewer
        return tuple(leaving)

    def _leave(self, leaving: Iterable[Resident]) -> None:
        """Give back what residents hold."""
        draft = self.draft
        for resident in leaving:
            for claim in resident.claims:
                if claim.allocation is not None:
                    draft.give_back(claim.allocation)
            draft.leave(draft.fleet.node_index[resident.pod.node], resident.pod)

    def _fits_without(self, leaving: Iterable[Resident], node: int, waiting: Waiting, needs: tuple[Need, ...]) -> bool:
        with self.draft.trial():
            self._leave(leaving)
            return self._fits(node, waiting, needs)

    def _fits(self, node: int, waiting: Waiting, needs: tuple[Need, ...]) -> bool:
        """Whether the pod fits on the node as it is now. Whatever could lack is counted before a place is sought."""
        draft, fleet = self.draft, self.draft.fleet
        if not roomy(fleet, draft.free, waiting.pod)[node]:
            return False
        team, rows = draft.team(waiting.team), slice(*map(int, np.searchsorted(fleet.node_of, (node, node + 1))))
        if any(np.count_nonzero(able(fleet, draft.free, need, team, rows)) < need.count for need in needs):
            return False
        return (len(needs) == 1 and not fleet.consumes) or self._place(node, waiting, needs) is not None

    def _place(self, node: int, waiting: Waiting, needs: tuple[Need, ...]) -> Placement | None:
        within = np.zeros(len(self.draft.fleet.nodes), dtype=bool)
        within[node] = True
        return place(self.draft, waiting.pod, needs, waiting.team, within)

    def _room(
        self, node: int, leaving: tuple[Resident, ...], waiting: Waiting, needs: tuple[Need, ...]
    ) -> "_Room | None":
        """Where on the node the pod goes when they have left."""
        with self.draft.trial():
            self._leave(leaving)
            found = self._place(node, waiting, needs)
        return _Room(leaving, found) if found else None

    def _by_device(self, here: list[Resident]) -> list[list[Resident]]:
        """Who is on each device, the devices that can be emptied first, then those where least is lost."""
        on: dict[DeviceId, list[Resident]] = defaultdict(list)
        for resident in here:
            for device in devices_of(resident):
                on[device].append(resident)
        index, users = self.draft.fleet.device_index, self.draft.free.users

        def cost(device: DeviceId) -> tuple[int, int, int, int]:
            i = index.get(device, -1)
            stays = int(users[i]) - len(on[device]) if i >= 0 else 1
            return int(stays > 0), sum(self._cost(resident)[0] for resident in on[device]), len(on[device]), i

        return [on[device] for device in sorted(on, key=cost)]

    def _cost(self, resident: Resident) -> tuple[int, int, str]:
        """By work lost, then size, then name."""
        uid = resident.pod.uid
        if uid not in self._costs:
            milli = milli_held(self.draft.fleet, resident)
            lost = lost_seconds(resident.pod, self.at) * milli // 1000
            self._costs[uid] = lost, milli, str(resident.pod.key)
        return self._costs[uid]

    def _largest_first(self, resident: Resident) -> tuple[int, str]:
        _, milli, name = self._cost(resident)
        return -milli, name

    # Going elsewhere ----------------------------------------------------------------------------------------------

    def _settle(self, resident: Resident) -> Move | None:
        """A new place for somebody who leaves, taken off the draft; None where there is none."""
        draft, pod = self.draft, replacement(resident.pod)
        fleet = draft.fleet
        needs = tuple(need for claim in resident.claims for _, need in needs_of(claim))
        found = place(draft, pod, needs, resident.team)
        if found is None:
            return None
        for need, devices in zip(needs, found.devices, strict=True):
            for device in devices:
                draft.take(device, need, resident.team)
        draft.settle_on(found.node, pod)
        lost, milli, _ = self._cost(resident)
        return Move(
            pod=resident.pod,
            team=resident.team,
            gpu_milli=milli,
            devices=devices_of(resident),
            to_node=fleet.nodes[found.node].name,
            to_devices=tuple(fleet.devices[device] for devices in found.devices for device in devices),
            lost_gpu_seconds=lost,
        )


@dataclass(frozen=True, eq=False)
class _Room:
    """Room for a pod: who leaves for it, and where it then goes."""

    leaving: tuple[Resident, ...]
    placement: Placement

    @property
    def targets(self) -> tuple[int, ...]:
        """The devices that it gets."""
        return tuple(device for devices in self.placement.devices for device in devices)


_Cost = tuple[int, int, int]
"""Work lost in GPU seconds, restarts, the node."""
