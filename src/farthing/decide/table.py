"""The score table: rows of asks, columns of nodes, brought up to date as nodes change.

It keeps columns of its own of what is left. A simulation takes and gives in them; the spoke plans in a Draft and lets
the table `follow` it. Everything here is remembered, never decided: a table that was made anew would say the same.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from farthing.decide.board import (
    ANY_TEAM,
    BLOCK,
    COUNT,
    CPU,
    IMPOSSIBLE,
    LEVEL,
    MEMORY,
    TEAM,
    WHOLE,
    Asked,
    Board,
    Rows,
    Scores,
)
from farthing.decide.closeness import domains
from farthing.decide.fit import eligible
from farthing.decide.jit import engine
from farthing.decide.needs import Need
from farthing.decide.scoring import OURS, Knobs, meaning, parts
from farthing.decide.shapes import shapes
from farthing.model.ask import MOST_DEVICES
from farthing.model.sharing import MANY_TEAMS
from farthing.state.fleet import LEVEL_BIT, Bools, Fleet, Ints
from farthing.state.mix import AskClass, Typical, coarse, on_grid
from farthing.state.snapshot import Free

ROW_BYTES: Final = 1 << 26
"""Memory for scores; a table whose rows would need more forgets them and starts over."""

QUESTIONS: Final = 1 << 16
"""So many different asks are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One ask as kernels read it, and the row that scores it, whose ask stands for several where it is `joined`.

    It is good for as long as the table is of the same `generation`.

    What it may have is `even` if that is the same on nodes that are alike. `held` is what was asked for the engine.
    """

    generation: int
    row: int
    asked: Asked
    held: Any
    joined: bool
    even: bool


class Table:
    """Scores of asks on the nodes of one fleet, for one mix at a time."""

    def __init__(self, fleet: Fleet, free: Free, mix: Typical, knobs: Knobs = OURS) -> None:
        self._fleet, self._mix, self._knobs, self._engine = fleet, mix, knobs, engine()
        self._questions: dict[Any, Question] = {}
        self._row_of: dict[Any, int] = {}
        self._rows = _rows(len(fleet.nodes), 16)
        self._board = _board(fleet, free, mix, knobs)
        self._twin = _mark_alike(self._board)
        self._out = np.zeros(max(MOST_DEVICES, 1), dtype=np.int64)
        self._followed: tuple[object, int] = (None, 0)
        self.generation = 0
        self._hold()
        self._engine.renew(self._held)

    def _hold(self) -> None:
        """What the engine works on is what these columns are now."""
        self._held = self._engine.hold(*self._board, *self._rows)

    # What has changed ---------------------------------------------------------------------------------------------

    def learn(self, mix: Typical) -> None:
        """Score by another mix from now on."""
        if mix is self._mix or mix == self._mix:
            return
        if mix.rows != self._mix.rows:
            self._forget()
        self._mix = mix
        self._board = self._board._replace(**_mix_columns(self._fleet, mix, self._knobs))
        self._hold()
        self._engine.renew(self._held)

    def follow(self, free: Free, changed: list[int]) -> None:
        """Take over what is left from a plan's columns; `changed` lists the nodes that the plan has touched so far."""
        b, (known, read) = self._board, self._followed
        nodes = set(changed[read:] if known is free else self._different(free))
        self._followed = (free, len(changed))
        if len(nodes) > len(self._fleet.nodes) // 4:
            b.left[:], b.on[:], b.room[:] = _left(free), _on(free), _room(free)
            b.alike[:] = -1
            self._engine.renew(self._held)
            return
        for n in nodes:
            d = slice(b.first[n], b.first[n + 1])
            b.left[:, d] = free.compute[d], free.memory[d]
            b.on[:, d] = free.users[d], free.mode[d], free.team[d]
            b.room[:, n] = free.cpu[n], free.memory_of_node[n], free.pods[n]
            self._engine.touch(self._held, n)

    def _different(self, free: Free) -> list[int]:
        """Nodes of which these columns say something else."""
        b = self._board
        devices = (b.left != _left(free)).any(axis=0) | (b.on != _on(free)).any(axis=0)
        nodes = (b.room != _room(free)).any(axis=0)
        nodes[self._fleet.node_of[devices]] = True
        return [int(n) for n in np.flatnonzero(nodes)]

    # Asking -------------------------------------------------------------------------------------------------------

    def question(self, need: Need | None, cpu: int, memory: int, team: int) -> Question:
        """A pod's need, with its cpu (thousandths of a core) and memory (bytes), as kernels read it. Remembered."""
        key = (need, cpu, memory, team)
        found = self._questions.get(key)
        if found is None:
            if len(self._questions) >= QUESTIONS:
                self._forget()
            found = self._questions[key] = self._asked(need, cpu, memory, team)
        return found

    def choose(self, question: Question) -> tuple[int, Ints]:
        """The node with the highest score that can take the ask, -1 where none can, and the devices.

        Ties go to the first node. The devices are overwritten by the next call.
        """
        q = question
        return self._engine.choose(self._held, q.held, q.row, q.joined, q.even, self._out), self._out

    def place(self, question: Question) -> tuple[int, Ints]:
        """Choose, and take what was chosen."""
        q = question
        return self._engine.place(self._held, q.held, q.row, q.joined, q.even, self._out), self._out

    def scores(self, question: Question) -> Scores:
        """The scores of all nodes, IMPOSSIBLE where the ask cannot be."""
        q = question
        self._engine.update(self._held, q.held, q.row, q.even, self._out)
        found: Scores = self._rows.scores[q.row]
        return found

    def pick(self, question: Question, node: int, ok: Bools) -> tuple[int, ...]:
        """The devices for an ask on a node, of those that are `ok`; none where it cannot be."""
        asked = question.asked._replace(ok=np.ascontiguousarray(ok).view(np.uint8))
        score = self._engine.pick(self._held, self._engine.hold(*asked), node, self._out)
        return () if score == IMPOSSIBLE else tuple(int(d) for d in self._out[: asked.ask[COUNT]])

    def take(self, question: Question, node: int, devices: Ints, sign: int = 1) -> None:
        """Take an ask's amounts off a node and its devices; with `sign` -1 give them back."""
        self._engine.take(self._held, question.held, node, devices, sign)

    @property
    def board(self) -> Board:
        """The columns as they are, to be read."""
        return self._board

    # Rows ---------------------------------------------------------------------------------------------------------

    def _asked(self, need: Need | None, cpu: int, memory: int, team: int) -> Question:
        row_need, row_cpu, row_team = self._standing_for(need, cpu, team)
        wants, takes = self._amounts(need)
        asked = Asked(
            ask=_ask(need, cpu, memory, team),
            wants=wants,
            takes=takes,
            ok=eligible(self._fleet, need).healthy.view(np.uint8) if need else np.zeros(0, dtype=np.uint8),
            row_ask=_ask(row_need, row_cpu, 0, row_team),
            row_wants=self._amounts(row_need)[0],
        )
        row = self._row((row_need, row_cpu, row_team))
        return Question(
            generation=self.generation,
            row=row,
            asked=asked,
            held=self._engine.hold(*asked),
            joined=(row_need, row_cpu) != (need, cpu),
            even=bool(not len(asked.ok) or (asked.ok == asked.ok[self._twin]).all()),
        )

    def _standing_for(self, need: Need | None, cpu: int, team: int) -> tuple[Need | None, int, int]:
        """What scores an ask: the same for many, and for all teams where it does not matter whose it is."""
        if need is None:
            return None, on_grid(cpu, self._mix.rows), 0
        if need.ask is None:
            return need, cpu, team
        kind = coarse(AskClass(need.ask, cpu), self._mix.rows)
        anybody = need.ask.whole or need.isolation in MANY_TEAMS
        return replace(need, ask=kind.ask), kind.cpu, 0 if anybody else team

    def _row(self, key: Any) -> int:
        """The number of a row. Where there is no memory for another, all are forgotten."""
        if key not in self._row_of:
            if len(self._row_of) >= max(16, ROW_BYTES // (4 * max(1, len(self._fleet.nodes)))):
                self._forget()
            self._row_of[key] = len(self._row_of)
            if len(self._row_of) > len(self._rows.scores):
                self._rows = _more(self._rows)
                self._hold()
        return self._row_of[key]

    def _forget(self) -> None:
        """Forget all rows; questions that others keep are asked anew."""
        self._row_of.clear()
        self._questions.clear()
        self._rows.seen[:] = -1
        self.generation += 1

    def _amounts(self, need: Need | None) -> tuple[Ints, Ints]:
        """What a need wants and takes of devices of each shape, as in an Asked. Remembered with the fleet."""
        memo, key = self._fleet.memo, ("amounts", need)
        if key not in memo:
            memo[key] = _amounts(self._fleet, need)
        found: tuple[Ints, Ints] = memo[key]
        return found


def _amounts(fleet: Fleet, need: Need | None) -> tuple[Ints, Ints]:
    size = shapes(fleet).size
    if need is None:
        return np.zeros((4, size.shape[1]), dtype=np.int64), np.zeros_like(size)
    gives = eligible(fleet, need).gives
    wants = np.concatenate([gives, parts(fleet, gives)])
    shared = fleet.multi[shapes(fleet).example]
    wants[2:, ~shared] = 1000
    return wants, np.where(shared, gives, size)


def _ask(need: Need | None, cpu: int, memory: int, team: int) -> Ints:
    ask = np.zeros(7, dtype=np.int64)
    ask[CPU], ask[MEMORY], ask[TEAM] = cpu, memory, team
    if need is not None:
        ask[COUNT] = need.count
        ask[WHOLE] = need.ask is not None and need.ask.whole
        ask[LEVEL] = LEVEL_BIT[need.isolation]
        ask[ANY_TEAM] = need.isolation in MANY_TEAMS
    return ask


# Columns ----------------------------------------------------------------------------------------------------------


def _board(fleet: Fleet, free: Free, mix: Typical, knobs: Knobs) -> Board:
    nodes, found = len(fleet.nodes), shapes(fleet)
    return Board(
        first=np.searchsorted(fleet.node_of, np.arange(nodes + 1)).astype(np.int64),
        shape=found.of,
        size=found.size,
        usable=(~(fleet.partition | fleet.tainted)).astype(np.uint8),
        multi=fleet.multi.astype(np.uint8),
        domains=domains(fleet),
        left=_left(free),
        on=_on(free),
        room=_room(free),
        alike=np.full(nodes, -1, dtype=np.int64),
        rest=np.zeros((2, len(fleet.devices)), dtype=np.int64),
        free=np.zeros(nodes, dtype=np.int64),
        waste=np.zeros(nodes),
        **_mix_columns(fleet, mix, knobs),
    )


def _mark_alike(b: Board) -> Ints:
    """Fill in `alike`. For each device the one that is in its place on the first of the nodes that are like its own."""
    near = np.where(b.domains >= 0, b.domains - b.domains[:, np.repeat(b.first[:-1], np.diff(b.first))], -1)
    device = np.vstack([b.shape, b.usable, b.multi, b.left, b.on, near]).T.copy()
    room, first = b.room.T.copy(), b.first.tolist()
    twin = np.arange(len(b.shape))
    makes: dict[tuple[bytes, bytes], tuple[int, int]] = {}
    for n, (begin, end) in enumerate(itertools.pairwise(first)):
        known = makes.setdefault((device[begin:end].tobytes(), room[n].tobytes()), (len(makes), begin))
        b.alike[n] = known[0]
        twin[begin:end] = range(known[1], known[1] + end - begin)
    return twin


def _left(free: Free) -> Ints:
    return np.stack([free.compute, free.memory])


def _on(free: Free) -> Ints:
    return np.stack([free.users, free.mode, free.team])


def _room(free: Free) -> Ints:
    return np.stack([free.cpu, free.memory_of_node, free.pods])


def _mix_columns(fleet: Fleet, mix: Typical, knobs: Knobs) -> dict[str, Any]:
    """The columns of the board that depend on the mix."""
    found = meaning(fleet, mix, knobs)
    by_ask = (len(fleet.nodes), found.wants.shape[1])
    return {
        "least": found.least,
        "wants": found.wants,
        "price": found.price,
        "rank": found.rank,
        "knobs": found.knobs,
        "steps": found.steps,
        "enough": np.zeros(by_ask, dtype=np.int32),
        "slivers": np.zeros(by_ask, dtype=np.int32),
    }


def _rows(nodes: int, rows: int) -> Rows:
    return Rows(
        scores=np.full((rows, nodes), IMPOSSIBLE, dtype=np.int32),
        best=np.full((rows, -(-nodes // BLOCK)), IMPOSSIBLE, dtype=np.int32),
        seen=np.full((rows, 2), -1, dtype=np.int64),
        log=np.zeros(max(1, nodes), dtype=np.int64),
        clock=np.zeros(3, dtype=np.int64),
        stamp=np.zeros(nodes, dtype=np.int64),
        todo=np.zeros(max(1, nodes), dtype=np.int64),
        fresh=np.zeros(max(1, nodes), dtype=np.int32),
        chosen=np.zeros(max(1, nodes), dtype=np.int64),
        same=np.zeros(max(1, nodes), dtype=np.int32),
    )


def _more(rows: Rows) -> Rows:
    """Twice as many rows; the new ones have seen nothing."""
    count, nodes = rows.scores.shape
    new = _rows(nodes, count)
    return rows._replace(
        scores=np.concatenate([rows.scores, new.scores]),
        best=np.concatenate([rows.best, new.best]),
        seen=np.concatenate([rows.seen, new.seen]),
    )
