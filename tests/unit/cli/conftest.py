"""A small cluster, folded as if it had been listed: two nodes with two H100 each, and pods on and before them."""

import pytest

from farthing.cli.look import Look
from farthing.model.ask import parse_ask, template_name
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
    Namespace,
    Node,
    Pod,
    PodClaim,
    Request,
    Result,
    Slice,
)
from farthing.model.plan import Seen
from farthing.state.world import World

NOW = 1_000_000.0
GIB = 1 << 30


class Town:
    """Builds a World; each method says what is there."""

    def __init__(self):
        self.world = World()
        self.version = 0
        self.see(DriverProfile("own", 1, OWN_DRIVER, "", "memory", "compute", "model", "", ("shared", "hard")))
        self.see(DeviceClass(DEVICE_CLASS, 1))

    def see(self, thing):
        self.world.fold(Seen(thing), NOW)

    def next(self):
        self.version += 1
        return self.version

    def node(self, name, devices=2, model="H100", cpu=64_000):
        self.see(Node(name, self.next(), f"uid-{name}", cpu, 256 * GIB, 110, {}))
        capacity = (
            ("compute", Capacity(1000, portioned=True, default=1000, least=1, step=1)),
            ("memory", Capacity(80 * GIB, portioned=True, default=80 * GIB, least=1 << 20, step=1 << 20)),
        )
        listed = tuple(Device(f"gpu-{i}", True, (("model", model),), capacity) for i in range(devices))
        self.see(Slice(f"{name}-gpu", self.next(), OWN_DRIVER, name, 1, 1, name, listed))
        return self

    def team(self, namespace, team):
        self.see(Namespace(namespace, self.next(), team))
        return self

    def pod(self, name, amount, *, on=None, namespace="default", age=60.0, made=True, **more):
        """A pod with an ask; `on` is (node, milli, *devices) where it runs. `over`: its claim is gone."""
        key, claim = Key(namespace, name), Key(namespace, f"{name}-farthing")
        ask = parse_ask(amount, more.pop("models", None))
        entry = PodClaim("farthing", claim.name if made else "", template_name(ask))
        self.see(
            Pod(
                key=key, uid=f"uid-{name}", version=self.next(), created=NOW - age, constraints=Constraints(),
                claims=(entry,), gated=on is None, node=on[0] if on else "", **more,
            )
        )  # fmt: skip
        if made and not more.get("over"):
            held = self._allocation(namespace, *on) if on else None
            users = ((name, f"uid-{name}"),) if on else ()
            request = (Request("gpu", DEVICE_CLASS),)
            self.see(
                Claim(
                    claim,
                    f"claim-{name}",
                    self.next(),
                    NOW - age,
                    requests=request,
                    ask=ask,
                    allocation=held,
                    users=users,
                )
            )
        return self

    @staticmethod
    def _allocation(team, node, milli, *devices):
        consumed = (("compute", milli), ("memory", 80 * GIB * milli // 1000))
        results = tuple(Result("gpu", DeviceId(OWN_DRIVER, node, d), f"share-{d}", consumed) for d in devices)
        return Allocation(results, node, "shared", team)

    def look(self):
        return Look(self.world, NOW)


@pytest.fixture
def town():
    return Town().node("n1").node("n2")
