"""Those who wait are told why, a few at a time: what is new to them first."""

from dataclasses import replace

from farthing.model.gang import Member
from farthing.model.plan import Hold
from farthing.model.reason import Reason, Why
from farthing.spoke.telling import RETELL_SECONDS, TOLD_AT_ONCE, Telling
from tests.builders import asking

FULL, QUEUED = Reason(Why.NO_CAPACITY, "no device has room"), Reason(Why.QUEUED, "place 2")


def hold(name="p", reason=FULL, verdict=None):
    pod, _ = asking(name)
    return Hold(replace(pod, uid=name, verdict=verdict), reason)


def told(telling, *holds, at=0.0):
    """The names of those who are told, as they are when they have been."""
    found = telling.news(holds, at)
    for one in found:
        telling.begin()
        telling.note(one, at)
        telling.end()
    return [one.pod.uid for one in found]


def test_who_was_told_nothing_yet_is_told():
    assert told(Telling(), hold("a"), hold("b")) == ["a", "b"]


def test_who_knows_already_is_not_told_again_until_numbers_are_old():
    telling = Telling()
    told(telling, hold("a"))
    again = hold("a", replace(FULL, sentence="no device has room for 2"), verdict=FULL)
    assert told(telling, again, at=RETELL_SECONDS - 1) == []
    assert told(telling, again, at=RETELL_SECONDS) == ["a"]


def test_another_reason_is_told_at_once():
    telling = Telling()
    told(telling, hold("a"))
    assert told(telling, hold("a", QUEUED, verdict=FULL), at=1.0) == ["a"]


def test_what_a_former_spoke_wrote_counts_as_told_long_ago():
    assert told(Telling(), hold("a", verdict=FULL)) == ["a"]


def test_only_so_many_are_told_at_the_same_time():
    telling = Telling()
    crowd = [hold(f"p{i}") for i in range(TOLD_AT_ONCE + 5)]
    first = telling.news(crowd, 0.0)
    assert len(first) == TOLD_AT_ONCE
    for one in first:
        telling.begin()
        telling.note(one, 0.0)
    assert telling.news(crowd, 0.0) == []
    telling.end()
    assert len(telling.news(crowd, 0.0)) == 1


def test_new_numbers_never_keep_anybody_from_being_told_for_the_first_time():
    telling = Telling()
    old = [hold(f"old{i}") for i in range(TOLD_AT_ONCE)]
    told(telling, *old)
    retold = [replace(one, pod=replace(one.pod, verdict=FULL)) for one in old]
    changed = hold("changed", QUEUED, verdict=FULL)
    found = told(telling, *retold, hold("new"), changed, at=RETELL_SECONDS * 2)
    assert found[:2] == ["new", "changed"]
    assert len(found) == TOLD_AT_ONCE


def test_pods_of_a_gang_are_told_all_at_once():
    crowd = [hold(f"p{i}") for i in range(TOLD_AT_ONCE + 5)]
    gang = [replace(one, pod=replace(one.pod, gang=Member("g", "g"))) for one in crowd]
    assert len(Telling().news([*crowd, *gang], 0.0)) == len(gang) + TOLD_AT_ONCE
