"""What fits is placed: on the tightest device, with amounts that add up, and always the same way."""

import random
from dataclasses import replace

import pytest

from farthing.decide.cycle import plan
from farthing.model.ask import parse_ask
from farthing.model.cluster import Capacity, Constraints, Key, Match, PodClaim, Request, Taint, Term, Toleration
from farthing.model.plan import Hold, Place, Seen
from farthing.model.reason import Why
from tests.builders import GIB, allocated, asking, device, node, planned, slice_of, snapshot, world


def placed(effects):
    return {effect.pod.key.name: effect for effect in effects if isinstance(effect, Place)}


def devices_of(effect):
    return [str(result.device) for grant in effect.grants for result in grant.allocation.results]


def consumed(effect):
    return [dict(result.consumed) for grant in effect.grants for result in grant.allocation.results]


def test_a_fraction_takes_the_same_part_of_compute_and_memory():
    effect = placed(planned(node(), slice_of(), asking(gpu="0.25")))["p"]
    assert consumed(effect) == [{"compute": 250, "memory": 20 * GIB}]
    assert effect.node == "n0"


@pytest.mark.parametrize("memory", [80 * GIB, 16 * GIB + 1, 12345 << 20, (40 << 30) + 7])
def test_four_quarters_fit_on_one_device_of_any_size(memory):
    pods = [asking(f"p{i}", "0.25") for i in range(4)]
    effects = placed(planned(node(), slice_of("n0", [device(memory=memory)]), *pods))
    assert len(effects) == 4
    assert sum(consumed(effect)[0]["memory"] for effect in effects.values()) <= memory


def test_a_memory_ask_takes_compute_in_proportion_rounded_up():
    effect = placed(planned(node(), slice_of("n0", [device(memory=24 * GIB)]), asking(gpu="10Gi")))["p"]
    assert consumed(effect) == [{"compute": 417, "memory": 10 * GIB}]


def test_several_equal_fractions_go_to_different_devices_of_one_node():
    effect = placed(planned(node(), slice_of("n0", 4), asking(gpu="3x0.5")))["p"]
    assert devices_of(effect) == ["n0/gpu-0", "n0/gpu-1", "n0/gpu-2"]


@pytest.mark.parametrize("ask", ["10Gi", "0.5", "1"])
def test_of_devices_that_would_do_the_smaller_one_is_taken(ask):
    things = [
        node("a"),
        slice_of("a", [device(memory=80 * GIB)]),
        node("b"),
        slice_of("b", [device(memory=24 * GIB, model="L4")]),
    ]
    assert placed(planned(*things, asking(gpu=ask, isolation="hard" if ask != "1" else None)))["p"].node == "b"


def test_a_model_that_nobody_names_is_not_dear_for_being_few():
    """Four small shares go to an idle L4, though there are more H100s, of which some are wanted by name."""
    things = []
    for name, model, gib, count in (("a", "H100", 80, 8), ("b", "A100", 40, 4), ("c", "L4", 24, 2)):
        things += [node(name), slice_of(name, [device(f"gpu-{i}", gib * GIB, model) for i in range(count)])]
    named = [asking("two", "2", models="A100|H100"), *(asking(f"half-{i}", "2x0.5", models="A100") for i in range(3))]
    small = [asking(f"small-{i}", "10Gi", isolation="hard") for i in range(4)]
    effects = placed(planned(*things, *named, *small))
    assert {effect.node for name, effect in effects.items() if name.startswith("small")} == {"c"}


def test_whole_devices_are_empty_ones_and_a_node_for_large_asks_is_kept_whole_where_such_are_known():
    busy, claim = asking("busy", "0.1")
    on = allocated(claim, busy, "gpu-0", "b", compute=100, memory=8 * GIB)
    things = [
        node("a"),
        node("b"),
        slice_of("a", 8),
        slice_of("b", 3),
        busy,
        on,
        asking("large", "8", node="elsewhere"),
    ]
    effect = placed(planned(*things, asking(gpu="2")))["p"]
    assert devices_of(effect) == ["b/gpu-1", "b/gpu-2"]


def test_the_tightest_device_that_fits_is_taken():
    busy, claim = asking("busy", "0.6")
    on = allocated(claim, replace(busy, node="b", gated=False), "gpu-0", "b", compute=600, memory=48 * GIB)
    effect = placed(planned(node("a"), node("b"), slice_of("a"), slice_of("b"), on, asking(gpu="0.25")))["p"]
    assert devices_of(effect) == ["b/gpu-0"]


