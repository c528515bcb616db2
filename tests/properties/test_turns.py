"""Placing asks jointly overtakes nobody for long."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.decide.barren import Barren
from farthing.decide.cycle import plan
from farthing.decide.order import WINDOW, WINDOW_SECONDS, in_order, jointly
from farthing.model.plan import Place
from farthing.state.snapshot import Waiting
from tests.builders import asking, node, slice_of, world

GPUS = ["0.1", "0.5", "1", "2", "4x0.5", "8"]


@st.composite
def waiting(draw):
    created = draw(st.floats(0, 300))
    pod, claim = asking(
        f"p{draw(st.integers(0, 10_000))}",
        draw(st.sampled_from(GPUS)),
        created=created,
        priority=draw(st.integers(0, 1)),
    )
    return Waiting(pod, (claim,), True, "team")


def size(w):
    ask = w.claims[0].ask
    return ask.count * ask.milli


@given(st.lists(waiting(), max_size=60, unique_by=lambda w: w.pod.key))
def test_an_older_pod_is_overtaken_only_by_larger_ones_of_its_own_half_minute(found):
    order = in_order(found)
    assert sorted(w.pod.key for w in order) == sorted(w.pod.key for w in found)
    for i, early in enumerate(order):
        for late in order[i + 1 :]:
            assert early.pod.priority >= late.pod.priority
            if early.pod.priority == late.pod.priority and early.pod.created > late.pod.created:
                assert early.pod.created - late.pod.created < WINDOW_SECONDS
                assert size(early) > size(late)


@given(st.lists(st.integers(1, 8), max_size=400), st.integers(1, WINDOW))
def test_nobody_is_overtaken_by_a_whole_window(sizes, window):
    order = jointly(list(enumerate(sizes)), window, lambda item: item[1])
    for place_, (number, _) in enumerate(order):
        assert sum(other > number for other, _ in order[:place_]) < window


@given(st.data())
def test_the_order_in_which_things_are_seen_does_not_matter(data):
    """The same things give the same plan, whoever tells of them first."""
    things = [node(f"n{i}") for i in range(4)] + [slice_of(f"n{i}", 1 + i) for i in range(4)]
    sizes = data.draw(st.lists(st.sampled_from(["0.1", "0.5", "1", "2", "10Gi"]), min_size=1, max_size=12))
    things += [asking(f"p{i}", gpu, "ab"[i % 2], created=float(7 * i)) for i, gpu in enumerate(sizes)]
    mixed = data.draw(st.permutations(things))
    assert _places(things) == _places(mixed)


def _places(things):
    found = plan(world(*things).snapshot(100.0))
    return [(e.pod.key, e.node, [g.allocation.results for g in e.grants]) for e in found if isinstance(e, Place)]


def test_a_pod_that_was_let_go_keeps_its_turn():
    pod, claim = asking("small", "0.1", created=1.0)
    loose = Waiting(replace(pod, gated=False), (claim,), True, "team")
    large = Waiting(*_whole("large"), True, "team")
    assert [w.pod.key.name for w in in_order([large, loose])] == ["small", "large"]


def _whole(name):
    pod, claim = asking(name, "8", created=0.0)
    return pod, (claim,)


@given(st.data())
def test_what_was_learned_of_full_devices_changes_no_placement(data):
    """Not every team has to try; those who do not would have found nothing."""
    things = [node(f"n{i}") for i in range(2)] + [slice_of(f"n{i}", 2) for i in range(2)]
    asks = st.tuples(st.sampled_from(["0.3", "0.5", "1", "2", "2x0.5", "30Gi"]), st.sampled_from("abc"), st.booleans())
    for i, (gpu, space, hard) in enumerate(data.draw(st.lists(asks, min_size=4, max_size=14))):
        things.append(asking(f"p{i}", gpu, space, created=float(40 * i), isolation="hard" if hard else None))
    learned = _places(things)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Barren, "learn", lambda *_: None)
        assert learned == _places(things)
