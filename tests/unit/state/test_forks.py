"""A fork is a world of its own: what happens in it stays in it."""

from dataclasses import replace

from farthing.decide.cycle import plan
from farthing.model.cluster import Claim, Key, Pod
from farthing.model.plan import Gone, Seen
from farthing.state.fork import Fork
from farthing.state.residents import residents
from tests.builders import allocated, asking, node, slice_of, world


def test_what_happens_in_a_fork_stays_in_it():
    original = world(node(), slice_of(devices=2), asking("a", "1"), asking("b", "2", created=100.0))
    fork = Fork(original, 0.0)
    (placed,) = fork.carry_out(plan(fork.snapshot(0.0)), 0.0)
    assert placed.pod.key.name == "a"
    assert [r.pod.key.name for r in residents(fork.world)] == ["a"]
    assert residents(original) == ()
    assert plan(original.snapshot(0.0)) == plan(Fork(original, 0.0).snapshot(0.0))


def test_who_ends_gives_back_what_it_had():
    fork = Fork(world(node(), slice_of(devices=1), asking("a", "1"), asking("b", "1", created=1.0)), 0.0)
    fork.carry_out(plan(fork.snapshot(0.0)), 0.0)
    fork.end(residents(fork.world)[0].pod, 5.0)
    assert fork.world.get(Pod, Key("team-a", "a")) is None
    assert fork.world.get(Claim, Key("team-a", "a-claim")) is None
    (placed,) = fork.carry_out(plan(fork.snapshot(5.0)), 5.0)
    assert placed.pod.key.name == "b"


def test_a_claim_that_others_use_stays_with_them():
    pod, claim = asking("a", "1")
    shared = (pod.claims[0]._replace(template=""),)
    first = replace(pod, node="n0", gated=False, claims=shared)
    second = replace(first, key=Key("team-a", "b"), uid="uid-b")
    held = allocated(claim, first)
    fork = Fork(world(node(), slice_of(), first, second, replace(held, users=(*held.users, ("b", "uid-b")))), 0.0)
    fork.end(first, 1.0)
    assert fork.world.claim(claim.key).allocation is not None
    fork.end(second, 2.0)
    left = fork.world.claim(claim.key)
    assert (left.allocation, left.users) == (None, ())


def test_a_fork_knows_what_was_asked_for_by_pods_that_are_gone():
    original = world(node(), slice_of())
    for i in range(100):
        pod, _ = asking(f"p{i}", "0.25" if i % 3 else "2")
        original.fold(Seen(pod), 0.0)
        original.fold(Gone(Pod, pod.key, pod.version + 1), 0.0)
    fork = Fork(original, 0.0)
    mix = original.snapshot(0.0).mix
    assert len(mix.classes) == 3
    assert fork.snapshot(0.0).mix == mix
    fork.see(asking("new", "0.7")[0], 0.0)
    assert original.snapshot(0.0).mix == mix
