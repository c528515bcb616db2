"""However gangs come, and wherever a spoke dies half way, no two of them ever wait for each other."""

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide.cycle import plan
from farthing.model.cluster import Key, Pod
from farthing.model.gang import Member, Topology
from farthing.model.plan import Place
from tests.builders import GIB, asking, node, slice_of, world
from tests.lives import Town


@dataclass(frozen=True)
class Plan:
    """A gang to come: its pods' ask, how many start together and how many there are, and how close."""

    gpu: str
    least: int
    most: int
    topology: Topology | None
    namespace: str
    priority: int


GANGS = st.builds(
    lambda gpu, least, more, *rest: Plan(gpu, least, least + more, *rest),
    st.sampled_from(["0.25", "0.5", "1", "2", "2x0.5"]),
    st.integers(1, 5),
    st.integers(0, 2),
    st.sampled_from([None, None, Topology("node"), Topology("rack"), Topology(None, "rack"), Topology("rack", "node")]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 2),
)
FLEETS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def fleet(sizes):
    for i, devices in enumerate(sizes):
        yield node(f"n{i}", labels={"farthing.dev/rack": f"r{i // 2}"})
        yield slice_of(f"n{i}", devices)


def pods(number, gang, created):
    for i in range(gang.most):
        member = Member(f"g{number}", f"Job/g{number}", size=(gang.least, gang.most))
        more = {"gang": member, "topology": gang.topology, "priority": gang.priority, "created": created}
        yield asking(f"g{number}-{i}", gang.gpu, gang.namespace, **more)


def started(town, gangs):
    """How many of each gang run."""
    found = Counter(key.name.partition("-")[0] for key in town.running())
    return [found[f"g{number}"] for number in range(len(gangs))]


def end(town, number):
    for key in [key for key in town.running() if key.name.startswith(f"g{number}-")]:
        town.gone(key)
    for pod in [p for p in town.world.all(Pod) if p.key.name.startswith(f"g{number}-")]:
        town.gone(pod.key)


def fits_alone(sizes, gang):
    town = Town(world(*fleet(sizes), *pods(0, gang, 0.0)))
    town.settle()
    return started(town, [gang])[0] >= gang.least


@settings(max_examples=100)
@given(sizes=FLEETS, gangs=st.lists(GANGS, min_size=1, max_size=6), data=st.data())
def test_every_gang_that_fits_alone_has_its_turn(sizes, gangs, data):
    town = Town(world(*fleet(sizes)))
    coming = [(number, pod) for number, gang in enumerate(gangs) for pod in pods(number, gang, float(number))]
    coming = data.draw(st.permutations(coming))
    done: set[int] = set()
    for _ in range(len(coming) + 3 * len(gangs) + 3):
        for _ in range(min(len(coming), data.draw(st.integers(1, 6)) if coming else 0)):
            town.submit(*coming.pop()[1], settle=False)
        effects = [e for e in plan(town.fork.snapshot(town.at)) if isinstance(e, Place)]
        dies_after = data.draw(st.integers(0, len(effects))) if effects and coming else len(effects)
        town.fork.carry_out(tuple(effects[:dies_after]), town.at)
        counts = started(town, gangs)
        if dies_after == len(effects):
            whole = [count == 0 or count >= gang.least for count, gang in zip(counts, gangs, strict=True)]
            assert all(whole), "some of a gang hold devices while others of it wait"
        ready = [n for n, gang in enumerate(gangs) if n not in done and counts[n] >= gang.least]
        if ready and not coming:
            end(town, ready[0])
            done.add(ready[0])
        elif not coming and not effects:
            break
    left = [gangs[n] for n in range(len(gangs)) if n not in done]
    assert not [gang for gang in left if fits_alone(sizes, gang)]


@settings(max_examples=60)
@given(sizes=FLEETS, gangs=st.lists(GANGS, min_size=1, max_size=5))
def test_a_gang_is_where_it_must_be_and_nothing_is_given_twice(sizes, gangs):
    town = Town(world(*fleet(sizes), *(pod for n, gang in enumerate(gangs) for pod in pods(n, gang, float(n)))))
    town.settle()
    used = Counter()
    for claim in (town.claim_of(town.pod(key)) for key in town.running()):
        for result in claim.allocation.results:
            used[result.device, "compute"] += dict(result.consumed)["compute"]
            used[result.device, "memory"] += dict(result.consumed)["memory"]
    assert all(amount <= (1000 if what == "compute" else 80 * GIB) for (_, what), amount in used.items())
    for number, gang in enumerate(gangs):
        nodes = {town.pod(key).node for key in town.running() if key.name.startswith(f"g{number}-")}
        level = gang.topology.required if gang.topology else None
        domains = {name if level == "node" else f"r{int(name[1:]) // 2}" for name in nodes}
        assert level is None or len(domains) <= 1


@settings(max_examples=40)
@given(sizes=FLEETS, gang=GANGS, lost=st.data())
def test_who_comes_in_the_place_of_another_joins(sizes, gang, lost):
    """A member that goes while its gang runs is replaced, though somebody more important waits for the same device."""
    town = Town(world(*fleet(sizes), *pods(0, gang, 0.0)))
    town.settle()
    before = started(town, [gang])[0]
    if before < gang.least or gang.least < 2:
        return
    key = lost.draw(st.sampled_from(sorted(town.running())))
    town.gone(key)
    town.submit(*asking("urgent", gang.gpu, gang.namespace, priority=1000), settle=False)
    old = Key(gang.namespace, f"{key.name}x")
    member = Member("g0", "Job/g0", size=(gang.least, gang.most))
    again, claim = asking(old.name, gang.gpu, gang.namespace, gang=member, topology=gang.topology)
    town.submit(replace(again, created=9.0), claim)
    if before == gang.least:
        assert started(town, [gang])[0] == before
