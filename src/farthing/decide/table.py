"""The score table: rows of asks, columns of nodes, brought up to date as nodes change.

It keeps columns of its own of what is left. A simulation takes and gives in them; the spoke plans in a Draft and lets
the table `follow` it. Everything here is remembered, never decided: a table that was made anew would say the same.
"""

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
    Board,
    Flags,
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
from farthing.state.mix import AskClass, Typical, coarse
from farthing.state.snapshot import Free

ROW_BYTES: Final = 1 << 26
"""Memory for scores; a table whose rows would need more forgets them and starts over."""

QUESTIONS: Final = 1 << 16
"""So many different asks are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One ask as kernels read it, and the row that scores it, whose ask stands for several where it is `joined`.

    It is good for as long as the table is of the same `generation`.

    `ok` says which devices it may have at all. `wants` [4, S] is what it takes of a device of each shape, in the
    driver's units and as parts; `takes` the same with devices that only one can use taken entirely.
    """

    generation: int
    row: int
    ask: Ints
    wants: Ints
    takes: Ints
    ok: Flags
    row_ask: Ints
    row_wants: Ints
    joined: bool


class Table:
    """Scores of asks on the nodes of one fleet, for one mix at a time."""

    def __init__(self, fleet: Fleet, free: Free, mix: Typical, knobs: Knobs = OURS) -> None:
        self._fleet, self._mix, self._knobs = fleet, mix, knobs
        self._questions: dict[Any, Question] = {}
        self._row_of: dict[Any, int] = {}
        self._rows = _rows(len(fleet.nodes), 16)
        self._board = _board(fleet, free, mix, knobs)
        self._out = np.zeros(max(MOST_DEVICES, 1), dtype=np.int64)
        self._followed: tuple[object, int] = (None, 0)
        self.generation = 0
        engine().refresh(self._board, 0, len(fleet.nodes))

    # What has changed ---------------------------------------------------------------------------------------------

    def learn(self, mix: Typical) -> None:
        """Score by another mix from now on."""
        if mix is self._mix or mix == self._mix:
            return
        if mix.grid != self._mix.grid:
            self._forget()
        self._mix = mix
        self._board = self._board._replace(**_mix_columns(self._fleet, mix, self._knobs))
        self._all_changed()

    def follow(self, free: Free, changed: list[int]) -> None:
        """Take over what is left from a plan's columns; `changed` lists the nodes that the plan has touched so far."""
        b, (known, read) = self._board, self._followed
        nodes = set(changed[read:] if known is free else self._different(free))
        self._followed = (free, len(changed))
        if len(nodes) > len(self._fleet.nodes) // 4:
            b.left[:], b.on[:], b.room[:] = _left(free), _on(free), _room(free)
            self._all_changed()
            return
        for n in nodes:
            d = slice(b.first[n], b.first[n + 1])
            b.left[:, d] = free.compute[d], free.memory[d]
            b.on[:, d] = free.users[d], free.mode[d], free.team[d]
            b.room[:, n] = free.cpu[n], free.memory_of_node[n], free.pods[n]
            engine().refresh(b, n, n + 1)
            self._rows.log[self._rows.clock[0] % len(self._rows.log)] = n
            self._rows.clock[0] += 1

    def _different(self, free: Free) -> list[int]:
        """Nodes of which these columns say something else."""
        b = self._board
        devices = (b.left != _left(free)).any(axis=0) | (b.on != _on(free)).any(axis=0)
        nodes = (b.room != _room(free)).any(axis=0)
        nodes[self._fleet.node_of[devices]] = True
        return [int(n) for n in np.flatnonzero(nodes)]

    def _all_changed(self) -> None:
        engine().refresh(self._board, 0, len(self._fleet.nodes))
        self._rows.clock[1] += 1

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
        node = engine().choose(
            self._board, self._rows, q.row, q.row_ask, q.row_wants, q.ask, q.wants, q.ok, q.joined, self._out
        )
        return node, self._out

    def scores(self, question: Question) -> Scores:
        """The scores of all nodes, IMPOSSIBLE where the ask cannot be."""
        q = question
        engine().update(self._board, self._rows, q.row, q.row_ask, q.row_wants, q.ok, self._out)
        found: Scores = self._rows.scores[q.row]
        return found

    def pick(self, question: Question, node: int, ok: Bools) -> tuple[int, ...]:
        """The devices for an ask on a node, of those that are `ok`; none where it cannot be."""
        q = question
        score = engine().pick(self._board, self._rows, node, q.ask, q.wants, ok.view(np.uint8), self._out)
        return () if score == IMPOSSIBLE else tuple(int(d) for d in self._out[: q.ask[COUNT]])

    def take(self, question: Question, node: int, devices: Ints, sign: int = 1) -> None:
        """Take an ask's amounts off a node and its devices; with `sign` -1 give them back."""
        engine().take(self._board, self._rows, node, question.ask, question.takes, devices, sign)

    @property
    def board(self) -> Board:
        """The columns as they are, to be read."""
        return self._board

    # Rows ---------------------------------------------------------------------------------------------------------

    def _asked(self, need: Need | None, cpu: int, memory: int, team: int) -> Question:
        row_need, row_cpu = need, cpu
        if need is not None and need.ask is not None:
            kind = coarse(AskClass(need.ask, cpu), self._mix.grid)
            row_need, row_cpu = replace(need, ask=kind.ask), kind.cpu
        ask, row_ask = _ask(need, cpu, memory, team), _ask(row_need, row_cpu, 0, team)
        wants, row_wants = self._wants(need), self._wants(row_need)
        row = self._row((row_need, row_cpu, team))
        return Question(
            generation=self.generation,
            row=row,
            ask=ask,
            wants=wants,
            takes=self._takes(wants),
            ok=eligible(self._fleet, need).healthy.view(np.uint8) if need else np.zeros(0, dtype=np.uint8),
            row_ask=row_ask,
            row_wants=row_wants,
            joined=(row_need, row_cpu) != (need, cpu),
        )

    def _row(self, key: Any) -> int:
        """The number of a row. Where there is no memory for another, all are forgotten."""
        if key not in self._row_of:
            if len(self._row_of) >= max(16, ROW_BYTES // (4 * max(1, len(self._fleet.nodes)))):
                self._forget()
            self._row_of[key] = len(self._row_of)
            if len(self._row_of) > len(self._rows.scores):
                self._rows = _more(self._rows)
        return self._row_of[key]

    def _forget(self) -> None:
        """Forget all rows; questions that others keep are asked anew."""
        self._row_of.clear()
        self._questions.clear()
        self._rows.seen[:] = -1
        self.generation += 1

    def _wants(self, need: Need | None) -> Ints:
        if need is None:
            return np.zeros((4, len(shapes(self._fleet).example)), dtype=np.int64)
        gives = eligible(self._fleet, need).gives
        found = np.concatenate([gives, parts(self._fleet, gives)])
        found[2:, ~self._shared] = 1000
        return found

    def _takes(self, wants: Ints) -> Ints:
        return np.where(self._shared, wants[:2], shapes(self._fleet).size)

    @property
    def _shared(self) -> Bools:
        """Shapes of which several can have a part."""
        return np.asarray(self._fleet.multi[shapes(self._fleet).example])


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
        rest=np.zeros((2, len(fleet.devices)), dtype=np.int64),
        free=np.zeros(nodes, dtype=np.int64),
        waste=np.zeros(nodes),
        **_mix_columns(fleet, mix, knobs),
    )


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
