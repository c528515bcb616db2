"""The world believes the newest news, and keeps usage in step with it."""

from farthing.model.cluster import Claim, Key, Node, Pod
from farthing.model.plan import Gone, Grant, Listed, Place, Release, Seen
from farthing.model.reason import Reason, Why
from tests.builders import GIB, allocated, asking, newer, node, slice_of, world


def test_older_news_is_not_believed():
    found = world(node("n0", cpu=2000))
    old = node("n0", cpu=1000)
    found.fold(Seen(newer(old, cpu=3000)), 0)
    found.fold(Seen(old), 0)
    assert found.get(Node, Key("", "n0")).cpu == 3000


def test_the_gone_stay_gone_when_old_news_of_them_comes_late():
    pod, claim = asking()
    found = world((pod, claim))
    found.fold(Gone(Pod, pod.key, pod.version + 1), 0)
    found.fold(Seen(pod), 0)
    assert found.get(Pod, pod.key) is None


def test_a_name_used_again_is_somebody_new():
    pod, claim = asking()
    found = world((pod, claim))
    found.fold(Gone(Pod, pod.key, pod.version + 1), 0)
    again = newer(pod, uid="another")
    found.fold(Seen(newer(again)), 0)
    assert found.get(Pod, pod.key).uid == "another"


def test_a_list_says_what_is_gone():
    found = world(node("a"), node("b"))
    keep = found.get(Node, Key("", "b"))
    found.fold(Listed(Node, (keep,), keep.version + 10), 0)
    assert [n.name for n in found.all(Node)] == ["b"]


def test_a_share_is_counted_once_and_comes_back_once():
    pod, claim = asking()
    held = allocated(claim, pod)
    found = world(node(), slice_of(), (pod, claim))
    for _ in range(3):
        found.fold(Seen(held), 0)
    assert (found.snapshot(0).free.compute[0], found.snapshot(0).free.memory[0]) == (500, 40 * GIB)
    for _ in range(2):
        found.fold(Gone(Claim, claim.key, held.version + 5), 0)
    assert (found.snapshot(0).free.compute[0], found.snapshot(0).free.users[0]) == (1000, 0)


def test_a_share_on_a_device_that_is_not_published_yet_counts_when_it_appears():
    pod, claim = asking()
    found = world((pod, claim), allocated(claim, pod))
    for thing in (node(), slice_of()):
        found.fold(Seen(thing), 0)
    assert found.snapshot(0).free.compute[0] == 500


def test_a_capacity_that_a_share_does_not_speak_of_is_taken_whole():
    pod, claim = asking()
    found = world(node(), slice_of(), (pod, claim), allocated(claim, pod, compute=250))
    assert (found.snapshot(0).free.compute[0], found.snapshot(0).free.memory[0]) == (750, 0)


def test_a_pod_takes_room_on_the_node_of_its_share_before_it_is_bound():
    pod, claim = asking(cpu=4000, memory=GIB)
    found = world(node(cpu=10_000), slice_of(), (pod, claim), allocated(claim, pod))
    assert (found.snapshot(0).free.cpu[0], found.snapshot(0).free.pods[0]) == (6000, 109)
    found.fold(Seen(newer(pod, over=True, node="n0")), 0)
    assert (found.snapshot(0).free.cpu[0], found.snapshot(0).free.pods[0]) == (10_000, 110)


def test_what_is_assumed_counts_until_it_is_settled():
    pod, claim = asking()
    found = world(node(), slice_of(), (pod, claim))
    held = allocated(claim, pod)
    effect = Place(pod, "n0", (Grant(claim, held.allocation),), Reason(Why.PLACED, ""))
    found.assume(effect, 0)
    assert found.snapshot(0).free.compute[0] == 500
    assert found.snapshot(0).waiting == ()
    found.settle(effect, 0)
    assert found.snapshot(0).free.compute[0] == 1000
    assert len(found.snapshot(0).waiting) == 1


def test_what_was_written_stays_after_it_is_settled():
    pod, claim = asking()
    found = world(node(), slice_of(), (pod, claim))
    held = allocated(claim, pod)
    effect = Place(pod, "n0", (Grant(claim, held.allocation),), Reason(Why.PLACED, ""))
    found.assume(effect, 5)
    found.fold(Seen(held), 5)
    found.settle(effect, 5)
    assert found.snapshot(5).free.compute[0] == 500
    assert found.snapshot(5).waiting[0].since == 5


def test_news_of_something_else_does_not_end_an_assumption():
    pod, claim = asking()
    found = world(node(), slice_of(), (pod, claim))
    effect = Place(pod, "n0", (Grant(claim, allocated(claim, pod).allocation),), Reason(Why.PLACED, ""))
    found.assume(effect, 0)
    found.fold(Seen(newer(claim, protected=False)), 0)
    assert found.snapshot(0).free.compute[0] == 500


def test_a_share_that_is_being_taken_back_still_counts():
    pod, claim = asking()
    held = allocated(claim, pod)
    found = world(node(), slice_of(), (pod, claim), held)
    found.assume(Release(held, Reason(Why.DEVICE_LOST, "")), 0)
    assert found.snapshot(0).free.compute[0] == 500


def test_orphans_are_allocated_claims_whose_users_are_gone():
    pod, claim = asking()
    found = world(node(), slice_of(), (pod, claim), allocated(claim, pod))
    found.sweep(1)
    assert found.snapshot(1).orphans == ()
    found.fold(Gone(Pod, pod.key, 10**9), 2)
    found.sweep(3)
    assert [(c.key, since) for c, since in found.snapshot(9).orphans] == [(claim.key, 3)]
