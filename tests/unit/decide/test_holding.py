"""Every no has a name and a sentence with numbers."""

from dataclasses import replace

import pytest

from farthing.decide.draft import Draft
from farthing.decide.explain import exclusions
from farthing.decide.needs import needs_of
from farthing.model.cluster import Claim, Constraints, Key, PodClaim, Taint
from farthing.model.plan import Hold, MakeTemplate, Ungate
from farthing.model.reason import Why
from tests.builders import GIB, allocated, asking, device, node, planned, slice_of, snapshot


def why(*things, at=0.0):
    holds = [effect.reason for effect in planned(*things, at=at) if isinstance(effect, Hold)]
    assert len(holds) == 1, holds
    return holds[0].why, holds[0].sentence


def test_an_unknown_model_names_those_there_are():
    assert why(node(), slice_of(), asking(gpu="0.5", models="B200")) == (
        Why.UNKNOWN_MODEL,
        "0.5 of B200 (shared): no device is of such a model; the cluster has H100",
    )


def test_a_cluster_without_devices_says_so():
    assert why(node(), asking())[0] is Why.NO_DEVICES


def test_more_devices_than_any_node_has_is_too_large():
    name, sentence = why(node(), slice_of("n0", 4), asking(gpu="8"))
    assert (name, "the largest has 4" in sentence) == (Why.TOO_LARGE, True)


def test_more_memory_than_any_device_has_is_too_large():
    name, sentence = why(node(), slice_of(), asking(gpu="100Gi"))
    assert (name, "80 GiB" in sentence) == (Why.TOO_LARGE, True)


def test_a_level_that_no_device_can_deliver_is_refused_not_weakened():
    soft_only = device(attributes={"isolationShared": True, "isolationSoft": True, "isolationHard": False})
    assert why(node(), slice_of("n0", [soft_only]), asking(isolation="hard"))[0] is Why.ISOLATION_UNAVAILABLE


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("off", "; 2 could be cut in MIG mode, once it is on (nvidia-smi -mig 1), such as n0/gpu-0"),
        ("pending", "; 2 could be cut in MIG mode after a reset, such as n0/gpu-0"),
        ("", "none of 2 devices is a partition of this profile"),
    ],
)
def test_a_partition_that_no_device_is_says_what_an_administrator_could_do(mode, said):
    attributes = {"migMode": mode} if mode else {}
    devices = [device(f"gpu-{number}", attributes=attributes) for number in range(2)]
    name, sentence = why(node(), slice_of("n0", devices), asking(gpu="1g.10gb"))
    assert name is Why.ISOLATION_UNAVAILABLE
    assert sentence.endswith(said)


def test_a_full_cluster_says_how_much_is_left():
    pod, claim = asking("busy", "0.75")
    on = allocated(claim, replace(pod, node="n0"), compute=750, memory=60 * GIB)
    name, sentence = why(node(), slice_of(), replace(pod, node="n0", gated=False), on, asking(gpu="0.5"))
    assert name is Why.NO_CAPACITY
    assert "250" in sentence
    assert "20 GiB" in sentence


def test_nodes_that_exclude_the_pod_are_counted():
    rules = Constraints(selector=(("disk", "ssd"),))
    name, sentence = why(node("a"), node("b"), slice_of("a"), slice_of("b"), asking(constraints=rules))
    assert (name, sentence.startswith("2 nodes")) == (Why.NODE_MISMATCH, True)


def test_nodes_without_room_say_what_is_short():
    name, sentence = why(node(cpu=2000), slice_of(), asking(cpu=4000))
    assert (name, "wants 4, the most is 2" in sentence) == (Why.NO_NODE_ROOM, True)


def test_tainted_devices_are_named_as_such():
    bad = device(taints=(Taint("xid", "79", "NoSchedule"),))
    name, sentence = why(node(), slice_of("n0", [bad]), asking())
    assert (name, "tainted" in sentence) == (Why.NO_CAPACITY, True)


def test_what_is_not_supported_is_refused_by_name():
    pod, claim = asking()
    odd = replace(claim, unsupported="request 'gpu' uses adminAccess, which Farthing does not plan")
    assert why(node(), slice_of(), pod, odd) == (
        Why.UNSUPPORTED,
        "claim p-claim: request 'gpu' uses adminAccess, which Farthing does not plan",
    )


def test_a_selector_that_cannot_be_read_is_the_users_to_mend():
    pod, claim = asking()
    odd = replace(claim, ask=None, requests=(replace(claim.requests[0], selectors=("device.",)),))
    name, sentence = why(node(), slice_of(), pod, odd)
    assert (name, "does not compile" in sentence) == (Why.INVALID_ASK, True)


def test_another_gate_holds_without_taking_capacity():
    assert why(node(), slice_of(), asking(blocked=True))[0] is Why.OTHER_GATE


def test_hints_that_cannot_be_read_hold_the_pod():
    assert why(node(), slice_of(), asking(fault="farthing.dev/duration: nonsense"))[0] is Why.INVALID_ASK


def test_a_template_that_is_missing_is_made_from_its_name():
    pod, _ = asking(gpu="0.25")
    waiting = replace(pod, claims=(PodClaim("farthing", "", "farthing-0.25-shared"),))
    assert [e.key for e in planned(waiting) if isinstance(e, MakeTemplate)] == [Key("team-a", "farthing-0.25-shared")]


def test_a_template_name_that_spells_nothing_is_an_invalid_ask():
    pod, _ = asking()
    waiting = replace(pod, claims=(PodClaim("farthing", "", "farthing-lots-shared"),))
    assert why(waiting)[0] is Why.INVALID_ASK


def test_claims_that_do_not_come_are_mentioned_after_a_while():
    pod, _ = asking()
    waiting = replace(pod, claims=(PodClaim("gpu", "", "their-own"),))
    assert planned(waiting, at=1.0) == ()
    assert why(waiting, at=60.0)[0] is Why.CLAIM_PENDING


def test_a_pod_that_wants_nothing_of_ours_is_let_go():
    pod, _ = asking()
    nic = Claim(Key("team-a", "nic"), "nic", 1, 0.0)
    other = replace(pod, claims=(PodClaim("nic", "nic", ""),))
    assert [type(effect) for effect in planned(other, nic)] == [Ungate]
    assert [type(effect) for effect in planned(replace(pod, claims=()))] == [Ungate]


def test_what_a_pod_says_already_is_not_said_again():
    pod, claim = asking(gpu="0.5", models="B200")
    hold = next(e for e in planned(node(), slice_of(), pod, claim) if isinstance(e, Hold))
    assert planned(node(), slice_of(), replace(pod, verdict=hold.reason), claim) == ()


@pytest.mark.parametrize("size", [1, 5])
def test_every_node_is_excluded_by_exactly_one_cause(size):
    things = [node(f"n{i}", cpu=1000 if i % 2 else 64_000) for i in range(size)]
    things += [slice_of(f"n{i}", [device(model="L4" if i == 0 else "H100")]) for i in range(size)]
    pod, claim = asking(gpu="0.5", models="H100", cpu=2000)
    draft = Draft.of(snapshot(*things, pod, claim))
    needs = tuple(need for _, need in needs_of(claim))
    found = exclusions(draft, pod, needs, "team-a")
    named = [name for exclusion in found for name in exclusion.nodes]
    assert len(named) == len(set(named))
    assert {"n0"} <= set(named)
