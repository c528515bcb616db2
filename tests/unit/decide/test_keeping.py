"""Devices that are being freed for a pod are kept for it."""

from dataclasses import replace

import pytest

from farthing.decide.cycle import plan
from farthing.model.cluster import DeviceId, Key
from farthing.model.errors import InvalidError
from farthing.model.keep import KEPT_SECONDS, Keep, parse_keep
from farthing.model.plan import Hold, Place
from farthing.model.reason import Why
from tests.builders import GIB, allocated, asking, device, node, slice_of, world
from tests.lives import Town

BOTH = tuple(DeviceId("gpu.farthing.dev", "n0", f"gpu-{i}") for i in range(2))


def town(kept, *others, at=0.0):
    """Two devices: a half leaves the first, the second is free; `big` wants both."""
    pod, claim = asking("half", "0.5")
    held = (replace(pod, node="n0", gated=False), allocated(claim, pod, "gpu-0"))
    big, claim = asking("big", "2", created=5.0)
    return world(node("n0"), slice_of("n0", 2), held, (replace(big, kept=kept), claim), *others, at=at)


def said(found, at=0.0):
    return {e.pod.key.name: e for e in plan(found.snapshot(at)) if isinstance(e, Hold | Place)}


def test_a_replacement_does_not_go_back_to_what_was_just_vacated():
    """The trap: two evictions are milliseconds apart, and the first replacement comes before the second share is free."""
    small = asking("again", "0.5", created=1.0)
    effects = said(town(str(Keep(60.0, BOTH)), small))
    assert effects["big"].reason.why is Why.MAKING_ROOM
    assert "gpu-0, gpu-1 of n0" in effects["big"].reason.sentence
    assert "until 1970-01-01T00:01:00Z" in effects["big"].reason.sentence
    assert effects["again"].reason.why is Why.NO_CAPACITY
    assert isinstance(said(town("", small))["again"], Place)


def test_the_pod_goes_first_when_its_devices_are_free():
    found = Town(town(str(Keep(60.0, BOTH)), asking("again", "0.5", created=1.0)))
    found.gone(Key("team-a", "half"))
    found.settle()
    assert found.devices("big") == {"n0/gpu-0", "n0/gpu-1"}
    assert found.devices("again") == set()


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "soon gpu.farthing.dev/n0/gpu-0",
        "1970-01-01T00:01:00Z",
        "1970-02-31T00:01:00Z gpu.farthing.dev/n0/gpu-0",
        str(Keep(60.0, (DeviceId("gpu.farthing.dev", "n0", "gpu-9"),))),
        str(Keep(KEPT_SECONDS + 11, BOTH)),
        str(Keep(10.0, BOTH)),
    ],
    ids=["nothing", "no-instant", "no-device", "no-such-day", "unknown-device", "too-long", "over"],
)
def test_nothing_is_kept_by_a_text_that_cannot_be_believed(kept):
    assert isinstance(said(town(kept, asking("again", "0.5", created=1.0)), at=10.0)["again"], Place)


def test_of_two_pods_that_claim_one_device_the_first_by_name_has_it():
    rival = asking("rival", "1", created=1.0)
    rival = (replace(rival[0], kept=str(Keep(60.0, BOTH[1:]))), rival[1])
    effects = said(town(str(Keep(60.0, BOTH)), rival))
    assert effects["big"].reason.why is Why.MAKING_ROOM
    assert effects["rival"].reason.why is Why.NO_CAPACITY


def test_the_room_on_the_node_is_kept_as_well():
    big, claim = asking("big", "1", cpu=60_000, kept=str(Keep(60.0, BOTH[:1])))
    half = asking("half", "0.5")
    held = (replace(half[0], node="n0", gated=False), allocated(half[1], half[0], "gpu-0"))
    greedy = asking("greedy", "0.5", created=1.0, cpu=8000)
    effects = said(world(node("n0"), slice_of("n0", 2), held, (replace(big, created=9.0), claim), greedy))
    assert effects["big"].node == "n0", "it fits beside what is kept for it, and goes first"
    assert effects["greedy"].reason.why is Why.NO_NODE_ROOM


def test_a_partition_that_is_kept_keeps_what_other_partitions_of_its_device_would_take():
    parts = [
        device(name, 10 * GIB, attributes={"profile": profile}, consumes=(("gpu-0", "slices", size),), multi=False)
        for name, profile, size in (("small", "1g.10gb", 1), ("other", "1g.10gb", 1), ("large", "2g.20gb", 2))
    ]
    pool = slice_of("n0", parts, counters=(("gpu-0", "slices", 2),))
    big, claim = asking("big", "2g.20gb", created=9.0)
    keep = Keep(60.0, (DeviceId("gpu.farthing.dev", "n0", "large"),))
    leaving = asking("leaving", "1g.10gb")
    held = (replace(leaving[0], node="n0", gated=False), allocated(leaving[1], leaving[0], "small"))
    found = Town(world(node("n0"), pool, held, (replace(big, kept=str(keep)), claim)))
    found.submit(*asking("again", "1g.10gb", created=1.0))
    found.gone(Key("team-a", "leaving"))
    found.settle()
    assert (found.devices("big"), found.devices("again")) == ({"n0/large"}, set())


def test_what_was_written_reads_back():
    keep = Keep(1_764_054_603.0, (DeviceId("gpu.nvidia.com", "pool/with/slashes", "gpu-0"), BOTH[0]))
    assert parse_keep(str(keep)) == keep
    with pytest.raises(InvalidError, match=r"farthing\.dev/kept: 'x' does not say"):
        parse_keep("x")
