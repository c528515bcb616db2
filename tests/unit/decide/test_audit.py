"""The auditor finds what no slice publishes, and bears with a node that is gone."""

from dataclasses import replace

from farthing.decide.audit import Difference, audit
from farthing.model.cluster import Claim
from tests.builders import allocated, asking, device, node, slice_of, snapshot


def _wrong(nodes: tuple[str, ...], on: str, device_name: str) -> tuple[Difference, ...]:
    pod, claim = asking("p", "0.5")
    held = allocated(claim, pod, device_name, on)
    found = snapshot(*(node(name) for name in nodes), slice_of("n0", [device("gpu-0")]), replace(pod, node=on), held)
    claims: tuple[Claim, ...] = (held,)
    return audit(found.fleet, found.free, claims)


def test_a_share_of_a_published_device_is_right() -> None:
    assert _wrong(("n0",), "n0", "gpu-0") == ()


def test_a_share_of_a_device_that_its_node_does_not_publish_is_wrong() -> None:
    (found,) = _wrong(("n0",), "n0", "gpu-7")
    assert "no slice publishes" in found.sentence


def test_a_share_on_a_node_that_is_gone_is_left_to_kubernetes() -> None:
    assert _wrong(("n0",), "n1", "gpu-0") == ()
