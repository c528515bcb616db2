"""Preparing is idempotent, survives its end at any point, and refuses what the node's own books do not allow."""

import asyncio
import contextlib
import hashlib
import json
import os

import pytest

from farthing.model.errors import FarthingError, InvalidError, NotFoundError, TransientError, UnsupportedError
from farthing.node import cdi as cdi_module
from farthing.node import checkpoint as checkpoint_module
from farthing.node import prepare as prepare_module
from farthing.node.cdi import Cdi
from tests.unit.node.conftest import name, uid


async def test_preparing_twice_is_preparing_once(rig):
    claim = rig.give(1)
    driver = rig.restart()
    first = await driver.prepare(claim)
    before = rig.left()
    assert await driver.prepare(claim) == first
    assert rig.left() == before == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]


async def test_the_cdi_file_tells_the_container_what_it_got(rig):
    await rig.restart().prepare(rig.give(1))
    (device,) = json.loads(Cdi(rig.folder / "cdi").path(uid(1)).read_text())["devices"]
    assert device["name"] == f"{uid(1)}-gpu"
    env = set(device["containerEdits"]["env"])
    assert {"FARTHING_CLAIM=ns/c1", "FARTHING_COMPUTE_MILLI=250", "FARTHING_MEMORY_MIB=20480", "OPEN=yes"} <= env


async def test_unpreparing_leaves_nothing_and_may_be_done_again(rig):
    claim = rig.give(1)
    driver = rig.restart()
    await driver.prepare(claim)
    await driver.unprepare(claim)
    await driver.unprepare(claim)
    assert rig.left() == []
    assert rig.bench.opened == set()


async def test_unpreparing_does_not_need_the_claim_any_more(rig):
    claim = rig.give(1)
    await rig.restart().prepare(claim)
    rig.claims.clear()
    rig.away = TransientError("the API server is away")
    await rig.restart().unprepare(claim)
    assert rig.left() == []


class KilledError(Exception):
    """The end of the process."""


async def ended(work):
    """Have the work end, by itself or by being killed."""
    with contextlib.suppress(KilledError):
        await work


@pytest.mark.parametrize("step", range(1, 9))
@pytest.mark.parametrize(
    ("work", "then"), [("prepare", "prepare"), ("prepare", "unprepare"), ("unprepare", "unprepare")]
)
async def test_killed_at_any_write_the_next_driver_ends_at_the_same_place(rig, monkeypatch, step, work, then):
    """Each write, each rename and each removal is a step; the process ends when half of the chosen one is done."""
    claim = rig.give(1)
    if work == "unprepare":
        await rig.restart().prepare(claim)
    steps = 0

    def dying(real, half=lambda *_: None):
        def act(*args, **more):
            nonlocal steps
            steps += 1
            if steps == step:
                half(*args)
                raise KilledError
            return real(*args, **more)

        return act

    write, pwrite = os.write, os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", dying(write, lambda file, data: write(file, data[: len(data) // 2])))
        patch.setattr(os, "pwrite", dying(pwrite, lambda file, data, at: pwrite(file, data[: len(data) // 2], at)))
        patch.setattr(os, "replace", dying(os.replace))
        patch.setattr(cdi_module.Path, "unlink", dying(cdi_module.Path.unlink))
        await ended(getattr(rig.restart(), work)(claim))
    after = rig.restart()
    await getattr(after, then)(claim)
    if then == "prepare":
        assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]
        assert rig.bench.opened == {"s1"}
        await after.unprepare(claim)
    assert rig.left() == []
    assert rig.bench.opened == set()


async def test_what_fails_to_open_leaves_nothing(rig):
    claim = rig.give(1)
    rig.bench.error = TransientError("the device does not answer")
    with pytest.raises(TransientError, match="does not answer"):
        await rig.restart().prepare(claim)
    assert rig.left() == []


async def test_a_container_starts_again_while_the_api_server_is_away(rig):
    claim = rig.give(1)
    await rig.restart().prepare(claim)
    rig.away = TransientError("away")
    assert (await rig.restart().prepare(claim)).state == "prepared"
    with pytest.raises(TransientError, match="cannot be asked"):
        await rig.restart().prepare(name(2))


async def test_another_claim_of_the_same_name_is_not_prepared(rig):
    rig.give(1)
    rig.claims["c1"]["metadata"]["uid"] = uid(9)
    with pytest.raises(NotFoundError, match="another one"):
        await rig.restart().prepare(name(1))


async def test_a_claim_allocated_anew_is_prepared_anew(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1, compute=250))
    record = await driver.prepare(rig.give(1, compute=500))
    assert record.shares[0].compute == 500


async def test_another_pod_of_the_same_claim_changes_nothing_but_who_uses_it(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    opened = rig.bench.opened.copy()
    rig.claims["c1"]["status"]["reservedFor"] = [{"resource": "pods", "name": "p", "uid": "second"}]
    rig.bench.error = AssertionError("must not be opened again")
    record = await driver.prepare(name(1))
    assert record.shares[0].pods == ("second",)
    assert rig.bench.opened == opened


# Beside each other ----------------------------------------------------------------------------------------------------


async def test_never_more_than_the_device_has(rig):
    driver = rig.restart()
    for number in range(4):
        await driver.prepare(rig.give(number))
    with pytest.raises(UnsupportedError, match="ShareConflict: 100Gi of gpu-0 would be used"):
        await driver.prepare(rig.give(9))


async def test_one_level_on_a_device_at_a_time(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1, level="shared"))
    with pytest.raises(UnsupportedError, match="ShareConflict: gpu-0 is used at shared by ns/c1"):
        await driver.prepare(rig.give(2, level="hard"))


async def test_one_team_on_a_device_at_a_time(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1, team="a"))
    with pytest.raises(UnsupportedError, match="team a"):
        await driver.prepare(rig.give(2, team="b"))


async def test_a_neighbour_whose_claim_is_over_makes_room(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1, team="a"))
    del rig.claims["c1"]
    await driver.prepare(rig.give(2, team="b"))
    assert "c1 prepared" not in rig.left()


