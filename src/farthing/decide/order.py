"""In what order those who wait are placed, and by whom anybody may be overtaken.

Placing several asks together, the largest first, packs better than placing each as it came. So that nobody starves,
an older pod of the same priority may only be overtaken by larger ones that came within the same WINDOW_SECONDS, and by
fewer than WINDOW of them at a time. Pods that were let go already keep their turn, and what a gang that was let go has
lost is replaced before anybody else gets anything.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, TypeVar

from farthing.decide.needs import Need, needs_of
from farthing.model.quantity import WHOLE_DEVICE
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
    queue = sorted(waiting, key=lambda w: (not _has_begun(w), -w.pod.priority, w.pod.created, w.pod.key))
    found: list[Waiting] = []
    for (on_its_way, _, _), together in groupby(queue, key=_window):
        mates = list(together)
        found += mates if on_its_way else jointly(mates, WINDOW, _size)
    return found


def jointly(queue: Sequence[_T], window: int, size: Callable[[_T], int]) -> list[_T]:
    """A queue with the largest first within each window; those of one size stay as they are."""
    windows = (queue[i : i + window] for i in range(0, len(queue), window))
    return [item for window in windows for item in sorted(window, key=size, reverse=True)]


def under_way(waiting: Waiting) -> bool:
    """A pod that was let go cannot be gated again: it keeps its turn, unless kube-scheduler refuses it for ever."""
    return not waiting.pod.gated and waiting.refusals <= PATIENCE


def _has_begun(waiting: Waiting) -> bool:
    return under_way(waiting) or (waiting.gang is not None and waiting.gang.broken)


def _window(waiting: Waiting) -> tuple[bool, int, int]:
    return _has_begun(waiting), waiting.pod.priority, int(waiting.pod.created // WINDOW_SECONDS)


def _size(waiting: Waiting) -> int:
    """What a pod wants of GPUs, in thousandths; what depends on the device counts as half of one."""
    return sum(_milli(need) for claim in waiting.claims for _, need in needs_of(claim))


def _milli(need: Need) -> int:
    if need.ask is None:
        return need.count * WHOLE_DEVICE
    return need.count * (need.ask.milli or WHOLE_DEVICE // 2)
