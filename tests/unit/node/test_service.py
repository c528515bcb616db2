"""What kubelet calls, over a real socket: one call with many claims, each with an answer of its own."""

import pytest

from farthing.node.wire import dra_v1_pb2, dra_v1beta1_pb2
from tests.unit.node.conftest import call, name, uid


@pytest.mark.parametrize("module", [dra_v1_pb2, dra_v1beta1_pb2], ids=["v1", "v1beta1"])
async def test_each_claim_of_a_call_has_its_own_answer(rig, service, module):
    claims = [rig.give(1), rig.give(2, "gpu-1", level="hard"), rig.give(3), name(9)]
    answers = await call(service, module, "NodePrepareResources", *claims)
    assert set(answers) == {claim.uid for claim in claims}
    assert [device.device_name for device in answers[uid(1)].devices] == ["gpu-0"]
    assert answers[uid(3)].devices[0].cdi_device_ids == [f"farthing.dev/gpu={uid(3)}-gpu"]
    assert "IsolationUnavailable" in answers[uid(2)].error
    assert "no claim ns/c9" in answers[uid(9)].error
    gone = await call(service, module, "NodeUnprepareResources", *claims)
    assert not any(answer.error for answer in gone.values())
    assert rig.left() == []


async def test_a_uid_that_is_no_uid_costs_its_own_claim_only(rig, service):
    module = dra_v1_pb2
    rig.give(1)
    bad = module.Claim(namespace="ns", name="x", uid="../../etc/passwd")
    good = module.Claim(namespace="ns", name="c1", uid=uid(1))
    answers = await call(service, module, "NodePrepareResources", bad, good)
    assert "is not the uid of a claim" in answers[bad.uid].error
    assert answers[uid(1)].devices
    assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]


async def test_what_the_driver_does_not_know_is_said_without_details(rig, service):
    claim = rig.give(1)
    rig.bench.error = RuntimeError("a secret of the machine")
    answers = await call(service, dra_v1_pb2, "NodePrepareResources", claim)
    assert answers[uid(1)].error == "cannot prepare: the driver met an error that it does not know; its log says more"
