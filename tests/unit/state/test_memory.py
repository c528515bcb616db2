"""What teams borrowed lately fades, and outlives a spoke where it was written down."""

import pytest

from farthing.state.memory import Lately, Memory
from tests.builders import node, slice_of, snapshot
from tests.teams import team

HALF_LIFE = 100.0


@pytest.fixture
def tree():
    """Eight devices; a is guaranteed one of them, b none."""
    return snapshot(node(), slice_of("n0", 8), team("a", H100=1), team("b")).tree


def usage(tree, **used):
    """What teams use of the first class, in thousandths."""
    return tuple((used.get(found.name, 0), *(0 for _ in tree.columns[1:])) for found in tree.teams)


def level(memory, tree, at, team="a", **used):
    """What is remembered of a team when it is learned that so much is used."""
    return memory.learn(tree, usage(tree, **used), at)[tree.at(team)][0]


def column(tree):
    return tree.columns[0]


def test_what_was_borrowed_is_half_forgotten_after_a_half_life(tree):
    memory = Memory(HALF_LIFE)
    assert level(memory, tree, 0.0, a=5000) == 4000
    assert level(memory, tree, 50.0) == 4000
    assert level(memory, tree, 150.0) == 2000
    assert level(memory, tree, 350.0) == 500


def test_a_half_life_of_nothing_remembers_nothing(tree):
    memory = Memory(0.0)
    assert memory.learn(tree, usage(tree, a=9000), 1.0) == ()
    assert memory.worth_writing(tree) == {}


def test_who_begins_without_anything_written_takes_the_present_to_have_always_been(tree):
    memory = Memory(HALF_LIFE)
    memory.recall({"b": Lately(0.0)}.items())
    assert level(memory, tree, 100.0, a=5000) == 4000


def test_what_is_written_has_faded_when_it_is_read(tree):
    memory = Memory(HALF_LIFE)
    memory.recall({"a": Lately(0.0, ((column(tree), 4000),))}.items())
    assert level(memory, tree, 100.0) == 2000


def test_what_is_borrowed_when_it_is_read_was_borrowed_since_it_was_written(tree):
    memory = Memory(HALF_LIFE)
    memory.recall({"a": Lately(0.0), "b": Lately(0.0, ((column(tree), 4000),))}.items())
    assert level(memory, tree, 100.0, a=5000, b=4000) == 2000
    assert level(memory, tree, 100.0, team="b", a=5000, b=4000) == 4000


def test_what_is_written_of_the_future_counts_as_of_now(tree):
    memory = Memory(HALF_LIFE)
    memory.recall({"a": Lately(1000.0, ((column(tree), 4000),))}.items())
    assert level(memory, tree, 0.0) == 4000


def test_who_borrows_evenly_is_not_worth_writing(tree):
    memory = Memory(HALF_LIFE)
    for at in range(0, 1000, 50):
        level(memory, tree, float(at), a=5000)
        assert memory.worth_writing(tree) == {}


def test_who_gives_back_is_written_once(tree):
    memory = Memory(HALF_LIFE)
    level(memory, tree, 0.0, a=5000)
    level(memory, tree, 10.0)
    found = memory.worth_writing(tree)
    assert found == {"a": Lately(10.0, ((column(tree), 4000),))}
    memory.note_written("a", found["a"])
    for at in range(20, 1000, 50):
        level(memory, tree, float(at))
        assert memory.worth_writing(tree) == {}


def test_a_spoke_that_starts_anew_remembers_what_the_last_one_did(tree):
    first = Memory(HALF_LIFE)
    for at, amount in ((0.0, 5000), (30.0, 9000), (50.0, 2000), (80.0, 3000)):
        known = level(first, tree, at, a=amount)
    second = Memory(HALF_LIFE)
    second.recall(first.worth_writing(tree).items())
    assert level(second, tree, 80.0, a=3000) == known
    assert level(second, tree, 300.0, a=3000) == level(first, tree, 300.0, a=3000)


def test_of_a_team_that_is_gone_nothing_is_known_any_more(tree):
    memory = Memory(HALF_LIFE)
    level(memory, tree, 0.0, a=5000)
    memory.note_written("gone", Lately(0.0))
    memory.worth_writing(tree)
    assert "gone" not in memory._written
