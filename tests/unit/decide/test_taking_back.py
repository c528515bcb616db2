"""What cannot be used where it is goes back."""

from dataclasses import replace

from farthing.decide.cycle import plan
from farthing.decide.release import (
    FIRST_REFUSAL_SECONDS,
    LATER_REFUSAL_SECONDS,
    ORPHAN_SECONDS,
    STALE_REFUSAL_SECONDS,
)
from farthing.model.cluster import Key, Pod, PodClaim, Taint
from farthing.model.plan import DropSlice, Gone, Hold, Place, Release, Seen
from farthing.model.reason import Why
from tests.builders import GIB, allocated, asking, device, newer, node, planned, slice_of, world


def released(effects):
    return [(effect.claim.key.name, effect.reason.why) for effect in effects if isinstance(effect, Release)]


def refused_world(at, said="1 node(s) didn't match pod anti-affinity rules."):
    pod, claim = asking()
    loose = replace(pod, gated=False, refusal=f"0/2 nodes are available: {said}")
    return world(node("n0"), node("n1"), slice_of("n0"), slice_of("n1"), loose, allocated(claim, loose), at=at), claim


def test_a_share_that_kube_scheduler_refuses_is_freed_after_a_moment_and_the_user_is_told():
    found, claim = refused_world(at=100.0)
    assert plan(found.snapshot(100.0)) == ()
    effects = plan(found.snapshot(100.0 + FIRST_REFUSAL_SECONDS))
    assert released(effects) == [(claim.key.name, Why.REFUSED_BY_SCHEDULER)]
    assert [e.reason.why for e in effects if isinstance(e, Hold)] == [Why.REFUSED_BY_SCHEDULER]


def test_kube_scheduler_gets_long_to_see_an_allocation_that_it_says_is_missing():
    stale, claim = refused_world(0.0, "2 cannot allocate all claims. preemption: not helpful")
    assert released(plan(stale.snapshot(STALE_REFUSAL_SECONDS - 1))) == []
    assert released(plan(stale.snapshot(STALE_REFUSAL_SECONDS))) == [(claim.key.name, Why.REFUSED_BY_SCHEDULER)]
    for more in ("1 Insufficient cpu, 1 cannot allocate all claims.", "1 cannot allocate all claims."):
        fresh, claim = refused_world(0.0, more)
        assert released(plan(fresh.snapshot(FIRST_REFUSAL_SECONDS))) != []


def test_it_is_then_placed_elsewhere_and_given_more_time():
    found, claim = refused_world(at=0.0)
    effect = next(e for e in plan(found.snapshot(10)) if isinstance(e, Release))
    found.assume(effect, 10)
    found.fold(Seen(newer(effect.claim, allocation=None, users=())), 10)
    found.settle(effect, 10)
    again = next(e for e in plan(found.snapshot(14)) if isinstance(e, Place))
    assert again.node == "n1"
    pod = found.get(Pod, again.pod.key)
    found.fold(Seen(newer(allocated(claim, pod, node_name="n1"))), 11)
    assert released(plan(found.snapshot(11 + FIRST_REFUSAL_SECONDS))) == []
    assert released(plan(found.snapshot(11 + LATER_REFUSAL_SECONDS))) != []


def test_a_gated_pod_is_not_refused_by_what_was_said_before():
    pod, claim = asking(refusal="old news")
    effects = planned(node(), slice_of(), pod, allocated(claim, pod), at=1000.0)
    assert released(effects) == []


def test_a_share_on_a_device_that_vanished_or_broke_goes_back_while_the_pod_is_on_its_way():
    pod, claim = asking()
    held = allocated(claim, pod, "gpu-7")
    assert released(planned(node(), slice_of(), pod, held)) == [(claim.key.name, Why.DEVICE_LOST)]
    broken = slice_of("n0", [device(taints=(Taint("xid", "", "NoExecute"),))])
    assert released(planned(node(), broken, pod, allocated(claim, pod))) == [(claim.key.name, Why.DEVICE_LOST)]


def test_a_running_pod_keeps_what_it_has():
    pod, claim = asking()
    running = replace(pod, node="n0", gated=False)
    assert planned(node(), slice_of(), running, allocated(claim, running, "gpu-7")) == ()


def test_what_nobody_uses_goes_back_after_kubernetes_had_its_time():
    pod, claim = asking()
    found = world(node(), slice_of(), pod, allocated(claim, pod))
    found.fold(Gone(Pod, pod.key, 10**9), 0)
    found.sweep(0)
    assert released(plan(found.snapshot(ORPHAN_SECONDS - 1))) == []
    assert released(plan(found.snapshot(ORPHAN_SECONDS))) == [(claim.key.name, Why.ORPHANED)]


def test_of_a_device_given_twice_the_youngest_share_that_does_not_run_goes_back():
    old, old_claim = asking("old", "1", created=1.0)
    young, young_claim = asking("young", "1", created=2.0)
    full = {"compute": 1000, "memory": 80 * GIB}
    things = [old, allocated(old_claim, old, **full), young, allocated(young_claim, young, **full)]
    effects = planned(node(), slice_of(), *things)
    assert released(effects) == [("young-claim", Why.NO_CAPACITY)]


def test_the_slice_of_a_node_that_is_gone_is_dropped():
    assert [e.slice.name for e in planned(slice_of("gone")) if isinstance(e, DropSlice)] == ["gone-gpu"]


def test_when_the_rest_finds_no_place_what_it_has_goes_back():
    pod, first = asking(gpu="0.5")
    second = replace(first, key=Key("team-a", "second"), uid="second")
    both = replace(pod, claims=(*pod.claims, PodClaim("more", "second", "")))
    busy, busy_claim = asking("busy", "0.5")
    running = replace(busy, node="n0", gated=False)
    things = [both, allocated(first, both), second, running, allocated(busy_claim, running)]
    assert released(planned(node(), slice_of(), *things)) == [(first.key.name, Why.NO_CAPACITY)]


def test_two_that_were_refused_together_are_not_sent_to_the_same_node_again():
    things = [thing for i in range(3) for thing in (node(f"n{i}"), slice_of(f"n{i}"))]
    pods = []
    for name in ("one", "two"):
        pod, claim = asking(name, "0.25")
        loose = replace(pod, gated=False, refusal="0/3 nodes are available: anti-affinity")
        pods += [loose, allocated(claim, loose, compute=250, memory=20 * GIB)]
    found = world(*things, *pods)
    for effect in plan(found.snapshot(10)):
        found.assume(effect, 10)
        if isinstance(effect, Release):
            found.fold(Seen(newer(effect.claim, allocation=None, users=())), 10)
        found.settle(effect, 10)
    again = [effect.node for effect in plan(found.snapshot(20)) if isinstance(effect, Place)]
    assert sorted(again) == ["n1", "n2"]
