"""In what order those who wait are placed, and by whom anybody may be overtaken.

Placing several asks together, the largest first, packs better than placing each as it came. So that nobody starves,
an older pod of the same priority may only be overtaken by larger ones that came within the same WINDOW_SECONDS, and by
fewer than WINDOW of them at a time. Pods that were let go already keep their turn.

Where there are teams, priority counts within a team only, and as a head start: who waits long enough goes before
whoever came later, whatever their priority.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, TypeVar

from farthing.decide.needs import Need, needs_of
from farthing.model.quantity import WHOLE_DEVICE
from farthing.model.team import Queueing
from farthing.state.snapshot import Waiting

_T = TypeVar("_T")

PATIENCE: Final = 3
"""So many refusals may be kube-scheduler's stale view; a pod refused more often lets others go first."""

WINDOW: Final = 100
"""So many asks are placed jointly."""

WINDOW_SECONDS: Final = 30
"""Only those who were created in the same stretch of so many seconds are placed jointly."""


def in_order(waiting: Iterable[Waiting]) -> list[Waiting]:
    """Those under way first, then higher priority, then the older, the larger first within a window, then by name."""
    queue = sorted(waiting, key=lambda w: (not under_way(w), -w.pod.priority, w.pod.created, w.pod.key))
    found: list[Waiting] = []
    for (on_its_way, _, _), together in groupby(queue, key=_window):
        mates = list(together)
        found += mates if on_its_way else jointly(mates, WINDOW, _size)
    return found


HEAD_START_SECONDS: Final = 600
"""So much earlier a pod seems to have come for each point of its priority: 100 points are 17 hours."""

AGED_SECONDS: Final = 600
"""For who has waited so long in its team's turn, room is kept until it has it."""


def team_order(waiting: Iterable[Waiting], queueing: Queueing) -> list[Waiting]:
    """A team's own order: who came first, counted with its head start; unless Strict, the larger first in a window."""
    queue = sorted(waiting, key=lambda w: (came(w), w.pod.key))
    if queueing is Queueing.STRICT:
        return queue
    windows = groupby(queue, key=lambda w: (came(w) // WINDOW_SECONDS, w.pod.priority))
    return [one for _, together in windows for one in jointly(list(together), WINDOW, _size)]


def came(waiting: Waiting) -> float:
    """When a pod was created, less its head start."""
    if "came" not in waiting.memo:
        waiting.memo["came"] = waiting.pod.created - HEAD_START_SECONDS * waiting.pod.priority
    found: float = waiting.memo["came"]
    return found


def jointly(queue: Sequence[_T], window: int, size: Callable[[_T], int]) -> list[_T]:
    """A queue with the largest first within each window; those of one size stay as they are."""
    windows = (queue[i : i + window] for i in range(0, len(queue), window))
    return [item for window in windows for item in sorted(window, key=size, reverse=True)]


def under_way(waiting: Waiting) -> bool:
    """A pod that was let go cannot be gated again: it keeps its turn, unless kube-scheduler refuses it for ever."""
    return not waiting.pod.gated and waiting.refusals <= PATIENCE


def _window(waiting: Waiting) -> tuple[bool, int, int]:
    return under_way(waiting), waiting.pod.priority, int(waiting.pod.created // WINDOW_SECONDS)


def _size(waiting: Waiting) -> int:
    """What a pod wants of GPUs, in thousandths; what depends on the device counts as half of one."""
    if "size" not in waiting.memo:
        waiting.memo["size"] = sum(_milli(need) for claim in waiting.claims for _, need in needs_of(claim))
    found: int = waiting.memo["size"]
    return found


def _milli(need: Need) -> int:
    if need.ask is None:
        return need.count * WHOLE_DEVICE
    return need.count * (need.ask.milli or WHOLE_DEVICE // 2)
