"""What the node publishes of a GPU in MIG mode, as the planner and the ledger see it."""

import json

import msgspec
import pytest

from farthing.kube.resources import SLICES
from farthing.ledger.fleet import part_of, physicals
from farthing.model.cluster import OWN_DRIVER, DeviceId, Result
from farthing.model.plan import Place
from farthing.node.devices import Inventory
from farthing.node.nvidia_profiles import Profile, partitions
from farthing.node.slices import RICH, SETS, slices_of
from farthing.state.cards import CARD
from farthing.state.classes import classes_of
from tests.builders import asking, node, planned, snapshot


def profile(number, name, slices, most, mib, draws, size, starts):
    engines = dict(
        zip(("multiprocessors", "copy-engines", "decoders", "jpeg-engines", "ofa-engines"), draws, strict=True)
    )
    present = {name: amount for name, amount in engines.items() if amount}
    return Profile(number, name, slices, most, mib << 20, present, tuple((start, size) for start in starts))


A100 = (
    profile(19, "1g.5gb", 1, 7, 4864, (14, 1, 0, 0, 0), 1, range(7)),
    profile(20, "1g.5gb+me", 1, 1, 4864, (14, 1, 1, 1, 1), 1, range(7)),
    profile(15, "1g.10gb", 1, 4, 9984, (14, 1, 1, 0, 0), 2, range(0, 8, 2)),
    profile(14, "2g.10gb", 2, 3, 9984, (28, 2, 1, 0, 0), 2, range(0, 6, 2)),
    profile(9, "3g.20gb", 3, 2, 20096, (42, 3, 2, 0, 0), 4, (0, 4)),
    profile(5, "4g.20gb", 4, 1, 20096, (56, 4, 2, 0, 0), 4, (0,)),
    profile(0, "7g.40gb", 7, 1, 40320, (98, 7, 5, 1, 1), 8, (0,)),
)


def published(gpus=1):
    """The slices of a node of A100s, and the same as the cluster's inventory."""
    devices, counters = (), {}
    for minor in range(gpus):
        parent = {"model": "A100", "vendor": "nvidia", "uuid": f"GPU-{minor}", "minor": minor}
        found = partitions(A100, (), minor, parent)
        devices, counters = devices + found.devices, {**counters, **found.counters}
    slices = slices_of(Inventory(devices, counters), "n0", OWN_DRIVER, None)
    for number, one in enumerate(slices):
        one["spec"]["pool"]["generation"] = 1
        one["metadata"]["resourceVersion"] = str(number + 1)
    return slices, [SLICES.thing(msgspec.Raw(json.dumps(one).encode())) for one in slices]


def test_sixteen_gpus_stay_within_the_limits_of_slices():
    slices, _ = published(16)
    assert sum(len(one["spec"].get("devices", ())) for one in slices) == 16 * 25
    assert all(len(one["spec"].get("devices", ())) <= RICH for one in slices)
    assert all(len(one["spec"].get("sharedCounters", ())) <= SETS for one in slices)
    assert all(not ("devices" in one["spec"] and "sharedCounters" in one["spec"]) for one in slices)
    assert {one["spec"]["pool"]["resourceSliceCount"] for one in slices} == {len(slices)} == {9}


def placed(plan):
    places = [effect for effect in plan if isinstance(effect, Place)]
    grants = [grant for place in places for grant in place.grants]
    return sorted(result.device.name for grant in grants for result in grant.allocation.results)


def test_seven_small_ones_fit_and_an_eighth_waits():
    _, slices = published()
    plan = planned(node(), *slices, *(asking(f"p{i}", "1g.5gb") for i in range(8)))
    assert placed(plan) == [f"gpu-0-mig-1g5gb-19-{i}" for i in range(7)]


def test_no_two_stand_on_one_memory_slice():
    _, slices = published()
    plan = planned(
        node(), *slices, *(asking(f"p{i}", gpu) for i, gpu in enumerate(("3g.20gb", "2g.10gb", "1g.5gb", "4g.20gb")))
    )
    found = placed(plan)
    consumed = [use for slice_ in slices for one in slice_.devices if one.name in found for use in one.consumes]
    memory = [counter for _, counter, _ in consumed if counter.startswith("memory-slice")]
    assert len(found) >= 3
    assert len(memory) == len(set(memory))


def test_the_card_is_one_device_in_the_ledger():
    _, slices = published(2)
    cards = list(physicals(snapshot(node(), *slices).fleet))
    assert [card.supply.compute for card in cards] == [CARD, CARD]


@pytest.mark.parametrize(
    ("names", "most"),
    [
        ([f"gpu-0-mig-1g5gb-19-{i}" for i in range(7)], CARD // 7),
        (["gpu-0-mig-3g20gb-9-0", "gpu-0-mig-3g20gb-9-4"], CARD // 2),
        (["gpu-0-mig-7g40gb-0-0"], CARD),
        ([f"gpu-0-mig-1g10gb-15-{i}" for i in (0, 2, 4, 6)], CARD // 4),
    ],
)
def test_a_partition_is_billed_for_what_it_takes_and_all_together_for_no_more_than_the_card(names, most):
    _, slices = published()
    fleet = snapshot(node(), *slices).fleet
    parts = [part_of(fleet, Result("gpu", DeviceId(OWN_DRIVER, "n0", name), "")).compute for name in names]
    assert parts == [most] * len(names)
    assert sum(parts) <= CARD


def test_quota_counts_a_partition_as_the_ledger_does():
    _, slices = published()
    fleet = snapshot(node(), *slices).fleet
    milli = classes_of(fleet, ()).milli
    for name, most in (
        ("gpu-0-mig-1g5gb-19-0", 1000 // 7),
        ("gpu-0-mig-3g20gb-9-4", 500),
        ("gpu-0-mig-7g40gb-0-0", 1000),
    ):
        assert milli[fleet.device_index[DeviceId(OWN_DRIVER, "n0", name)]] == most
