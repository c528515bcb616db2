"""What the log says of decisions: who, what, and under which rule."""

from dataclasses import replace

from structlog.testing import capture_logs

from farthing.decide.cycle import plan
from farthing.model.cluster import Key
from farthing.model.plan import Hold, MakeTemplate, Place, Preempt, Release
from farthing.model.reason import Reason, Why
from farthing.spoke.record import record
from tests.builders import allocated, asking, node, slice_of, world
from tests.teams import team


def line(effect, found):
    with capture_logs() as lines:
        record(effect, found.team_of)
    return lines[0] if lines else None


def town(*things):
    return world(node(), slice_of("n0", 1), team("a", H100=1), team("b"), *things)


def test_a_placement_says_who_has_what_where_and_by_which_right():
    found = town(asking("mine", "0.5", "a", priority=3))
    (effect,) = plan(found.snapshot(10.0))
    assert isinstance(effect, Place)
    assert line(effect, found) == {
        "event": "decision",
        "log_level": "info",
        "effect": "Place",
        "pod": "a/mine",
        "uid": "uid-a-mine",
        "owner": "",
        "team": "a",
        "priority": 3,
        "why": "Placed",
        "sentence": "on node n0: gpu-0; within what team a is guaranteed",
        "node": "n0",
        "devices": ["n0/gpu-0"],
    }


def test_what_is_borrowed_and_what_is_spot_says_so():
    for more, said in (({}, "borrowed by team b"), ({"qos": "spot"}, "spot, on what nobody else wants; team b")):
        found = town(asking("other", "1", "b", **more))
        (effect,) = plan(found.snapshot(10.0))
        assert line(effect, found)["sentence"] == f"on node n0: gpu-0; {said}"


def test_who_has_to_go_is_told_with_for_whom_and_by_which_rule():
    found = town(asking("other", "1", "b", node="n0", gated=False))
    pod, _ = asking("other", "1", "b", node="n0", gated=False)
    rule = Reason(Why.PREEMPTED, "for a/mine: team a takes back what it is guaranteed, and team b borrows")
    said = line(Preempt(pod, Key("a", "mine"), rule, 70.0), found)
    assert (said["for"], said["why"], said["sentence"]) == ("a/mine", "Preempted", rule.sentence)
    assert (said["team"], said["node"], said["leave_by"]) == ("b", "n0", 70.0)


def test_a_hold_has_a_line_only_when_its_reason_has_another_name():
    pod, _ = asking("waits", "1", "b")
    found, reason = town(), Reason(Why.NO_CAPACITY, "one number")
    assert line(Hold(pod, reason), found)["why"] == "NoCapacity"
    told = replace(pod, verdict=Reason(Why.NO_CAPACITY, "another number"))
    assert line(Hold(told, reason), found) is None


def test_what_is_taken_back_says_from_whom():
    claim = allocated(asking("gone", "1", "b")[1], asking("gone", "1", "b")[0])
    said = line(Release(claim, Reason(Why.ORPHANED, "nobody has used it")), town())
    assert (said["claim"], said["users"], said["devices"]) == (str(claim.key), ["gone"], ["n0/gpu-0"])
    assert line(MakeTemplate(Key("b", "farthing-1-shared")), town())["template"] == "b/farthing-1-shared"
