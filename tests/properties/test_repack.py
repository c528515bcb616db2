"""However the moves of a repack go, who ran runs again, and one more besides."""

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide.audit import audit
from farthing.decide.moves import Budget
from farthing.decide.repack import repack
from farthing.model.cluster import Claim
from farthing.model.keep import Keep
from farthing.state.residents import residents
from tests.builders import asking, node, slice_of, world
from tests.lives import Town, movable

AMOUNTS = st.sampled_from(["0.25", "0.5", "0.3", "1", "2x0.5", "10Gi"])


@st.composite
def towns(draw):
    """A few nodes; pods came and some went, so that what is left lies about."""
    nodes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    town = Town(world(*(t for i, n in enumerate(nodes) for t in (node(f"n{i}", cpu=8000), slice_of(f"n{i}", n)))))
    for i in range(draw(st.integers(2, 14))):
        make = movable if draw(st.integers(0, 3)) else asking
        team = draw(st.sampled_from(["team-a", "team-b"]))
        town.submit(*make(f"p{i}", draw(AMOUNTS), team, cpu=draw(st.sampled_from([100, 2000]))))
    for key in sorted(town.running()):
        if draw(st.booleans()):
            town.gone(key)
    for key in [w.pod.key for w in town.fork.snapshot(0.0).waiting]:
        town.gone(key)
    return town


@settings(max_examples=120, deadline=None)
@given(towns(), st.sampled_from(["1", "2", "0.75", "2x0.5", "4"]), st.integers(0, 6), st.booleans())
def test_a_repack_never_lowers_what_runs(town, wanted, moves, replaced_first):
    big = town.submit(*asking("big", wanted, cpu=1000))
    before = town.running()
    found = repack(town.fork.snapshot(0.0), residents(town.world), Budget(moves=moves))
    assert sum(len(one.moves) for one in found.proposals) <= moves
    for one in found.proposals:
        assert one.pod.key == big.key
        town.keep(big.key, str(Keep(60.0, one.devices)))
        for move in one.moves:
            assert move.pod.movable
            _restart(town, move.pod, replaced_first=replaced_first)
        after = town.running()
        assert len(after) == len(before) + 1
        assert big.key in after
        assert sum(after.values()) > sum(before.values())
    snapshot = town.fork.snapshot(0.0)
    assert audit(snapshot.fleet, snapshot.free, town.world.all(Claim)) == ()


def _restart(town, pod, *, replaced_first):
    """A ReplicaSet makes the replacement while the old pod still ends, a StatefulSet afterwards."""
    claim = town.claim_of(pod)
    if replaced_first:
        town.again(pod, claim)
        town.settle()
    town.gone(pod.key)
    town.settle()
    if not replaced_first:
        town.again(pod, claim)
        town.settle()
