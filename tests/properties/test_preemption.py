"""Whatever teams, asks and histories: who has to go, and that it comes to rest.

Nodes have one device each and pods ask for whole ones, so that what quota allows is what fits.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from farthing.decide.cycle import decide
from farthing.decide.preempt import preempt
from farthing.decide.quota import Books
from farthing.model.cluster import Pod
from farthing.model.gang import Member
from farthing.model.plan import Place
from farthing.state.residents import gangs_of, residents
from tests.builders import asking, node, slice_of, world
from tests.lives import Town
from tests.teams import quota, team

NAMES = ["a", "b", "c", "d", "e", "f"]


@st.composite
def clusters(draw):
    """Devices, teams of one or two levels guaranteed no more than there are, and asks in the order of their coming."""
    devices = draw(st.integers(1, 6))
    left, teams = devices, []
    flat = draw(st.booleans())
    for name in NAMES[: draw(st.integers(2, 4))]:
        has = draw(st.integers(0, left))
        left -= has
        weight = draw(st.sampled_from([0.5, 1, 2, 3]))
        borrowing = draw(st.sampled_from([None, None, 0, 2]))
        parent = "" if flat else draw(st.sampled_from(["", "family"]))
        teams.append(team(name, parent, weight=weight, H100=quota(has, borrowing=borrowing)))
    if any(one.parent for one in teams):
        together = sum(one.compute[0][1].amount for one in teams if one.parent) / 1000
        teams.append(team("family", H100=together, namespaces=()))
    asks = draw(st.lists(
        st.tuples(
            st.sampled_from([one.name for one in teams if one.name != "family"]),
            st.integers(0, 2),
            st.sampled_from(["burstable", "burstable", "guaranteed", "spot"]),
            st.sampled_from([1, 1, 1, 2]),
        ),
        max_size=9,
    ))  # fmt: skip
    return devices, teams, asks


def pods(number, ask, at):
    name, priority, qos, count = ask
    gang = Member(f"g{number}", f"Job/g{number}", size=(count, count)) if count > 1 else None
    for i in range(count):
        yield asking(f"p{number}-{i}", "1", name, priority=priority, qos=qos, gang=gang, created=at)


def town_of(devices, teams):
    nodes = [thing for i in range(devices) for thing in (node(f"n{i}"), slice_of(f"n{i}", 1))]
    return Town(world(*nodes, *teams))


def arrive(town, number, ask):
    """A minute later an ask comes, and finds a place or waits."""
    town.at += 60.0
    for pod in pods(number, ask, town.at):
        town.submit(*pod, settle=False)
    town.settle()


def one_round(town):
    """Who has to go, and the books as they were before."""
    here, before = residents(town.world), town.fork.snapshot(town.at)
    books = Books.of(before)
    decided = decide(replace(before, free=before.free.copy()))
    return preempt(before, decided, here, gangs_of(town.world, here)), books, decided


def play(town, asks):
    """Let everybody come one after the other; each time, let others go until nobody has to. How many rounds it took."""
    rounds = []
    for number, ask in enumerate(asks):
        arrive(town, number, ask)
        count = 0
        while town.preempt():
            count += 1
            assert count <= 4 * len(asks), "they let each other go for ever"
            town.settle()
        rounds.append(count)
    return rounds


@settings(max_examples=80)
@given(clusters())
def test_it_comes_to_rest(cluster):
    devices, teams, asks = cluster
    town = town_of(devices, teams)
    play(town, asks)
    assert not town.preempt()


@settings(max_examples=80)
@given(clusters())
def test_nobody_within_its_guarantee_goes_for_another_team(cluster):
    devices, teams, asks = cluster
    town = town_of(devices, teams)
    for number, ask in enumerate(asks):
        arrive(town, number, ask)
        effects, books, _ = one_round(town)
        for effect in effects:
            asker = town.world.team_of(town.pod(effect.beneficiary))
            holder = town.world.team_of(effect.pod)
            if asker == holder:
                assert effect.pod.qos == "spot" or town.pod(effect.beneficiary).priority > effect.pod.priority
            else:
                assert effect.pod.qos == "spot" or books.borrowed(books.tree.at(holder), 0) > 0
            assert town.pod(effect.beneficiary).qos != "spot"
        town.preempt()
        town.settle()


@settings(max_examples=80)
@given(clusters())
def test_what_is_guaranteed_is_there_after_one_round(cluster):
    """A pod by itself that asks within its team's guarantee, and waits, starts when those who have to go are gone."""
    devices, teams, asks = cluster
    assume(all(not one.parent for one in teams))
    town = town_of(devices, teams)
    play(town, asks[:-1])
    for pod in pods(len(asks), asks[-1], town.at + 60) if asks else ():
        town.submit(*pod, settle=False)
    town.at += 60
    town.settle()
    books = Books.of(town.fork.snapshot(town.at))
    waits = Counter(w.team for w in town.fork.snapshot(town.at).waiting if w.gang is None and w.pod.qos != "spot")
    left = {name: books.guaranteed(books.tree.at(name), 0) // 1000 for name in waits}
    within = {name: min(waits[name], left[name]) for name in waits if left[name]}
    before = solid(town)
    town.preempt()
    town.settle()
    after = solid(town)
    for name, count in within.items():
        has = books.tree.subtree[books.tree.at(name)][0] // 1000
        assert after[name] >= min(has, before[name] + count)


def solid(town):
    """How many pods of each team run that are not spot."""
    return Counter(one.team for one in residents(town.world) if one.pod.qos != "spot")


@settings(max_examples=50)
@given(clusters())
def test_no_more_go_than_pods_start(cluster):
    """With pods that are all alike, for each that goes one starts; but of a gang all go.

    A pod that runs only within the guarantee may need all of it that is used by others of its team: such are left out.
    """
    devices, teams, asks = cluster
    town = town_of(devices, teams)
    for number, ask in enumerate(asks):
        town.at += 60.0
        for pod in pods(number, (*ask[:2], "spot" if ask[2] == "spot" else "burstable", 1), town.at):
            town.submit(*pod, settle=False)
        town.settle()
        effects, _, decided = one_round(town)
        asked = Counter(effect.beneficiary for effect in effects)
        assert all(count == 1 for count in asked.values())
        assert len(effects) <= len(decided.stuck)
        town.preempt()
        town.settle()
    assert all(pod.verdict is None or not pod.node for pod in town.world.all(Pod))


@st.composite
def forests(draw):
    """Devices, and teams at any depth, each guaranteed a part of what the one above it has."""
    devices = draw(st.integers(1, 8))
    left, teams, has = {"": devices}, [], {}
    for i, name in enumerate(NAMES[: draw(st.integers(2, 6))]):
        parent = draw(st.sampled_from(["", *NAMES[:i]]))
        has[name] = draw(st.integers(0, left[parent]))
        left[parent] -= has[name]
        left[name] = has[name]
        limit = st.sampled_from([None, None, 0, 1, 3])
        weight = draw(st.sampled_from([0, 0.5, 1, 2, 3]))
        teams.append(team(name, parent, weight=weight, H100=quota(has[name], draw(limit), draw(limit))))
    own = {name: amount - sum(has[one.name] for one in teams if one.parent == name) for name, amount in has.items()}
    return devices, teams, own


def running(town, name):
    """How many of a team's pods run, spot pods aside: these use nothing of what is guaranteed."""
    return sum(key.namespace == name and town.pod(key).qos != "spot" for key in town.running())


@settings(max_examples=400)
@given(forests(), st.data())
def test_what_any_team_is_guaranteed_is_there_after_one_round(forest, data):
    """Whatever ran and ended before: pods of a team that ask within what is its own start when those who go are gone."""
    devices, teams, own = forest
    town = town_of(devices, teams)
    for step in range(data.draw(st.integers(0, 4))):
        town.at += 60.0
        for number in range(data.draw(st.integers(1, 6))):
            name = data.draw(st.sampled_from([*own, "stranger"]))
            qos = data.draw(st.sampled_from(["burstable", "burstable", "guaranteed", "spot"]))
            priority = data.draw(st.integers(0, 2))
            town.submit(
                *asking(f"h{step}-{number}", "1", name, priority=priority, qos=qos, created=town.at), settle=False
            )
        town.settle()
        for key in data.draw(st.lists(st.sampled_from(sorted(town.running())), unique=True)) if town.running() else []:
            town.gone(key)
        if data.draw(st.booleans()):
            town.preempt()
            town.settle()
    name = data.draw(st.sampled_from([name for name in own if own[name]] or [None]))
    assume(name is not None)
    for number in range(max(0, own[name] - running(town, name))):
        town.submit(*asking(f"mine-{number}", "1", name, priority=9, created=town.at), settle=False)
    town.settle()
    town.preempt()
    town.settle()
    assert running(town, name) >= own[name]


@settings(max_examples=400)
@given(clusters())
def test_when_a_round_is_carried_out_another_finds_nobody(cluster):
    """Plan, carry out, plan again: nothing more, where whoever had to go does not come again.

    Of pods by themselves: a gang that goes may leave more than it went for, of which the next round makes something.
    """
    devices, teams, asks = cluster
    asks = [(*ask[:3], 1) for ask in asks]
    town = town_of(devices, teams)
    for number, ask in enumerate(asks):
        arrive(town, number, ask)
        effects, _, _ = one_round(town)
        for effect in effects:
            town.gone(effect.pod.key)
        town.settle()
        again, _, decided = one_round(town)
        assert again == ()
        assert not any(isinstance(effect, Place) for effect in decided.effects)
