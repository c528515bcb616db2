"""A second wall around `hard` shares: a limit on the GPU memory of a container's cgroup, where NVIDIA's driver has it.

MPS limits each process that keeps to its daemon; this limits the container, whatever its processes do. Nobody tells
when a container starts, or starts again, so the cgroups are looked at often (`LOOK_SECONDS`); until then MPS is alone.
No soft limit is set: it would be a reservation, which stays with the cgroups above when a container goes. The limit
itself goes with its cgroup.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from farthing.model.errors import FarthingError, UnsupportedError
from farthing.node.cgroups import containers
from farthing.node.checkpoint import Record
from farthing.node.devices import Device, Inventory
from farthing.node.limits import has_wall, memory_of
from farthing.node.share import Share

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5

SetLimit = Callable[[Device, Path, int], None]
"""Limits the memory (bytes) of a device for a cgroup. Raises UnsupportedError where it never can, or TransientError."""

_Wall = tuple[Path, str, int]
"""A container's folder, a device, and the bytes that it may have of it."""


class MemoryLimits:
    """The limits of one node's `hard` shares. `root` is where the host's cgroups are seen."""

    def __init__(self, root: Path, set_limit: SetLimit) -> None:
        self._root = root
        self._set_limit = set_limit
        self._standing: set[_Wall] = set()
        self._unable: set[str] = set()
        self._told: set[_Wall] = set()
        self.inside: frozenset[str] = frozenset()

    def enforce(self, records: Iterable[Record], inventory: Inventory) -> frozenset[str]:
        """Limit all containers that there are now; the uids of the claims that came to be `inside`, or to be not.

        `inside` are the claims all of whose containers are limited. Where there are none just now, it is as it was.
        """
        shares = {r.claim.uid: found for r in records if (found := _walled(r.shares, inventory))}
        budgets = _budgets(shares.values(), inventory)
        folders = containers(self._root, {pod for pod, _ in budgets}) if budgets else {}
        walls = {
            (pod, name): {(folder, name, memory) for folder in folders.get(pod, ())}
            for (pod, name), memory in budgets.items()
        }
        everywhere = set().union(*walls.values())
        self._told &= everywhere
        self._standing = {wall for wall in sorted(everywhere) if self._stands(wall, inventory)}
        before = self.inside
        self.inside = frozenset(
            uid
            for uid, mine in shares.items()
            if ((around := _around(mine, walls)) and around <= self._standing) or (not around and uid in before)
        )
        return (before ^ self.inside) & frozenset(shares)

    def _stands(self, wall: _Wall, inventory: Inventory) -> bool:
        """Whether the limit is in force; sets it where it is not."""
        folder, name, memory = wall
        if wall in self._standing:
            return True
        if name in self._unable:
            return False
        try:
            self._set_limit(inventory.by_name[name], folder, memory)
        except UnsupportedError as error:
            self._unable.add(name)
            _log.warning("no limit by cgroup on this device; MPS is its only wall", device=name, error=str(error))
            return False
        except FarthingError as error:
            if wall not in self._told:
                self._told.add(wall)
                _log.error("a container is not limited by its cgroup", device=name, error=str(error))
            return False
        return True


def _walled(shares: Iterable[Share], inventory: Inventory) -> list[Share]:
    """The shares that are to have such a wall, and that pods use."""
    found = ((share, inventory.device(share.device)) for share in shares if share.pods)
    return [share for share, device in found if device and has_wall(share, device)]


def _budgets(claims: Iterable[list[Share]], inventory: Inventory) -> dict[tuple[str, str], int]:
    """The bytes that each container of a pod may have of a device: all that the pod has of it.

    Nobody says which container of a pod has which of its claims; a limit that is too wide for one ends no work.
    """
    budgets: dict[tuple[str, str], int] = defaultdict(int)
    for shares in claims:
        for share in shares:
            for pod in share.pods:
                budgets[pod, share.device] += memory_of(share, inventory.by_name[share.device])
    return budgets


def _around(shares: Iterable[Share], walls: Mapping[tuple[str, str], set[_Wall]]) -> set[_Wall]:
    """The walls around the containers of one claim."""
    return {wall for share in shares for pod in share.pods for wall in walls[pod, share.device]}
