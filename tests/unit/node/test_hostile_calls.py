"""Straight at the driver's socket, with claims as no API server should show them.

Each is prepared or refused with one short sentence, the claim beside it in the same call is prepared, nothing is left
behind, and nothing is written anywhere else.
"""

import grpc
import pytest

from farthing.node.wire import dra_v1_pb2
from tests.unit.node.conftest import DRIVER, call, name, uid

LONG = "x" * 10_000_000


def within(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


DEEP = within(5000)


def parameters(**change):
    return lambda claim: claim["status"]["allocation"]["devices"]["config"][0]["opaque"]["parameters"].update(change)


def result(**change):
    return lambda claim: claim["status"]["allocation"]["devices"]["results"][0].update(change)


def consumed(**change):
    return result(consumedCapacity=change)


def times(number, part):
    def change(claim):
        claim["status"]["allocation"]["devices"][part] *= number

    return change


def reserved(**change):
    return lambda claim: claim["status"].update(reservedFor=[{"resource": "pods", "name": "p", "uid": "u", **change}])


REFUSED = {
    "a thousand devices": (times(1000, "results"), "given 1000 devices with 1 configurations; the most are 32 and 64"),
    "a thousand configurations": (times(1000, "config"), "given 1 devices with 1000 configurations"),
    "a level of 10 MB": (parameters(isolation=LONG), "isolation 'xxxxx"),
    "a level of lists": (parameters(isolation=DEEP), "isolation [[[[[[[...]]]]]]] is not one of shared, soft"),
    "a team of 10 MB": (parameters(team=LONG), "team 'xxxxx"),
    "a team of lists": (parameters(team=DEEP), "team [[[[[[[...]]]]]]] is not a name"),
    "a team with a zero byte": (parameters(team="a\0b"), r"team 'a\x00b' is not a name"),
    "a team of two lines": (parameters(team="a\nb"), r"team 'a\nb' is not a name"),
    "half a character": (parameters(team="\ud800"), r"team '\ud800' is not a name"),
    "another version": (parameters(apiVersion="farthing.dev/v2"), "that is not farthing.dev/v1 Share"),
    "a device of 10 MB": (result(device=LONG), "device 'xxxxx"),
    "a device that is a path": (result(device="../../etc/passwd"), "device '../../etc/passwd' is not a name"),
    "a request that is a path": (result(request="gpu/../x"), "request 'gpu/../x' is not a name"),
    "a request of lists": (result(request=DEEP), "is not shaped as claims are"),
    "a share that is a path": (result(shareID="../x"), "shareID '../x' is not a name"),
    "a pool of 10 MB": (result(pool=LONG), "was given devices of ['xxxxx"),
    "a pool of two lines": (result(pool="a\nb\0"), r"was given devices of ['a\nb\x00'], and this is n1"),
    "less than no memory": (consumed(memory="-80Gi"), "memory '-80Gi' is not an amount"),
    "less than no compute": (consumed(compute="-5"), "compute '-5' is not an amount"),
    "memory beyond all machines": (consumed(memory="1e999999999"), "is not a quantity"),
    "memory of 10 MB": (consumed(memory="9" * 10_000_000), "is not a quantity"),
    "memory of lists": (consumed(memory=DEEP), "memory [[[[[[[...]]]]]]] is not an amount"),
    "a pod of lists": (reserved(name=DEEP), "pod [[[[[[[...]]]]]]] is not a name"),
    "a pod of two lines": (reserved(uid="a\nb"), r"pod 'a\nb' is not a name"),
    "a status of lists": (lambda claim: claim.update(status=DEEP), "is not shaped as claims are"),
    "a name that is a path": (lambda claim: claim["metadata"].update(name="../x"), "'../x' is not the name of a claim"),
    "no name at all": (lambda claim: claim["metadata"].pop("name"), "is not shaped as claims are: KeyError"),
}


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_claim_that_makes_no_sense_is_refused_and_costs_its_neighbour_nothing(rig, service, change, sentence):
    bad, good = rig.give(1), rig.give(2, "gpu-1")
    change(rig.claims["c1"])
    answers = await call(service, dra_v1_pb2, "NodePrepareResources", bad, good)
    assert sentence in answers[bad.uid].error
    assert len(answers[bad.uid].error) < 300
    assert answers[bad.uid].error.isprintable()
    assert [device.device_name for device in answers[good.uid].devices] == ["gpu-1"]
    await call(service, dra_v1_pb2, "NodeUnprepareResources", bad, good)
    assert rig.left() == []
    assert {path.name for path in rig.folder.iterdir()} <= {"claims", "cdi", "serialize.lock"}


@pytest.mark.parametrize(
    ("namespace", "called", "of"),
    [
        ("../..", "c1", uid(1)),
        ("ns", "../../../api/v1/secrets/x", uid(1)),
        ("ns", "c1?x=1", uid(1)),
        ("ns", "a\nb\0", uid(1)),
        ("n" * 1_000_000, "c1", uid(1)),
        ("", "", uid(1)),
        ("ns", "c1", ".."),
        ("ns", "c1", "x" * 1_000_000),
    ],
    ids=range(8),
)
async def test_names_that_are_none_are_asked_for_nowhere(rig, service, namespace, called, of):
    good = rig.give(2)
    rig.seen[good] = rig.claims.pop("c2")
    rig.away = AssertionError("must not be asked")
    bad = dra_v1_pb2.Claim(namespace=namespace, name=called, uid=of)
    for method in ("NodePrepareResources", "NodeUnprepareResources"):
        answers = await call(service, dra_v1_pb2, method, bad, good)
        assert " is not the " in answers[of].error
        assert len(answers[of].error) < 300
        assert not answers[good.uid].error
    assert rig.left() == []


async def test_two_shares_in_a_claim_mean_the_last_which_is_the_planners(rig, service):
    claim = rig.give(1)
    config = rig.claims["c1"]["status"]["allocation"]["devices"]["config"]
    own = {"apiVersion": "farthing.dev/v1", "kind": "Share", "isolation": "hard"}
    config.insert(0, {"source": "FromClaim", "opaque": {"driver": DRIVER, "parameters": own}})
    assert not (await call(service, dra_v1_pb2, "NodePrepareResources", claim))[claim.uid].error
    assert [share.level for share in service.preparer.hands.checkpoint.get(claim.uid).shares] == ["shared"]


async def test_administrators_have_what_says_true_and_nothing_else(rig, service):
    """Their shares take nothing, so a word for it would be room for everybody."""
    claims = [rig.give(number, compute=600) for number in (1, 2)]
    for number in (1, 2):
        result(adminAccess="false")(rig.claims[f"c{number}"])
    answers = await call(service, dra_v1_pb2, "NodePrepareResources", *claims)
    assert sum("ShareConflict" in answer.error for answer in answers.values()) == 1


async def test_a_call_that_is_no_call_costs_the_next_one_nothing(rig, service):
    claim = rig.give(1)
    async with grpc.aio.insecure_channel(f"unix://{service.sockets.service}") as channel:
        ask = channel.unary_unary(f"/{dra_v1_pb2.DESCRIPTOR.package}.DRAPlugin/NodePrepareResources")
        for nonsense in (b"\xff" * 100, b"\n\xff\xff\xff\xff\x07", b"x" * 10_000_000):
            with pytest.raises(grpc.RpcError):
                await ask(nonsense)
    assert not (await call(service, dra_v1_pb2, "NodePrepareResources", claim))[claim.uid].error
    assert name(1) == service.preparer.hands.checkpoint.get(claim.uid).claim