async def test_a_level_that_the_device_cannot_deliver_is_refused(rig):
    with pytest.raises(UnsupportedError, match="IsolationUnavailable: gpu-1 cannot deliver hard"):
        await rig.restart().prepare(rig.give(1, "gpu-1", level="hard"))


async def test_a_device_that_is_not_here_is_refused(rig):
    with pytest.raises(UnsupportedError, match="DeviceLost: this node has no device gpu-7"):
        await rig.restart().prepare(rig.give(1, "gpu-7"))


# Leftovers ------------------------------------------------------------------------------------------------------------


async def test_after_a_boot_the_leftovers_of_the_former_are_cleared(rig):
    await rig.restart().prepare(rig.give(1))
    rig.boot = "boot-2"
    driver = rig.restart()
    await driver.unprepare(name(2))
    assert rig.left() == []


def signed(text, old, new):
    """A journal's line with a change in it that its checksum knows of."""
    line = text.splitlines()[-1].replace(old, new)
    body = line[line.index('"body":') + 7 : -1]
    assert new in body
    return f'{{"checksum":"{hashlib.sha256(body.encode()).hexdigest()}","body":{body}}}\n'


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-5],
        lambda text: "",
        lambda text: text.replace('"compute":250', '"compute":251'),
        lambda text: signed(text, '"version":3', '"version":4'),
        lambda text: signed(text, '"level":"shared"', '"level":"harder"'),
        lambda _: "7",
        lambda _: "[" * 100_000,
    ],
    ids=["cut short", "empty", "changed", "of another version", "of another shape", "a number", "lists in lists"],
)
async def test_a_spoiled_record_is_moved_aside_and_made_anew_from_the_claim(rig, spoil):
    await rig.restart().prepare(rig.give(1))
    spoiled = spoil(rig.journal.read_text())
    rig.journal.write_text(spoiled)
    driver = rig.restart()
    await driver.unprepare(name(2))
    assert rig.journal.with_suffix(".corrupt").exists() == bool(spoiled)
    await driver.sweep()
    await driver.prepare(name(1))
    assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]


