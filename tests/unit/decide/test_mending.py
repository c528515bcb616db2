"""A pod that is bound while its share is being taken back gets a share where it is."""

from dataclasses import replace

from farthing.decide.cycle import plan
from farthing.decide.mend import STRAY_SECONDS
from farthing.decide.order import PATIENCE
from farthing.model.cluster import Pod
from farthing.model.plan import Hold, Place, Release, Seen
from farthing.model.reason import Why
from farthing.state.world import KEEP_SECONDS
from tests.builders import allocated, asking, newer, node, slice_of, world


def taken_back(at=10.0):
    """A refused pod on its way to n0, whose share was just taken back, and somebody who would like the device."""
    pod, claim = asking(gpu="1")
    loose = replace(pod, gated=False, refusal="0/1 nodes are available")
    full = {"compute": 1000, "memory": 80 << 30}
    found = world(node("n0"), slice_of("n0"), loose, allocated(claim, loose, **full))
    release = next(effect for effect in plan(found.snapshot(at)) if isinstance(effect, Release))
    found.assume(release, at)
    found.fold(Seen(newer(release.claim, allocation=None, users=())), at)
    return found, release


def placed(found, at):
    return [effect for effect in plan(found.snapshot(at)) if isinstance(effect, Place)]


def with_somebody_greedy(found):
    pod, claim = asking("greedy", "1")
    found.fold(Seen(pod), 10)
    found.fold(Seen(claim), 10)


def test_the_share_is_kept_from_others_for_a_moment_and_then_goes_to_who_had_it_before():
    found, release = taken_back()
    with_somebody_greedy(found)
    assert placed(found, 10) == []
    found.settle(release, 10)
    assert placed(found, 10 + KEEP_SECONDS / 2) == []
    assert [effect.pod.key.name for effect in placed(found, 10 + KEEP_SECONDS)] == ["p"]


def test_a_pod_that_is_refused_again_and_again_lets_others_go_first():
    found, release = taken_back()
    with_somebody_greedy(found)
    for _ in range(PATIENCE):
        found.assume(release, 10)
    found.settle(release, 10)
    assert [effect.pod.key.name for effect in placed(found, 10 + KEEP_SECONDS)] == ["greedy"]


def test_a_pod_that_is_bound_after_all_gets_the_very_share_back():
    found, release = taken_back()
    found.settle(release, 10)
    pod = found.get(Pod, asking()[0].key)
    found.fold(Seen(newer(pod, node="n0", refusal="")), 10.1)
    (effect,) = placed(found, 60)
    assert effect.grants[0].allocation == release.claim.allocation
    assert effect.node == "n0"


def test_a_release_that_did_not_happen_keeps_nothing():
    pod, claim = asking(gpu="1")
    loose = replace(pod, gated=False, refusal="no")
    held = allocated(claim, loose, compute=1000, memory=80 << 30)
    found = world(node("n0"), slice_of("n0"), loose, held)
    release = next(effect for effect in plan(found.snapshot(10)) if isinstance(effect, Release))
    found.assume(release, 10)
    found.settle(release, 10)
    found.fold(Seen(newer(held, allocation=None, users=())), 11)
    assert found.snapshot(11).free.users[0] == 0


def bound_elsewhere():
    pod, claim = asking()
    bound = replace(pod, gated=False, node="n1")
    return world(node("n0"), node("n1"), slice_of("n0"), slice_of("n1"), bound, allocated(claim, bound)), claim


def test_a_share_on_another_node_than_its_pod_goes_back_and_the_pod_gets_one_where_it_is():
    found, claim = bound_elsewhere()
    assert plan(found.snapshot(0)) == ()
    (release,) = plan(found.snapshot(STRAY_SECONDS))
    assert (release.claim.key, release.reason.why) == (claim.key, Why.MISPLACED)
    found.assume(release, STRAY_SECONDS)
    found.fold(Seen(newer(release.claim, allocation=None, users=())), STRAY_SECONDS)
    found.settle(release, STRAY_SECONDS)
    (effect,) = placed(found, 2 * STRAY_SECONDS)
    assert [str(result.device) for result in effect.grants[0].allocation.results] == ["n1/gpu-0"]


def test_where_its_node_has_nothing_left_it_is_told():
    pod, claim = asking(gpu="1")
    bound = replace(pod, gated=False, node="n0")
    busy, other = asking("busy", "0.5")
    found = world(node(), slice_of(), bound, claim, replace(busy, node="n0", gated=False), allocated(other, busy))
    found.snapshot(0)
    holds = [effect for effect in plan(found.snapshot(STRAY_SECONDS)) if isinstance(effect, Hold)]
    assert [hold.reason.why for hold in holds] == [Why.MISPLACED]


def test_a_pod_that_just_ended_is_not_given_anything():
    pod, claim = asking()
    found = world(node(), slice_of(), replace(pod, gated=False, node="n0"), claim)
    assert plan(found.snapshot(0)) == ()
    found.fold(Seen(newer(pod, gated=False, node="n0", over=True)), 1)
    assert plan(found.snapshot(60)) == ()
