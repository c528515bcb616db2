"""How often the spoke writes what teams borrowed lately: 1,000 teams whose use changes all the time, in virtual time."""

import random
import time
from collections.abc import Iterator

from bench.baseline import fleet
from bench.governance_cost import tree
from farthing.model.plan import Seen
from farthing.spoke.remembering import LONGEST_SECONDS, LOOKS, SHORTEST_SECONDS
from farthing.state.memory import Memory
from farthing.state.teams import Numbers, Tree
from farthing.state.world import World

TEAMS = 1000
LEARN_SECONDS = 10.0
"""A spoke learns with each turn; more seldom here, which changes nothing of what is remembered."""

CHANGED = 20
"""Teams whose use changes in that time, on the average: each every eight minutes or so."""

HALF_LIVES = (("10m", 600.0), ("1h", 3600.0), ("1d", 86400.0), ("7d", 604800.0))


def lines() -> Iterator[str]:
    """The table."""
    yield f"{TEAMS:,} teams four levels deep, the use of {CHANGED} of which changes every {LEARN_SECONDS:.0f} s, to anything up to three"
    yield "times what they are guaranteed; over two half-lives. Each write is one small patch of one Team's status."
    yield ""
    yield "| half-life | looked at every | writes a second | most at one look | ms to look |"
    yield "|---|---|---|---|---|"
    for name, half_life in HALF_LIVES:
        every = min(max(half_life / LOOKS, SHORTEST_SECONDS), LONGEST_SECONDS)
        written, seconds, took = _live(half_life, every)
        mean = sum(written) / seconds
        yield f"| {name} | {every:.0f} s | **{mean:.2f}** | {max(written)} | {1000 * took / len(written):.0f} |"


def _live(half_life: float, every: float) -> tuple[list[int], float, float]:
    """Writes at each look, the seconds of virtual time, and those of real time that looking took."""
    found, chance = _tree(), random.Random(42)  # noqa: S311 -- not for secrets
    use = [0] * len(found.teams)
    memory, at, look_next, written, took = Memory(half_life), 0.0, every, list[int](), 0.0
    step = max(LEARN_SECONDS, every / 20)
    while at < 2 * half_life:
        for _ in range(round(CHANGED * step / LEARN_SECONDS)):
            n = chance.randrange(1, len(use))
            use[n] = chance.randrange(3 * found.subtree[n][0] + 1)
        memory.learn(found, _usage(found, use), at)
        at += step
        if at >= look_next:
            look_next += every
            begun = time.process_time()
            news = memory.worth_writing(found)
            took += time.process_time() - begun
            written.append(len(news))
            for team, said in news.items():
                memory.note_written(team, said)
    return written, at, took


def _tree() -> Tree:
    world = World()
    for thing in (*fleet(2000, 8), *tree(TEAMS, 16_000)):
        world.fold(Seen(thing), 0.0)
    found = world.tree
    assert found is not None  # noqa: S101 -- there are teams
    return found


def _usage(found: Tree, use: list[int]) -> Numbers:
    return tuple((amount, *(0 for _ in found.columns[1:])) for amount in use)