async def test_a_spoiled_record_costs_the_others_nothing(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    await driver.prepare(rig.give(2))
    rig.journal.write_text(rig.journal.read_text().replace('"c1"', '"cx"'))
    again = rig.restart()
    await again.unprepare(name(3))
    assert [record.claim.name for record in again.hands.checkpoint] == ["c2"]
    assert "cx" in rig.journal.with_suffix(".corrupt").read_text()


async def test_a_journal_that_is_mostly_blank_is_written_anew(rig, monkeypatch):
    monkeypatch.setattr(checkpoint_module, "WORTH_COMPACTING", 8192)
    driver = rig.restart()
    await driver.prepare(rig.give(0))
    for number in range(1, 40):
        await driver.prepare(rig.give(number))
        await driver.unprepare(name(number))
    assert rig.journal.stat().st_size < 3 * 8192
    assert [record.claim.name for record in rig.restart().hands.checkpoint] == []
    assert rig.left()[0] == "c0 prepared"


async def test_sweeping_undoes_what_no_claim_holds(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    await driver.prepare(rig.give(2))
    del rig.claims["c1"]
    assert await driver.sweep() == (name(1),)
    assert rig.bench.opened == {"s2"}


async def test_sweeping_touches_nothing_while_nobody_can_say(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    rig.away = TransientError("away")
    assert await driver.sweep() == ()
    assert rig.bench.opened == {"s1"}


async def test_a_cdi_file_of_nobody_is_removed(rig):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    rig.journal.unlink()
    rig.claims.clear()
    await rig.restart().sweep()
    assert rig.left() == []


async def test_a_cdi_folder_that_cannot_be_written_is_said_and_leaves_nothing(rig):
    (rig.folder / "cdi").write_text("a file where the folder should be")
    with pytest.raises(TransientError, match="cannot write the CDI file"):
        await rig.restart().prepare(rig.give(1))
    assert not rig.journal.read_bytes().strip()
    assert rig.bench.opened == set()
    (rig.folder / "cdi").unlink()
    await rig.restart().prepare(name(1))


async def test_nothing_is_believed_of_the_wall_clock(rig, monkeypatch):
    """It may jump as it likes: preparing, undoing and sweeping never look at it."""
    driver = rig.restart()
    with monkeypatch.context() as patch:
        for clock in ("time", "time_ns", "localtime", "gmtime"):
            patch.setattr(f"time.{clock}", lambda *_: pytest.fail("looked at the wall clock"))
        await driver.prepare(rig.give(1))
        await driver.sweep()
        await driver.unprepare(name(1))
    assert rig.left() == []


def full(*_):
    raise OSError(28, "No space left on device")


async def test_a_full_disk_is_said_and_leaves_nothing_half(rig, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(TransientError, match="No space left"):
            await rig.restart().prepare(rig.give(1))
    assert rig.left() == []


@pytest.mark.parametrize("good", [1, 2])
async def test_a_disk_that_is_full_in_the_middle_leaves_nothing_half(rig, monkeypatch, good):
    writes = iter([*[os.write] * good, full])

    def write(*args):
        return next(writes)(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(TransientError, match="No space left"):
            await rig.restart().prepare(rig.give(1))
    assert rig.left() == []
    assert rig.bench.opened == set()


async def test_a_cdi_file_that_the_disk_takes_half_of_is_none(rig, monkeypatch):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data if b"checksum" in data else data[:10]))
        with pytest.raises(TransientError, match=r"cannot write the CDI file .* No space left"):
            await rig.restart().prepare(rig.give(1))
    assert rig.left() == []


async def test_a_full_disk_does_not_keep_pods_from_ending(rig, monkeypatch):
    driver = rig.restart()
    await driver.prepare(rig.give(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        await driver.unprepare(name(1))
    assert rig.left() == []


async def test_two_drivers_see_each_others_work(rig):
    old, new = rig.restart(), rig.restart()
    await old.prepare(rig.give(1, team="a"))
    with pytest.raises(UnsupportedError, match="team a"):
        await new.prepare(rig.give(2, team="b"))
    await new.unprepare(name(1))
    await old.prepare(rig.give(2, team="b"))


async def test_many_at_once_never_get_more_than_there_is(rig):
    drivers = [rig.restart(), rig.restart()]
    claims = [rig.give(number) for number in range(12)]
    done = await asyncio.gather(*(drivers[i % 2].prepare(c) for i, c in enumerate(claims)), return_exceptions=True)
    assert sum(not isinstance(found, FarthingError) for found in done) == 4


# Bursts ---------------------------------------------------------------------------------------------------------------


async def test_what_the_watch_saw_is_not_asked_for(rig):
    claim = rig.give(1)
    rig.seen[claim] = rig.claims.pop("c1")
    rig.away = AssertionError("must not be asked")
    assert (await rig.restart().prepare(claim)).state == "prepared"


async def test_a_burst_is_few_writes_of_records(rig, monkeypatch):
    claims = [rig.give(number, compute=10) for number in range(64)]
    driver = rig.restart()
    writes = []
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: writes.append(data) or write(file, data))
        await asyncio.gather(*(driver.prepare(claim) for claim in claims))
    assert len([data for data in writes if data.startswith(b'{"checksum"')]) <= 2 * (
        1 + 64 // prepare_module.MOST_AT_ONCE + 1
    )
    assert len([left for left in rig.left() if left.endswith(" prepared")]) == 64


async def test_one_that_fails_costs_the_others_of_its_turn_nothing(rig):
    good, bad, lost = rig.give(1), rig.give(2, "gpu-1", level="hard"), rig.give(3, "gpu-7")
    driver = rig.restart()
    answers = await asyncio.gather(*(driver.prepare(c) for c in (bad, good, lost)), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["BesideError", "Record", "BesideError"]
    assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]


async def test_requests_whose_devices_are_listed_in_turns_are_each_opened_as_one(rig):
    """The order of the results is that of whoever allocated."""
    claim = rig.give(1)
    results = rig.claims["c1"]["status"]["allocation"]["devices"]["results"]
    first = {**results[0], "consumedCapacity": {"compute": "100", "memory": "8Gi"}}
    results[:] = [
        {**first, "request": request, "device": device, "shareID": f"{request}{device}"}
        for request, device in (("a", "gpu-0"), ("b", "gpu-0"), ("a", "gpu-1"), ("b", "gpu-1"))
    ]
    del rig.claims["c1"]["status"]["allocation"]["devices"]["config"][0]["requests"]
    await rig.restart().prepare(claim)
    devices = json.loads(Cdi(rig.folder / "cdi").path(uid(1)).read_text())["devices"]
    told = {device["name"]: set(device["containerEdits"]["env"]) for device in devices}
    assert told.keys() == {f"{uid(1)}-a", f"{uid(1)}-b"}
    assert all("FARTHING_DEVICES=gpu-0,gpu-1" in env for env in told.values())


async def test_the_same_claim_many_times_at_once_is_prepared_once(rig):
    claim = rig.give(1)
    driver = rig.restart()
    records = await asyncio.gather(*(driver.prepare(claim) for _ in range(5)))
    assert len(set(records)) == 1


async def test_a_call_that_kubelet_gives_up_before_its_turn_is_not_begun(rig):
    first, second = rig.give(1), rig.give(2)
    driver = rig.restart()
    calls = [asyncio.create_task(driver.prepare(claim)) for claim in (first, second)]
    async with driver._locked():
        await asyncio.sleep(0.01)
        calls[1].cancel()
    await calls[0]
    await asyncio.gather(*calls, return_exceptions=True)
    assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]


async def test_a_call_that_kubelet_gives_up_goes_on_to_its_end(rig):
    claim = rig.give(1)
    driver = rig.restart()
    call = asyncio.create_task(driver.prepare(claim))
    while not driver.hands.checkpoint.get(claim.uid):  # noqa: ASYNC110 -- its turn has begun, and nobody tells
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await driver.unprepare(name(2))
    assert rig.left() == ["c1 prepared", f"farthing.dev-gpu_{uid(1)}.json"]
    await driver.unprepare(claim)
    assert rig.left() == []


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "a/b", "x" * 64, "a b", "a\n"])
def test_a_uid_that_is_no_uid_is_refused_before_it_is_a_path(bad):
    with pytest.raises(InvalidError, match="not the uid"):
        type(name(1))("ns", "c", bad)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"isolation": "harder"}, "isolation 'harder' is not one of"),
        ({"kind": "GpuConfig"}, "not farthing.dev/v1 Share"),
        ({"team": 7}, "team 7 is not a name"),
        ({"team": "a\nb"}, "is not a name"),
    ],
)
async def test_configuration_that_makes_no_sense_is_refused(rig, change, said):
    claim = rig.give(1)
    parameters = rig.claims["c1"]["status"]["allocation"]["devices"]["config"][0]["opaque"]["parameters"]
    parameters.update(change)
    with pytest.raises(InvalidError, match=said):
        await rig.restart().prepare(claim)
    assert rig.left() == []


async def test_a_claim_that_holds_nothing_is_refused(rig):
    claim = rig.give(1)
    rig.claims["c1"]["status"] = {}
    with pytest.raises(InvalidError, match="is not allocated"):
        await rig.restart().prepare(claim)
