"""The score table: rows of asks, columns of nodes, kept up to date as nodes change."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farthing.decide.board import BLOCK, COUNT, CPU, IMPOSSIBLE, MEMORY, MILLI, TEAM, WHOLE, LEVEL, ANY_TEAM, Board, Rows
from farthing.decide.fit import NEVER, eligible
from farthing.decide.needs import Need
from farthing.decide.scoring import OURS, Knobs, meaning, parts
from farthing.decide.shapes import shapes
from farthing.decide.sharing import MANY_TEAMS
from farthing.state.fleet import LEVEL_BIT, Fleet
from farthing.state.mix import AskClass, Typical, coarse
from farthing.state.snapshot import Free


@dataclass(slots=True, eq=False)
class Question:
    row: int
    ask: Any
    amounts: Any
    ok: Any
    rask: Any


class Table:
    def __init__(self, fleet: Fleet, free: Free, mix: Typical, knobs: Knobs = OURS) -> None:
        from farthing.decide import kernels
        self.engine = kernels
        self.fleet = fleet
        self.knobs = knobs
        self.mix = mix
        found = shapes(fleet)
        n, d = len(fleet.nodes), len(fleet.devices)
        first = np.searchsorted(fleet.node_of, np.arange(n + 1)).astype(np.int64)
        m = meaning(fleet, mix, knobs)
        M = m.wants.shape[1]
        self.board = Board(
            first=first, shape=found.of, size=found.size,
            usable=(~(fleet.partition | fleet.tainted)).astype(np.uint8), multi=fleet.multi.astype(np.uint8),
            left=np.stack([free.compute, free.memory]), on=np.stack([free.users, free.mode, free.team]),
            room=np.stack([free.cpu, free.memory_of_node, free.pods]),
            least=m.least, wants=m.wants.astype(float), price=m.price,
            rest=np.zeros((2, d), np.int64), enough=np.zeros((n, M), np.int32), slivers=np.zeros((n, M), np.int32),
            free=np.zeros(n, np.int64), waste=np.zeros(n), knobs=m.knobs.astype(np.int64), steps=m.steps)
        self._grow(64)
        self.questions: dict[Any, Question] = {}
        self.keys: dict[Any, int] = {}
        self.out = np.zeros(64, np.int64)
        self.engine.refresh(self.board, 0, n)

    def _grow(self, k: int) -> None:
        n = len(self.fleet.nodes)
        old = getattr(self, "rows", None)
        blocks = -(-n // BLOCK)
        rows = Rows(np.full((k, n), IMPOSSIBLE, np.int32), np.full((k, blocks), IMPOSSIBLE, np.int32), np.full((k, 2), -1, np.int64),
            np.zeros(2 * n, np.int64) if old is None else old.log, np.zeros(3, np.int64) if old is None else old.clock, np.zeros(n, np.int64) if old is None else old.stamp, np.zeros(n, np.int64), np.zeros(n, np.int32), np.zeros(n, np.int64))
        if old is not None:
            c = len(old.scores)
            rows.scores[:c] = old.scores; rows.best[:c] = old.best; rows.seen[:c] = old.seen
        self.rows = rows

    def set_mix(self, mix: Typical) -> None:
        if mix is self.mix:
            return
        self.mix = mix
        m = meaning(self.fleet, mix, self.knobs)
        n, M = len(self.fleet.nodes), m.wants.shape[1]
        self.board = self.board._replace(least=m.least, wants=m.wants.astype(float), price=m.price, knobs=m.knobs.astype(np.int64), steps=m.steps,
            enough=np.zeros((n, M), np.int32), slivers=np.zeros((n, M), np.int32))
        self.engine.refresh(self.board, 0, n)
        self.rows.clock[1] += 1

    def question(self, need: Need | None, cpu: int, memory: int, team: int) -> Question:
        key = (need, cpu, memory, team)
        found = self.questions.get(key)
        if found is None:
            ask = np.zeros(8, np.int64)
            ask[CPU], ask[MEMORY], ask[TEAM] = cpu, memory, team
            S = len(shapes(self.fleet).example)
            amounts, ok = np.zeros((4, S), np.int64), np.zeros(0, np.uint8)
            if need is not None:
                sieve = eligible(self.fleet, need)
                ask[COUNT] = need.count
                ask[WHOLE] = need.ask is not None and need.ask.whole
                ask[LEVEL] = LEVEL_BIT[need.isolation]
                ask[ANY_TEAM] = need.isolation in MANY_TEAMS
                amounts[:2] = sieve.gives
                amounts[2:] = parts(self.fleet, sieve.gives)
                ok = sieve.healthy.astype(np.uint8)
            row = self.keys.setdefault((need, cpu, team), len(self.keys))
            if row >= len(self.rows.scores):
                self._grow(2 * len(self.rows.scores))
            found = self.questions[key] = Question(row, ask, amounts, ok, ask.copy())
            found.rask[MEMORY]=0
        return found

    def choose(self, q: Question) -> int:
        return self.engine.choose(self.board, self.rows, q.row, q.rask, q.amounts, q.ok, q.ask, q.amounts, self.out)

    def take(self, q: Question, node: int, devices: Any, sign: int = 1) -> None:
        self.engine.take(self.board, self.rows, node, q.ask, q.amounts, devices, sign)