def test_ties_go_to_the_smallest_node_name_whatever_order_things_came_in():
    things = [node(f"n{i}") for i in range(6)] + [slice_of(f"n{i}", 2) for i in range(6)]
    things += [asking(f"p{i}", gpu) for i, gpu in enumerate(["0.5", "1", "0.25", "2", "10Gi", "0.75"])]
    plans = set()
    for seed in range(6):
        random.Random(seed).shuffle(things)
        plans.add(tuple((e.pod.key.name, tuple(devices_of(e))) for e in planned(*things) if isinstance(e, Place)))
    assert len(plans) == 1
    assert plans.pop()[0] == ("p3", ("n0/gpu-0", "n0/gpu-1"))


def test_models_match_by_whole_words():
    things = [node("a"), node("b"), slice_of("a", [device(model="L40")]), slice_of("b", [device(model="NVIDIA L4")])]
    assert devices_of(placed(planned(*things, asking(gpu="0.5", models="L4")))["p"]) == ["b/gpu-0"]


def test_a_vendors_ask_goes_to_that_vendors_devices():
    amd = slice_of("a", [device(attributes={"vendor": "amd"})])
    things = [node("a"), node("b"), amd, slice_of("b")]
    ask = replace(parse_ask("1"), vendor="nvidia")
    assert devices_of(placed(planned(*things, asking(gpu=ask)))["p"]) == ["b/gpu-0"]


def test_a_mig_profile_takes_one_partition_and_what_it_draws_on():
    def part(name, profile, size):
        taken = device(
            name, 10 * GIB, attributes={"profile": profile}, consumes=(("gpu-0", "slices", size),), multi=False
        )
        return replace(taken, capacity=(("memory", Capacity(10 * GIB)),))

    parts = [part("mig-0", "1g.10gb", 1), part("mig-1", "1g.10gb", 1), part("mig-2", "2g.20gb", 2)]
    pool = slice_of("n0", parts, counters=(("gpu-0", "slices", 2),))
    pods = [asking("a", "2g.20gb", created=1), asking("b", "1g.10gb", created=2)]
    effects = planned(node(), pool, *pods)
    assert devices_of(placed(effects)["a"]) == ["n0/mig-2"]
    assert [e.reason.why for e in effects if isinstance(e, Hold)] == [Why.NO_CAPACITY]


def test_shares_of_two_teams_do_not_meet_but_partitions_of_both_may():
    pods = [asking("p", "0.5", "one"), asking("p", "0.5", "two")]
    effects = planned(node(), slice_of("n0", 2), *pods)
    assert sorted(devices_of(e)[0] for e in effects if isinstance(e, Place)) == ["n0/gpu-0", "n0/gpu-1"]
    assert len(placed(planned(node(), slice_of("n0", 1), *pods))) == 1


def test_a_device_has_one_level_of_isolation_at_a_time():
    pods = [asking("a", "0.25", created=1), asking("b", "0.25", isolation="hard", created=2)]
    effects = placed(planned(node(), slice_of("n0", 2), *pods))
    assert {name: devices_of(effect) for name, effect in effects.items()} == {"a": ["n0/gpu-0"], "b": ["n0/gpu-1"]}


def test_a_tainted_device_is_left_alone_unless_the_request_tolerates_it():
    taint = Taint("broken", "", "NoExecute")
    things = [node(), slice_of("n0", [device(taints=(taint,))])]
    assert placed(planned(*things, asking())) == {}
    pod, claim = asking()
    tolerant = replace(
        claim, requests=(replace(claim.requests[0], tolerations=(Toleration("broken", "Exists", "", ""),)),)
    )
    effect = placed(planned(*things, pod, tolerant))["p"]
    assert effect.grants[0].allocation.results[0].tolerations == tolerant.requests[0].tolerations


NODE_RULES = [
    (Constraints(selector=(("disk", "ssd"),)), "b"),
    (Constraints(affinity=(Term((Match("disk", "In", ("ssd",)),), ()),)), "b"),
    (Constraints(affinity=(Term((Match("disk", "DoesNotExist", ()),), ()),)), "a"),
    (Constraints(affinity=(Term((Match("rank", "Gt", ("3",)),), ()),)), "b"),
    (Constraints(affinity=(Term((Match("rank", "Lt", ("3",)),), ()),)), "a"),
    (Constraints(affinity=(Term((), (Match("metadata.name", "In", ("b",)),)),)), "b"),
    (Constraints(affinity=(Term((), ()),)), None),
    (Constraints(), "a"),
]


