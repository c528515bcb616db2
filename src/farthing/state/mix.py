"""What is asked for: the mix of asks, learned from what arrives.

A `Mix` counts arrivals by class, and forgets: when it has counted MOST, all counts are halved, so that it follows what
is asked for lately. Decisions see the `Typical` mix, which changes only when the mix has moved, since everything that
was scored with the old one must be scored anew.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from farthing.model.ask import Ask
from farthing.model.quantity import WHOLE_DEVICE, Bytes, MilliGpu

MOST: Final = 1 << 13
"""So many arrivals are counted; then the older ones at a half of their weight, a quarter, and so on."""

KNOWN: Final = 512
"""So many of the commonest classes are shown to decisions."""

COVERED: Final = 0.85
"""The typical classes are the commonest, as many as make up this part of the arrivals."""

CLASSES: Final = 64
"""At most so many typical classes: where it would take more, classes are joined on a coarser grid."""

SERVED: Final = 0.98
ROWS: Final = 96
"""So much of what arrives is scored by at most so many rows; where it would take more, asks share rows likewise."""

MOVED: Final = 0.1
"""The mix has moved when this part of it is of other classes than before; less may be chance."""


class AskClass(NamedTuple):
    """Asks that are alike to the mix: what they want of GPUs, and cpu in thousandths of a core."""

    ask: Ask
    cpu: int


WHOLE: Final = AskClass(Ask(milli=WHOLE_DEVICE), 0)
"""Somebody may always want a whole device, though nobody has lately: it is in every mix,"""

HOPE: Final = 32
"""at the least as one of so many arrivals."""

_GRIDS: Final = ((16, 1), (8, 20), (4, 50), (2, 125))
"""Coarser and coarser: cpu in so many steps between powers of two (half of the number), devices in such thousandths."""


@dataclass(frozen=True, slots=True)
class Typical:
    """The mix as decisions see it: the commonest `classes` with how often each was counted, commonest first.

    The first `typical` of them are what fragmentation is judged by. `grid` says how coarsely classes are joined, `rows`
    how coarsely asks are that share a row of scores; 0: not at all.
    """

    classes: tuple[tuple[AskClass, int], ...] = ()
    typical: int = 0
    grid: int = 0
    rows: int = 0


NOTHING: Final = Typical()


class Mix:
    """Counts of what arrived, by class."""

    def __init__(self) -> None:
        self._counts: Counter[AskClass] = Counter()
        self._total = 0
        self._next = 0
        self._typical = NOTHING

    @property
    def due(self) -> int:
        """How many more have to arrive before the mix is looked at anew; until then `typical` stays as it is."""
        return min(self._next, MOST) - self._total

    def add(self, kind: AskClass, times: int = 1) -> None:
        """One more of a class has arrived, or so many."""
        self._counts[kind] += times
        self._total += times
        if self._total >= MOST:
            self._counts = Counter({kind: count // 2 for kind, count in self._counts.items() if count > 1})
            self._total = sum(self._counts.values())
            self._next = 0

    def typical(self) -> Typical:
        """The mix, as it was where it has not moved since. It is looked at anew when twice as many have arrived."""
        if self._total >= self._next:
            self._next = 2 * self._total
            found = typical_of(self._counts, max(0, self._typical.grid - 1))
            if moved(self._typical, found):
                self._typical = found
        return self._typical


def typical_of(counts: Counter[AskClass], finest: int = 0) -> Typical:
    """The mix of these counts, on the finest grid (not finer than `finest`) on which few enough classes are typical."""
    hope = max(1, sum(counts.values()) // HOPE)
    chosen: tuple[int, Counter[AskClass]] | None = None
    for grid in range(finest, len(_GRIDS) + 1):
        joined = Counter({WHOLE: hope})
        for kind, count in counts.items():
            joined[coarse(kind, grid)] += count
        last = grid == len(_GRIDS)
        if chosen is None and (last or _covering(joined.values(), COVERED) <= CLASSES):
            chosen = grid, joined
        if chosen is not None and (last or _covering(joined.values(), SERVED) <= ROWS):
            return _ordered(*chosen, rows=grid)
    raise AssertionError("the coarsest grid always does")


def _ordered(grid: int, counts: Counter[AskClass], rows: int) -> Typical:
    """Counts as a mix, commonest first; a whole device is typical in any case."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], _name(item[0])))
    typical = min(CLASSES, _covering(counts.values(), COVERED))
    first, rest = ordered[:typical], ordered[typical:]
    first += [(kind, count) for kind, count in rest if kind == WHOLE]
    return Typical((*first, *(item for item in rest if item[0] != WHOLE))[:KNOWN], len(first), grid, rows)


def _covering(counts: Iterable[int], part: float) -> int:
    """How many of the counts, largest first, it takes to cover such a part of them all."""
    found = sorted(counts, reverse=True)
    needed, so_far = part * sum(found), 0
    for i, count in enumerate(found):
        so_far += count
        if so_far >= needed:
            return i + 1
    return len(found)


def _name(kind: AskClass) -> tuple[str, int]:
    return repr(kind.ask), kind.cpu


def moved(old: Typical, new: Typical) -> bool:
    """Whether enough of the new mix is of other classes than the old one."""
    if (old.grid, old.rows) != (new.grid, new.rows) or not old.classes or not new.classes:
        return old != new
    before, after = dict(old.classes), dict(new.classes)
    whole_before, whole_after = sum(before.values()), sum(after.values())
    kinds = before.keys() | after.keys()
    apart = sum(abs(before.get(k, 0) / whole_before - after.get(k, 0) / whole_after) for k in kinds)
    return apart / 2 > MOVED


def coarse(kind: AskClass, grid: int) -> AskClass:
    """The class on a grid: amounts rounded down, so that what it stands for never fits where this does not."""
    if not grid:
        return kind
    steps, milli = _GRIDS[grid - 1]
    return AskClass(_coarse_ask(kind.ask, steps, milli), rounded(kind.cpu, steps))


def on_grid(cpu: int, grid: int) -> int:
    """The cpu of an ask for nothing else, on a grid."""
    return rounded(cpu, _GRIDS[grid - 1][0]) if grid else cpu


def _coarse_ask(ask: Ask, steps: int, step: int) -> Ask:
    if ask.memory is not None:
        return replace(ask, memory=Bytes(rounded(ask.memory, steps)))
    if ask.milli is None or ask.whole:
        return ask
    return replace(ask, milli=MilliGpu(max(1, ask.milli // step * step)))


def rounded(amount: int, steps: int) -> int:
    """An amount rounded down to one of `steps` / 2 values between powers of two."""
    unit = max(1, 1 << max(0, amount.bit_length() - steps.bit_length() + 1))
    return amount // unit * unit
