"""What teams borrowed in the past, faded: after a half-life of borrowing nothing, half of it is forgotten.

It is a level, not a sum: who borrows the same for long comes to remember just that.

    level(later) = level + (1 - 0.5 ** (seconds / half-life)) * (what was borrowed in between - level)

A memory can be written down, by team as of an instant, and begun with later. Between the two, whoever reads it takes
what is borrowed when it is read to have been borrowed all the time; so only what would then be wrong is worth writing.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from farthing.state.teams import Column, Numbers, Tree

PART: Final = 20
"""What is written down is right where it is wrong by no more than this part of it,"""

OF_THE_POOL: Final = 10_000
"""or of the pool by this one."""

_Key = tuple[str, Column]


@dataclass(frozen=True, slots=True)
class Lately:
    """What a team borrowed lately, as remembered at the instant `at`: thousandths of devices, or bytes, by column."""

    at: float
    borrowed: tuple[tuple[Column, int], ...] = ()


class Memory:
    """The levels of all teams. A half-life of 0 seconds remembers nothing."""

    def __init__(self, half_life: float = 0.0) -> None:
        self._half_life = half_life
        self._at: float | None = None
        self._level: dict[_Key, float] = {}
        self._last: dict[_Key, int] = {}
        self._written: dict[str, Lately] = {}

    def copy(self) -> "Memory":
        """One that remembers the same."""
        found = Memory(self._half_life)
        found._at, found._level, found._last = self._at, dict(self._level), dict(self._last)
        found._written = dict(self._written)
        return found

    def recall(self, written: Iterable[tuple[str, Lately]]) -> None:
        """Begin with what was written down of teams; before anything is learned."""
        self._written.update(written)

    def learn(self, tree: Tree, usage: Numbers, at: float) -> Numbers:
        """Note that from now on this is used; what is remembered, by team and column. Empty where nothing ever is."""
        if self._half_life <= 0:
            return ()
        now = dict(_borrowed(tree, usage))
        if self._at is None:
            self._level = self._begin(now, at)
        else:
            for key in self._level.keys() | self._last.keys():
                self._level[key] = self._later(self._level.get(key, 0.0), self._last.get(key, 0), at - self._at)
        self._at, self._last = at, now
        return tuple(
            tuple(round(self._level.get((team.name, column), 0.0)) for column in tree.columns) for team in tree.teams
        )

    def _later(self, level: float, borrowed: int, seconds: float) -> float:
        kept = math.exp2(-max(0.0, seconds) / self._half_life)
        return borrowed + kept * (level - borrowed)

    def _begin(self, now: dict[_Key, int], at: float) -> dict[_Key, float]:
        """The first levels: from what was written down; who is not in there always borrowed what it does now."""
        levels = {key: float(amount) for key, amount in now.items() if key[0] not in self._written}
        for team, found in self._written.items():
            keys = {(team, column) for column, _ in found.borrowed} | {key for key in now if key[0] == team}
            levels |= {key: self._read(found, key, now.get(key, 0), at) for key in keys}
        return levels

    def _read(self, found: Lately, key: _Key, borrowed: int, at: float) -> float:
        """What a reader would make of what is written."""
        return self._later(dict(found.borrowed).get(key[1], 0), borrowed, at - found.at)

    # Writing down -------------------------------------------------------------------------------------------------

    def worth_writing(self, tree: Tree) -> dict[str, Lately]:
        """What to write of which teams: of those about which what is written says something else than is remembered.

        As of the last `learn`. Namespaces without a team are nowhere to be written.
        """
        if self._at is None:
            return {}
        self._written = {name: said for name, said in self._written.items() if name in tree.index}
        found: dict[str, Lately] = {}
        for team in tree.teams[1:]:
            if team.name in tree.implicit:
                continue
            levels = tuple((column, round(self._level.get((team.name, column), 0.0))) for column in tree.columns)
            if any(self._is_news(tree, team.name, r, level, self._at) for r, (_, level) in enumerate(levels)):
                found[team.name] = Lately(self._at, tuple(pair for pair in levels if pair[1]))
        return found

    def _is_news(self, tree: Tree, team: str, r: int, level: int, at: float) -> bool:
        key = (team, tree.columns[r])
        borrowed = self._last.get(key, 0)
        written = self._written.get(team)
        read = borrowed if written is None else self._read(written, key, borrowed, at)
        return abs(level - read) > max(level / PART, tree.subtree[0][r] / OF_THE_POOL)

    def note_written(self, team: str, found: Lately) -> None:
        """It is written down now."""
        self._written[team] = found


def _borrowed(tree: Tree, usage: Numbers) -> Iterator[tuple[_Key, int]]:
    """What each team has beyond what it is guaranteed, where it has."""
    for team, used, has in zip(tree.teams, usage, tree.subtree, strict=True):
        for column, amount, guaranteed in zip(tree.columns, used, has, strict=True):
            if amount > guaranteed:
                yield (team.name, column), amount - guaranteed