@pytest.mark.parametrize(("constraints", "expected"), NODE_RULES)
def test_node_rules_are_kubernetes_own(constraints, expected):
    things = [
        node("a", labels={"rank": "1"}),
        node("b", labels={"disk": "ssd", "rank": "5"}),
        slice_of("a"),
        slice_of("b"),
    ]
    effects = placed(planned(*things, asking(constraints=constraints)))
    assert (effects["p"].node if effects else None) == expected


def test_a_node_with_a_taint_or_without_room_is_passed_over():
    tainted = node("a", taints=(Taint("maintenance", "", "NoSchedule"),))
    things = [tainted, node("b", cpu=500), node("c", pods=0), node("d"), *(slice_of(name) for name in "abcd")]
    assert placed(planned(*things, asking(cpu=1000)))["p"].node == "d"


def test_room_on_nodes_is_taken_off_as_the_plan_grows():
    things = [node("a", cpu=1500), node("b", cpu=1500), slice_of("a"), slice_of("b")]
    effects = placed(planned(*things, *(asking(f"p{i}", "0.1", cpu=1000) for i in range(3))))
    assert sorted(effect.node for effect in effects.values()) == ["a", "b"]


def test_a_pod_with_two_claims_gets_both_on_one_node():
    pod, first = asking(gpu="1")
    second = replace(
        first, key=Key(pod.key.namespace, "second"), uid="second", requests=(Request("gpu", "gpu.farthing.dev"),)
    )
    both = replace(pod, claims=(*pod.claims, PodClaim("more", "second", "")))
    effect = placed(planned(node("a"), node("b"), slice_of("a", 1), slice_of("b", 2), both, first, second))["p"]
    assert devices_of(effect) == ["b/gpu-0", "b/gpu-1"]


def test_what_a_crash_left_half_done_is_finished_on_the_same_node():
    pod, first = asking(gpu="0.5")
    second = replace(first, key=Key(pod.key.namespace, "second"), uid="second")
    both = replace(pod, claims=(*pod.claims, PodClaim("more", "second", "")))
    things = [node("a"), node("b"), slice_of("a"), slice_of("b"), both, allocated(first, both, node_name="b"), second]
    effect = placed(planned(*things))["p"]
    assert (effect.node, [grant.claim.uid for grant in effect.grants]) == ("b", ["second"])


def test_a_pod_whose_shares_stand_is_only_let_go():
    pod, claim = asking()
    effect = placed(planned(node(), slice_of(), pod, allocated(claim, pod)))["p"]
    assert effect.grants == ()


def test_two_pods_that_share_a_claim_do_not_get_it_twice():
    one, claim = asking("one")
    two = replace(one, key=Key("team-a", "two"), uid="two")
    found = world(node(), slice_of(), one, two, claim)
    assert len(placed(plan(found.snapshot(0)))) == 1
    found.fold(Seen(allocated(claim, one)), 0)
    assert set(placed(plan(found.snapshot(0)))) == {"one", "two"}


def test_higher_priority_goes_first_then_the_older():
    pods = [asking("old", "1", created=1), asking("new", "1", created=2), asking("urgent", "1", created=3, priority=5)]
    assert list(placed(planned(node(), slice_of("n0", 2), *pods))) == ["urgent", "old"]


def test_planning_again_without_news_places_nothing_more():
    pods = [asking(f"p{i}", "0.5") for i in range(5)]
    found = world(node(), slice_of("n0", 2), *pods)
    for effect in plan(found.snapshot(0)):
        found.assume(effect, 0)
    assert placed(plan(found.snapshot(0))) == {}


def test_placing_does_not_change_what_others_believe():
    found = world(node(), slice_of(), asking())
    plan(found.snapshot(0))
    assert found.snapshot(0).free.compute[0] == 1000


def test_the_claims_configuration_is_handed_on_to_the_drivers():
    pod, claim = asking()
    effect = placed(planned(node(), slice_of(), pod, replace(claim, config=('{"opaque": {"driver": "x"}}',))))["p"]
    assert effect.grants[0].allocation.config == ('{"source": "FromClaim", "opaque": {"driver": "x"}}',)


def test_a_users_own_request_takes_what_the_request_policy_says():
    pod, claim = asking()
    own = replace(claim, ask=None, requests=(Request("gpu", "gpu.farthing.dev", 1, (("memory", 10 * GIB + 1),)),))
    effect = placed(planned(node(), slice_of(), pod, own))["p"]
    assert consumed(effect) == [{"compute": 1000, "memory": 10 * GIB + (1 << 20)}]


def test_snapshots_of_the_same_world_are_equal_in_what_they_offer():
    found = world(node(), slice_of("n0", 2), asking())
    first, second = found.snapshot(0), found.snapshot(0)
    assert (first.free.compute == second.free.compute).all()
    assert snapshot(node()).waiting == ()
