"""The search for moves: who leaves a node so that a waiting pod fits there, and where they go.

On every node that could ever hold the pod, movable pods are taken off device by device, those who lose least first,
until it fits; whoever need not have left is put back. Each of the rest must find another place *while it still runs*
and the waiting pod's devices are closed to it. The node where this costs least is proposed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fit import eligible
from farthing.decide.movable import devices_of, lost_seconds, milli_held, milli_wanted, replacement
from farthing.decide.needs import Need, needs_of
from farthing.decide.nodes import allowed
from farthing.decide.place import Placement, place
from farthing.model.cluster import DeviceId, Pod
from farthing.state.fleet import Bools
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

    def best(self, waiting: Waiting, budget: Budget) -> Proposal | None:
        """The moves that cost least: work lost, then restarts, then the smallest node; None where none will do."""
        needs = tuple(need for claim in waiting.claims if claim.ours for _, need in needs_of(claim))
        found = [
            (trial.proposal.lost_gpu_seconds, len(trial.proposal.moves), node, trial)
            for node, here in self._nodes(waiting.pod, needs)
            if (trial := self._on(node, here, waiting, needs, budget)) is not None
        ]
        if not found:
            return None
        best = min(found, key=lambda entry: entry[:3])[3]
        self.draft = best.after
        self.moved.update(move.pod.uid for move in best.proposal.moves)
        return best.proposal

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

    def _on(
        self, node: int, here: list[Resident], waiting: Waiting, needs: tuple[Need, ...], budget: Budget
    ) -> "_Trial | None":
        """Moves that make room on one node within the budget, or None."""
        room = self._make_room(node, here, waiting, needs)
        if room is None or len(room[0]) > budget.moves:
            return None
        leaving, placement = room
        after = self.draft.copy()
        targets = [device for devices in placement.devices for device in devices]
        for device in targets:
            after.close(device)
        after.settle_on(node, waiting.pod)
        moves = self._elsewhere(after, leaving)
        if moves is None or sum(move.lost_gpu_seconds for move in moves) > budget.lost_gpu_seconds:
            return None
        fleet = after.fleet
        wanted = (milli_wanted(fleet, n, i) for n, chosen in zip(needs, placement.devices, strict=True) for i in chosen)
        devices = tuple(fleet.devices[i] for i in targets)
        proposal = Proposal(waiting.pod, waiting.team, sum(wanted), fleet.nodes[node].name, devices, moves)
        return _Trial(proposal, after)

    # Leaving ------------------------------------------------------------------------------------------------------

    def _make_room(
        self, node: int, here: list[Resident], waiting: Waiting, needs: tuple[Need, ...]
    ) -> tuple[list[Resident], Placement] | None:
        """Who leaves so that the pod fits, and where on the node it then goes."""
        within = np.zeros(len(self.draft.fleet.nodes), dtype=bool)
        within[node] = True
        leaving: list[Resident] = []
        found: Placement | None = None
        for group in self._by_device(here):
            leaving += [resident for resident in group if resident not in leaving]
            found = self._fits(leaving, waiting, needs, within)
            if found is not None:
                break
        if found is None:
            return None
        for resident in sorted(leaving, key=self._cost, reverse=True):
            fewer = [one for one in leaving if one is not resident]
            again = self._fits(fewer, waiting, needs, within)
            if again is not None:
                leaving, found = fewer, again
        return (leaving, found) if leaving else None

    def _fits(
        self, leaving: list[Resident], waiting: Waiting, needs: tuple[Need, ...], within: Bools
    ) -> Placement | None:
        """Where the pod goes when some have left."""
        trial = self.draft.copy()
        for resident in leaving:
            for claim in resident.claims:
                if claim.allocation is not None:
                    trial.give_back(claim.allocation)
            trial.leave(trial.fleet.node_index[resident.pod.node], resident.pod)
        return place(trial, waiting.pod, needs, waiting.team, within)

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
        milli = milli_held(self.draft.fleet, resident)
        return lost_seconds(resident.pod, self.at) * milli // 1000, milli, str(resident.pod.key)

    # Going elsewhere ----------------------------------------------------------------------------------------------

    def _elsewhere(self, after: Draft, leaving: list[Resident]) -> tuple[Move, ...] | None:
        """A new place for everybody who leaves, the largest first, taken off the draft; None where one finds none."""
        moves = []
        for resident in sorted(leaving, key=self._cost_last):
            found = self._settle(after, resident)
            if found is None:
                return None
            moves.append(found)
        return tuple(moves)

    def _cost_last(self, resident: Resident) -> tuple[int, str]:
        return -milli_held(self.draft.fleet, resident), str(resident.pod.key)

    def _settle(self, after: Draft, resident: Resident) -> Move | None:
        fleet, pod = after.fleet, replacement(resident.pod)
        needs = tuple(need for claim in resident.claims for _, need in needs_of(claim))
        found = place(after, pod, needs, resident.team)
        if found is None:
            return None
        for need, devices in zip(needs, found.devices, strict=True):
            for device in devices:
                after.take(device, need, resident.team)
        after.settle_on(found.node, pod)
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
class _Trial:
    """A proposal, and the draft that it leaves behind."""

    proposal: Proposal
    after: Draft
