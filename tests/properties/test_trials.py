"""What was only tried is as it was before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide.draft import Draft
from farthing.decide.needs import needs_of
from farthing.decide.place import place
from farthing.model.cluster import Constraints
from farthing.state.residents import residents
from tests.builders import asking, device, node, slice_of, world
from tests.lives import Town

SET = "counters"


def town():
    """Two nodes, partitions that share counters, another capacity, host ports, and a few pods that run."""
    partitions = [
        device(f"mig-{i}", 10 << 30, multi=False, attributes={"profile": "1g.10gb"}, consumes=((SET, "slices", 1),))
        for i in range(3)
    ]
    found = Town(
        world(
            node("n0", others=(("example.com/nic", 2),)), slice_of("n0", 2),
            node("n1"), slice_of("n1", [device("gpu-0"), *partitions], counters=((SET, "slices", 2),)),
        )
    )  # fmt: skip
    for i, gpu in enumerate(["0.5", "0.25", "1g.10gb", "0.3"]):
        more = (
            {"constraints": Constraints(ports=(("TCP", "", 80),)), "others": (("example.com/nic", 1),)}
            if i == 1
            else {}
        )
        found.submit(*asking(f"p{i}", gpu, f"team-{i % 2}", cpu=1000, **more))
    return found


def columns(draft):
    free = draft.free
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else dict(value)
        for name in ("compute", "memory", "users", "mode", "team", "cpu", "memory_of_node", "pods", "counters", "extras",
                     "ports", "others")
        for value in [getattr(free, name)]
    }  # fmt: skip


def do(draft, found, step):
    what, which = step
    here = residents(found.world)
    one = here[which % len(here)]
    place_of = draft.fleet.node_index[one.pod.node]
    if what == "leave":
        for claim in one.claims:
            draft.give_back(claim.allocation)
        draft.leave(place_of, one.pod)
    elif what == "settle":
        draft.settle_on(place_of, one.pod)
    elif what == "close":
        draft.close(which % len(draft.fleet.devices))
    elif what == "place":
        pod, claim = asking("new", ["0.25", "1", "1g.10gb", "2x0.5"][which % 4], "team-z")
        needs = tuple(need for _, need in needs_of(claim))
        spot = place(draft, pod, needs, "team-z")
        for need, devices in zip(needs, spot.devices if spot else (), strict=False):
            for i in devices:
                draft.take(i, need, "team-z")


STEPS = st.lists(st.tuples(st.sampled_from(["leave", "settle", "close", "place"]), st.integers(0, 40)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(STEPS, STEPS, STEPS)
def test_a_trial_changes_nothing_and_what_is_decided_afterwards_is_the_same(before, tried, inside):
    found = town()
    draft = Draft.of(found.fork.snapshot(0.0))
    for step in before:
        do(draft, found, step)
    was = columns(draft)
    with draft.trial():
        for step in tried:
            do(draft, found, step)
        middle = columns(draft)
        with draft.trial():
            for step in inside:
                do(draft, found, step)
        assert columns(draft) == middle
    assert columns(draft) == was
    board = draft.table().board
    assert board.left.tolist() == [draft.free.compute.tolist(), draft.free.memory.tolist()]
    assert board.on.tolist() == [was["users"], was["mode"], was["team"]]
    assert board.room.tolist() == [was["cpu"], was["memory_of_node"], was["pods"]]
    fresh = draft.copy()
    for gpu in ("0.25", "1", "2x0.5", "1g.10gb"):
        pod, claim = asking("next", gpu)
        needs = tuple(need for _, need in needs_of(claim))
        assert place(draft, pod, needs, "team-a") == place(fresh, pod, needs, "team-a")


def test_a_trial_that_fails_is_undone_too():
    found = town()
    draft = Draft.of(found.fork.snapshot(0.0))
    was = columns(draft)

    def fail():
        with draft.trial():
            draft.close(0)
            draft.close(99)

    with pytest.raises(IndexError):
        fail()
    assert columns(draft) == was
