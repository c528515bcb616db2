"""Whatever the tree of teams and whatever happens: quota holds, plans come to rest, shares follow weights, all get a turn.

2,000 cases in all; `FARTHING_HYPOTHESIS=long` tries ten times as many.
"""

import itertools
import os
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide.cycle import plan
from farthing.decide.fairness import share
from farthing.decide.order import AGED_SECONDS
from farthing.decide.quota import Books, potential
from farthing.model.cluster import Pod
from farthing.model.plan import Hold, Place
from farthing.model.team import Queueing
from farthing.state.teams import add_up, faults_of
from tests.builders import asking, node, slice_of, world
from tests.lives import Town
from tests.teams import quota, team

MANY = 10 if os.environ.get("FARTHING_HYPOTHESIS") == "long" else 1
SPACES = "abcdef"


@st.composite
def trees(draw, devices=8, limits=True):
    """Teams a to f, some under others, with quotas that fit together."""
    found, left = [], {"": devices * 1000}
    for i, name in enumerate(SPACES[: draw(st.integers(1, 6))]):
        parent = draw(st.sampled_from(["", *SPACES[:i]]))
        amount = draw(st.integers(0, left[parent] // 250)) * 250
        left[parent] -= amount
        left[name] = amount
        limit = st.one_of(st.none(), st.integers(0, 4).map(float)) if limits else st.none()
        found.append(
            team(
                name,
                parent,
                weight=draw(st.sampled_from([0.5, 1, 2, 3])),
                maximum=draw(limit),
                queueing=draw(st.sampled_from(list(Queueing))),
                H100=quota(amount / 1000, draw(limit), draw(limit)),
            )
        )
    return found


def pool(*things, nodes=2, per_node=4):
    seen = [node(f"n{i}", cpu=512_000) for i in range(nodes)]
    seen += [slice_of(f"n{i}", per_node) for i in range(nodes)]
    return Town(world(*seen, *things))


def limits_of(books):
    """What must not be passed, by team: most of the column, and most of all."""
    tree = books.tree
    most = [tree.subtree[n][0] + (tree.borrowing[n][0] if n else 0) for n in range(len(tree.teams))]
    return most, tree.maximum


# The books ----------------------------------------------------------------------------------------------------------


@settings(max_examples=1030 * MANY)
@given(trees(), st.data())
def test_books_say_what_the_definitions_say_and_no_limit_is_ever_passed(teams, data):
    assert faults_of(teams) == ()
    snapshot = pool(*teams).fork.snapshot(0.0)
    books, tree = Books.of(snapshot), snapshot.tree
    direct = {}
    taken = []
    for _ in range(data.draw(st.integers(1, 25))):
        name = data.draw(st.sampled_from([one.name for one in teams]))
        n, amount = tree.at(name), data.draw(st.sampled_from([250, 500, 1000, 3000]))
        charge = ((0, amount),)
        if taken and data.draw(st.booleans()):
            n, charge = taken.pop(data.draw(st.integers(0, len(taken) - 1)))
            books.give_back(n, charge)
            direct[tree.teams[n].name][0] -= charge[0][1]
        elif books.allows(n, charge):
            assert books.binding(n, charge) is None
            assert amount <= potential(tree, n, 0)
            books.take(n, charge)
            taken.append((n, charge))
            direct.setdefault(name, [0, 0, 0, 0])[0] += amount
        else:
            assert books.binding(n, charge) is not None
        usage, held = add_up(tree, direct)
        assert [tuple(row) for row in books.usage] == list(usage)
        assert tuple(books.held) == held
        most, maximum = limits_of(books)
        assert all(row[0] <= limit for row, limit in zip(usage, most, strict=True))
        assert all(all_of <= limit for all_of, limit in zip(held, maximum, strict=True))
    books.rewind(0)
    assert (sum(books.held), sum(map(sum, books.usage))) == (0, 0)


@settings(max_examples=200 * MANY)
@given(trees())
def test_all_guarantees_together_are_there(teams):
    """With nothing borrowed, every team can have all it is guaranteed at once, limits to borrowing aside."""
    snapshot = pool(*(replace(one, maximum=None) for one in teams)).fork.snapshot(0.0)
    books, tree = Books.of(snapshot), snapshot.tree
    for one in reversed(teams):
        n = tree.at(one.name)
        own = dict(one.compute)["H100"].amount - sum(
            dict(tree.teams[child].compute)["H100"].amount for child in tree.children[n]
        )
        assert books.allows(n, ((0, own),))
        books.take(n, ((0, own),))


# Histories ----------------------------------------------------------------------------------------------------------

ASKS = ["0.25", "0.5", "1", "2", "2x0.5", "20Gi"]


@settings(max_examples=450 * MANY)
@given(trees(), st.data())
def test_a_history_keeps_to_quota_and_comes_to_rest(teams, data):
    town = pool(*teams)
    for step in range(data.draw(st.integers(1, 4))):
        for i in range(data.draw(st.integers(0, 6))):
            space = data.draw(st.sampled_from([*(one.name for one in teams), "z"]))
            ask, priority = data.draw(st.sampled_from(ASKS)), data.draw(st.integers(0, 1))
            town.submit(*asking(f"p{step}-{i}", ask, space, created=town.at, priority=priority), settle=False)
        running = sorted((p for p in town.world.all(Pod) if p.node), key=lambda p: p.key)
        for pod in data.draw(st.lists(st.sampled_from(running), unique=True)) if running else []:
            town.gone(pod.key)
        before = Books.of(town.fork.snapshot(town.at))
        town.settle()
        after = Books.of(town.fork.snapshot(town.at))
        assert_within(before, after)
        assert_at_rest(town)
        town.at += data.draw(st.sampled_from([1.0, 60.0, AGED_SECONDS]))


def assert_within(before, after):
    most, maximum = limits_of(after)
    names = {one.name: i for i, one in enumerate(before.tree.teams)}
    for n, one in enumerate(after.tree.teams):
        old = names.get(one.name)
        assert after.usage[n][0] <= max(most[n], before.usage[old][0] if old is not None else 0)
        assert after.held[n] <= max(maximum[n], before.held[old] if old is not None else 0)


def assert_at_rest(town):
    """Whoever waits has a reason, and being told it changes nothing."""
    told = {}
    for _ in range(2):
        snapshot = town.fork.snapshot(town.at)
        asked = tuple(replace(w, pod=replace(w.pod, verdict=told.get(w.pod.key))) for w in snapshot.waiting)
        effects = plan(replace(snapshot, waiting=asked))
        assert not any(isinstance(effect, Place) for effect in effects)
        told |= {effect.pod.key: effect.reason for effect in effects if isinstance(effect, Hold)}
        assert told.keys() == {w.pod.key for w in asked}
    assert effects == ()


# Fairness -----------------------------------------------------------------------------------------------------------


@settings(max_examples=300 * MANY)
@given(
    st.lists(st.sampled_from([1, 2, 3, 5, 8]), min_size=2, max_size=5),
    st.sampled_from(["1", "2"]),
    st.randoms(use_true_random=False),
)
def test_shares_follow_weights_within_one_ask_whoever_had_everything_before(weights, gpu, chance):
    """Asks are of one size, and all would fit: else a team may be behind because what is free is too small for it."""
    size = int(gpu) * 1000
    many = 12_000 // size
    teams = [team(name, weight=weight) for name, weight in zip(SPACES, weights, strict=False)]
    town = pool(team("own", H100=0), *teams, nodes=1, per_node=12)
    for i in range(many):
        town.submit(*asking(f"hog{i}", gpu, "a", created=0.0), settle=False)
    town.settle()
    hogs = [p.key for p in town.world.all(Pod) if p.node]
    for one in teams:
        for i in range(many + 2):
            town.submit(*asking(f"{one.name}{i}", gpu, one.name, created=60.0), settle=False)
    chance.shuffle(hogs)
    while hogs:
        for key in hogs[: many // 4]:
            town.gone(key)
        del hogs[: many // 4]
        town.at += 60.0
        town.settle()
    books = Books.of(town.fork.snapshot(town.at))
    for one in teams:
        n, ahead = books.tree.at(one.name), books.copy()
        ahead.give_back(n, ((0, size),))
        assert all(share(ahead, (), n) <= share(books, (), books.tree.at(other.name)) for other in teams)


@settings(max_examples=25 * MANY)
@given(
    st.sampled_from([1, 4]),
    st.sampled_from(["2", "4", "4x0.5"]),
    st.integers(0, 1),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_nobody_waits_for_ever_behind_an_endless_stream_of_others(weight, gpu, priority, stay, busy):
    """Small asks of one or two teams keep the pool full; those of the same team, as many as it gets, are preferred."""
    streams = {**dict.fromkeys("ab"[:busy], 3), "victim": 1}
    town = pool(*(team(name, weight=weight) for name in "ab"[:busy]), team("victim"), nodes=1)
    victim, names, ends = asking("victim", gpu, "victim", created=300.0), itertools.count(), []
    for turn in range(60):
        town.at = turn * 300.0
        for _, key in [end for end in ends if end[0] <= turn]:
            town.gone(key)
        ends = [end for end in ends if end[0] > turn]
        for space in [space for space, count in streams.items() for _ in range(count)]:
            more = {"priority": priority, "created": town.at}
            town.submit(*asking(f"s{next(names)}", "1", space, **more), settle=False)
        if turn == 1:
            town.submit(*victim, settle=False)
        before = {pod.key for pod in town.world.all(Pod) if pod.node}
        town.settle()
        ends += [(turn + stay, pod.key) for pod in town.world.all(Pod) if pod.node and pod.key not in before]
        found = town.world.get(Pod, victim[0].key)
        if found is not None and found.node:
            return
    raise AssertionError("it waited for ever")
