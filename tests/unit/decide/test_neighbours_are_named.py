"""A pod that finds enough on devices that it may not join is told so, not that there is too little."""

from farthing.decide.draft import Draft
from farthing.decide.explain import exclusions, why_not
from farthing.decide.needs import Need
from farthing.model.ask import parse_ask
from farthing.model.cluster import (
    DEVICE_CLASS,
    OWN_DRIVER,
    Allocation,
    Capacity,
    Claim,
    Constraints,
    Device,
    DeviceClass,
    DeviceId,
    DriverProfile,
    Key,
    Node,
    Pod,
    Result,
    Slice,
)
from farthing.model.plan import Seen
from farthing.state.world import World

NEED = Need(1, DEVICE_CLASS, parse_ask("0.5"))
POD = Pod(Key("lab", "p"), "u", 1, created=0.0, constraints=Constraints())


def draft(milli):
    """One device of which another team has so many thousandths."""
    capacity = (
        ("compute", Capacity(1000, portioned=True, default=1000, step=1)),
        ("memory", Capacity(80 << 30, portioned=True, default=80 << 30, step=1 << 20)),
    )
    device = DeviceId(OWN_DRIVER, "n1", "gpu-0")
    taken = Result("gpu", device, "s", (("compute", milli), ("memory", (80 << 30) * milli // 1000)))
    world = World()
    for thing in (
        DriverProfile("own", 1, OWN_DRIVER, "", "memory", "compute", "model", "", ("shared",)),
        DeviceClass(DEVICE_CLASS, 1),
        Node("n1", 1, "n", 64_000, 256 << 30, 110, {}),
        Slice("n1-gpu", 1, OWN_DRIVER, "n1", 1, 1, "n1", (Device("gpu-0", True, (), capacity),)),
        Claim(Key("other", "c"), "c", 1, 0.0, allocation=Allocation((taken,), "n1", "shared", "other")),
    ):
        world.fold(Seen(thing), 0.0)
    return Draft.of(world.snapshot(0.0))


def sentences(milli):
    (group,) = exclusions(draft(milli), POD, (NEED,), "lab")
    return why_not(draft(milli), POD, (NEED,), "lab").sentence, group.sentence


def test_enough_beside_another_team_is_not_called_too_little():
    for sentence in sentences(250):
        assert "1 with enough left may not be joined (another team's" in sentence


def test_too_little_is_said_in_numbers():
    for sentence in sentences(750):
        assert "the most on one is 250 compute, 20 GiB" in sentence
