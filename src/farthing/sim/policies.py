"""Ways to choose a place: Farthing's planner, and those that it is compared with.

All work on a score table and take what they choose off it. For the others the table has no mix and only tells where an
ask could be; what they prefer is said here, as in the simulator of the FGD paper (and there only as far as it shows in
the results: see docs/benchmarks.md). Scores are whole numbers from 0 to 100 as in kube-scheduler, and ties go to the
first node, but for Random.
"""

import math
import random
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farthing.decide.board import ANY_TEAM, IMPOSSIBLE, LEVEL, TEAM, WHOLE
from farthing.decide.scoring import OURS, Knobs
from farthing.decide.table import Question, Table
from farthing.model.ask import MOST_DEVICES, Ask
from farthing.model.quantity import WHOLE_DEVICE
from farthing.sim.fleet import Simulated
from farthing.sim.workload import Arrival, Kind
from farthing.state.fleet import Bools, Ints
from farthing.state.mix import AskClass, Mix, Typical

Place = tuple[int, tuple[int, ...]]
"""A node and devices, as indices into the fleet."""

CPU_SCALE: Final = 128_000
GPU_SCALE: Final = 8_000
"""What the largest node has, by which others are measured: thousandths of a core and of a GPU."""


class Policy(ABC):
    """Chooses places on a fleet, one pod after the other, and remembers what is taken."""

    def __init__(self, fleet: Simulated, mix: Typical, knobs: Knobs) -> None:
        self.fleet = fleet.fleet
        self.table = Table(fleet.fleet, fleet.empty(), mix, knobs)
        self._questions: dict[int, Question] = {}

    def question(self, kind: Kind) -> Question:
        """What a kind of pods asks of the table."""
        found = self._questions.get(id(kind))
        if found is None or found.generation != self.table.generation:
            found = self._questions[id(kind)] = self.table.question(kind.need, kind.cpu, kind.memory, kind.team)
        return found

    def meet(self, kinds: Sequence[Kind]) -> None:  # noqa: B027 -- most do not care
        """Some pods have arrived."""

    @abstractmethod
    def place(self, kind: Kind) -> Place | None:
        """Take a place for a pod; None where there is none."""

    def leave(self, kind: Kind, place: Place) -> None:
        """A pod has left its place."""
        self.table.take(self.question(kind), place[0], np.array(place[1], dtype=np.int64), -1)


class Planner(Policy):
    """Farthing's: the highest score, by the mix as it has been so far."""

    def __init__(self, fleet: Simulated, pods: Sequence[Arrival], seed: int, knobs: Knobs = OURS) -> None:  # noqa: ARG002
        super().__init__(fleet, Typical(), knobs)
        self._mix = Mix()
        self._met: list[Kind] = []

    def meet(self, kinds: Sequence[Kind]) -> None:
        """Counted together when the mix is looked at: until then it is the same whoever was counted."""
        self._met += kinds
        if len(self._met) < self._mix.due:
            return
        for kind, times in Counter(self._met).items():
            if kind.asks is not None:
                self._mix.add(kind.asks, times)
        self._met.clear()
        self.table.learn(self._mix.typical())

    def place(self, kind: Kind) -> Place | None:
        return _best(self.table, self.question(kind), kind)


def _best(table: Table, question: Question, kind: Kind) -> Place | None:
    node, devices = table.place(question)
    if node < 0:
        return None
    return node, tuple(devices[: kind.need.count].tolist()) if kind.need else ()


SIGMOID: Final = tuple(1000 * math.log(s / (100 - s)) for s in range(1, 100))
"""The gains, in thousandths of a GPU, from which int(100 * sigmoid(gain / 1000)) is 1, 2, ... 99."""

CPU_ONLY: Final = Ask(milli=WHOLE_DEVICE, models=("none",))
"""Stands in a mix for pods that no GPU is of use to."""


class Fgd(Policy):
    """Fragmentation Gradient Descent as published: knows the mix of the whole trace before it begins."""

    def __init__(self, fleet: Simulated, pods: Sequence[Arrival], seed: int) -> None:  # noqa: ARG002
        super().__init__(fleet, whole_mix(pods), Knobs(strand=0, price=0, steps=SIGMOID, small=False))

    def place(self, kind: Kind) -> Place | None:
        return _best(self.table, self.question(kind), kind)


def whole_mix(pods: Sequence[Arrival], covered: float = 0.95) -> Typical:
    """The commonest classes of a trace that make up so much of it."""
    counts = Counter(p.kind.asks or AskClass(CPU_ONLY, p.kind.cpu) for p in pods)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))
    reached = np.cumsum([count for _, count in ordered]) >= covered * len(pods)
    return Typical(tuple(ordered), int(np.argmax(reached)) + 1)


