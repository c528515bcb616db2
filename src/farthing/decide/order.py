"""In what order those who wait are placed, and by whom anybody may be overtaken.

Placing several asks together, the largest first, packs better than placing each as it came. So that nobody starves,
an older pod of the same priority may only be overtaken by larger ones that came within the same WINDOW_SECONDS, and by
fewer than WINDOW of them at a time. Pods that were let go already keep their turn, and what a gang that was let go has
lost is replaced before anybody else gets anything.

Spot pods come last. Where there are teams, priority counts within a team only, and as a head start: who waits long
enough goes before whoever came later, whatever their priority.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, TypeVar

from farthing.decide.needs import Need, needs_of
from farthing.model.cluster import Key
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
    queue = sorted(waiting, key=_place)
    found: list[Waiting] = []
    for (on_its_way, *_), together in groupby(queue, key=_window):
        mates = list(together)
        found += mates if on_its_way else jointly(mates, WINDOW, _size)
    return found


HEAD_START_SECONDS: Final = 600
"""So much earlier a pod seems to have come for each point of its priority: 100 points are 17 hours."""

AGED_SECONDS: Final = 600
"""For who has waited so long in its team's turn, room is kept until it has it."""


def team_order(waiting: Iterable[Waiting], queueing: Queueing) -> list[Waiting]:
    """A team's own order: who came first, counted with its head start; unless Strict, the larger first in a window."""
    queue = sorted(waiting, key=_turn)
    if queueing is Queueing.STRICT:
        return queue
    windows = groupby(queue, key=_turn_window)
    return [one for _, together in windows for one in jointly(list(together), WINDOW, _size)]


def is_spot(waiting: Waiting) -> bool:
    """Whether it runs only on what nobody else wants, and so comes after everybody else."""
    return waiting.pod.qos == "spot"


def came(waiting: Waiting) -> float:
    """When a pod was created, less its head start."""
    return _turn(waiting)[1]


def jointly(queue: Sequence[_T], window: int, size: Callable[[_T], int]) -> list[_T]:
    """A queue with the largest first within each window; those of one size stay as they are."""
    windows = (queue[i : i + window] for i in range(0, len(queue), window))
    return [item for window in windows for item in sorted(window, key=size, reverse=True)]


def under_way(waiting: Waiting) -> bool:
    """A pod that was let go cannot be gated again: it keeps its turn, unless kube-scheduler refuses it for ever."""
    return not waiting.pod.gated and waiting.refusals <= PATIENCE


def has_begun(waiting: Waiting) -> bool:
    """Whether it was let go, or comes in the place of one of its gang that was."""
    return under_way(waiting) or (waiting.gang is not None and waiting.gang.broken)


# Remembered with those who wait, since all of them are put in order for every plan --------------------------------


def _turn(waiting: Waiting) -> tuple[bool, float, Key]:
    """What a team's own order goes by."""
    if "turn" not in waiting.memo:
        came_at = waiting.pod.created - HEAD_START_SECONDS * waiting.pod.priority
        waiting.memo["turn"] = is_spot(waiting), came_at, waiting.pod.key
    found: tuple[bool, float, Key] = waiting.memo["turn"]
    return found


def _turn_window(waiting: Waiting) -> tuple[bool, float, int]:
    """Who shares this is placed jointly in a team's own order."""
    if "turn window" not in waiting.memo:
        waiting.memo["turn window"] = is_spot(waiting), came(waiting) // WINDOW_SECONDS, waiting.pod.priority
    found: tuple[bool, float, int] = waiting.memo["turn window"]
    return found


def _place(waiting: Waiting) -> tuple[bool, bool, int, float, Key]:
    """What the order without teams goes by."""
    if "place" not in waiting.memo:
        pod = waiting.pod
        waiting.memo["place"] = not has_begun(waiting), is_spot(waiting), -pod.priority, pod.created, pod.key
    found: tuple[bool, bool, int, float, Key] = waiting.memo["place"]
    return found


def _window(waiting: Waiting) -> tuple[bool, bool, int, int]:
    """Who shares this is placed jointly without teams."""
    if "window" not in waiting.memo:
        pod, half_minute = waiting.pod, int(waiting.pod.created // WINDOW_SECONDS)
        waiting.memo["window"] = has_begun(waiting), is_spot(waiting), pod.priority, half_minute
    found: tuple[bool, bool, int, int] = waiting.memo["window"]
    return found


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
