"""However the moves of a repack go, who ran runs again, and one more besides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide.audit import audit
from farthing.decide.draft import Draft
from farthing.decide.fit import able
from farthing.decide.grant import grant
from farthing.decide.moves import Budget
from farthing.decide.needs import needs_of
from farthing.decide.nodes import roomy
from farthing.decide.repack import repack
from farthing.model.cluster import Claim
from farthing.model.keep import Keep
from farthing.model.plan import Place
from farthing.model.reason import Reason, Why
from farthing.state.residents import residents
from tests.builders import asking, node, slice_of, world
from tests.lives import Town, movable

AMOUNTS = st.sampled_from(["0.25", "0.5", "0.3", "10Gi"])


@st.composite
def towns(draw):
    """A few nodes, and pods that lie about on them, as they do when others have left."""
    nodes = draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    town = Town(world(*(t for i, n in enumerate(nodes) for t in (node(f"n{i}", cpu=8000), slice_of(f"n{i}", n)))))
    for i in range(draw(st.integers(2, 14))):
        make = movable if draw(st.integers(0, 4)) else asking
        team = draw(st.sampled_from(["team-a", "team-a", "team-b"]))
        pod, claim = make(f"p{i}", draw(AMOUNTS), team, cpu=draw(st.sampled_from([100, 2000])))
        (need,) = (need for _, need in needs_of(claim))
        draft = Draft.of(town.fork.snapshot(0.0))
        open_ = (
            able(draft.fleet, draft.free, need, draft.team(team))
            & roomy(draft.fleet, draft.free, pod)[draft.fleet.node_of]
        )
        fits = np.flatnonzero(open_)
        if len(fits):
            device = int(fits[draw(st.integers(0, len(fits) - 1))])
            given = grant(draft.fleet, claim, int(draft.fleet.node_of[device]), ((device,),), team)
            town.fork.carry_out((Place(pod, given.allocation.node, (given,), Reason(Why.PLACED, "")),), 0.0)
    return town


@settings(max_examples=120, deadline=None)
@given(towns(), st.sampled_from(["1", "1", "2", "2", "0.75", "2x0.5", "4"]), st.integers(0, 6), st.booleans())
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