class Compared(Policy):
    """A policy of the literature. `prefer` scores nodes, `choose` picks among a node's devices."""

    def __init__(self, fleet: Simulated, pods: Sequence[Arrival], seed: int) -> None:  # noqa: ARG002
        super().__init__(fleet, Typical(), Knobs(strand=0, price=0, small=False))
        self._chance = random.Random(seed)  # noqa: S311 -- not for secrets
        self._alike: dict[object, Ints] = defaultdict(lambda: np.zeros(len(self.fleet.nodes), dtype=np.int64))
        self._idle = self.table.board.free.copy()

    def place(self, kind: Kind) -> Place | None:
        question = self.question(kind)
        able = self.table.scores(question) != IMPOSSIBLE
        nodes = np.flatnonzero(able & (self.table.board.room[1] >= kind.memory))
        if not len(nodes):
            return None
        node = int(nodes[self.prefer(kind, nodes)])
        devices = self._devices(kind, question, node)
        self.table.take(question, node, np.array(devices, dtype=np.int64))
        self._alike[_size(kind)][node] += 1
        return node, devices

    def leave(self, kind: Kind, place: Place) -> None:
        super().leave(kind, place)
        self._alike[_size(kind)][place[0]] -= 1

    def _devices(self, kind: Kind, question: Question, node: int) -> tuple[int, ...]:
        if kind.need is None:
            return ()
        ok = question.asked.ok.view(bool)
        if kind.need.count > 1:
            return self.table.pick(question, node, ok)
        b = self.table.board
        here = np.arange(b.first[node], b.first[node + 1])
        here = here[ok[here] & self._open(question, here)]
        return (int(self.choose(here, b.rest[0, here])),)

    def _open(self, question: Question, devices: Ints) -> Bools:
        """Which devices have what an ask takes, and let it in."""
        b, ask = self.table.board, question.asked.ask
        users, mode, team = b.on[:, devices]
        fits = (b.left[:, devices] >= question.asked.wants[:2, b.shape[devices]]).all(axis=0)
        joins = (mode == ask[LEVEL]) & ((ask[ANY_TEAM] != 0) | (team == ask[TEAM])) & (b.multi[devices] != 0)
        return np.asarray(fits & ((users == 0) | joins & (ask[WHOLE] == 0)))

    def choose(self, devices: Ints, rest: Ints) -> int:
        """The device with least left."""
        return int(devices[np.argmin(rest)])

    @abstractmethod
    def prefer(self, kind: Kind, nodes: Ints) -> int:
        """Which of the nodes, all of which would do."""

    def _left(self, nodes: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What nodes have left of cpu and GPUs, as parts of what the largest node has."""
        return self.table.board.room[0, nodes] / CPU_SCALE, self.table.board.free[nodes] / GPU_SCALE


def _size(kind: Kind) -> object:
    return (kind.need.count, kind.milli) if kind.need else None


def _scored(raw: NDArray[np.float64]) -> int:
    """The index of the highest score, after kube-scheduler's rounding to whole numbers of a hundred."""
    return int(np.argmax(np.trunc(raw * 100)))


class Random(Compared):
    """A node of chance, a device of chance."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:  # noqa: ARG002
        return self._chance.randrange(len(nodes))

    def choose(self, devices: Ints, rest: Ints) -> int:  # noqa: ARG002
        return int(devices[self._chance.randrange(len(devices))])


class FirstFit(Compared):
    """The first node."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:  # noqa: ARG002
        return 0


class BestFit(Compared):
    """The node with least left afterwards."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:
        cpu, gpu = self._left(nodes)
        left = 0.5 * (cpu - kind.cpu / CPU_SCALE) + 0.5 * (gpu - kind.milli / GPU_SCALE)
        return _scored(1 - left)


class DotProd(Compared):
    """The node whose leftover is least like what is asked for (Tetris)."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:
        cpu, gpu = self._left(nodes)
        return _scored(1 - (cpu * kind.cpu / CPU_SCALE + gpu * kind.milli / GPU_SCALE) / 2)


class Packing(Compared):
    """A device that is shared already, else a free one of a node in use, else an idle node; of these the fullest."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:
        if kind.need is None:
            return 0
        used = self._idle[nodes] > self.table.board.free[nodes]
        tier = used.astype(np.int64) + self._per_node(self._shareable(kind))[nodes].astype(bool)
        return int(np.argmax(tier * MOST_DEVICES - self._idle_devices()[nodes]))

    def _shareable(self, kind: Kind) -> Bools:
        """Devices that are shared and have room for a share."""
        rest = self.table.board.rest[0]
        if kind.need is None or kind.need.count > 1 or kind.milli == WHOLE_DEVICE:
            return np.zeros(len(rest), dtype=bool)
        return np.asarray((rest >= kind.milli) & (rest < WHOLE_DEVICE))

    def _idle_devices(self) -> Ints:
        return self._per_node(self.table.board.rest[0] == WHOLE_DEVICE)

    def _per_node(self, devices: Bools) -> Ints:
        return np.bincount(self.fleet.node_of[devices], minlength=len(self.fleet.nodes))


class Clustering(Packing):
    """A node that runs pods of the same size already; of these the fullest."""

    def prefer(self, kind: Kind, nodes: Ints) -> int:
        if kind.need is None:
            return 0
        alike = self._alike[_size(kind)][nodes] > 0
        return int(np.argmax(alike * MOST_DEVICES - self._idle_devices()[nodes]))


POLICIES: Final[dict[str, Callable[[Simulated, Sequence[Arrival], int], Policy]]] = {
    "Farthing": Planner,
    "FGD": Fgd,
    "BestFit": BestFit,
    "FirstFit": FirstFit,
    "DotProd": DotProd,
    "Packing": Packing,
    "Clustering": Clustering,
    "Random": Random,
}
"""By name, Farthing's own first."""
