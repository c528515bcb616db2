"""The meter makes intervals of what happens to claims, and supplies of what happens to devices."""

from dataclasses import replace

from farthing.ledger.meter import Meter
from farthing.model.cluster import (
    OWN_DRIVER,
    Allocation,
    Capacity,
    Claim,
    Device,
    DeviceId,
    DriverProfile,
    Job,
    Key,
    Namespace,
    Node,
    Pod,
    Result,
    Slice,
    Taint,
)
from farthing.model.plan import Gone, Listed, Seen
from farthing.state.cards import CARD
from tests.builders import GIB, allocated, asking, device, newer, node, slice_of, world

AT = 1000.0
DEVICE = f"{OWN_DRIVER}/n0/gpu-0"


def metered(*things, at=AT):
    found = world(*things)
    meter = Meter("c")
    meter.begin(found, at)
    return found, meter


def fold(found, meter, news, at):
    found.fold(news, at)
    meter.note(found, news, at)


def summary(records):
    return [(i.claim, i.device, i.start, i.end, i.compute, i.team) for i in records.intervals]


def held_since(claim, pod, since):
    held = allocated(claim, pod)
    return replace(held, allocation=replace(held.allocation, since=since))


def test_what_is_there_at_the_beginning_begins_when_it_was_allocated_and_devices_now():
    pod, claim = asking(owners=("ReplicaSet/web-1", "Deployment/web"))
    _, meter = metered(node(), slice_of(), (pod, claim), held_since(claim, pod, 400.9))
    records = meter.take()
    assert summary(records) == [(claim.uid, DEVICE, 400, None, 500, "team-a")]
    assert records.intervals[0].workload == "Deployment/web"
    assert [(s.device, s.start, s.end, s.model, s.compute, s.memory) for s in records.supplies] == [
        (DEVICE, 1000, None, "h100", 1000, 80 * GIB)
    ]


def test_an_allocation_without_a_believable_time_begins_when_it_is_seen():
    for since in (0.0, 5000.0, -1.0):
        pod, claim = asking(created=10)
        _, meter = metered(node(), slice_of(), (pod, claim), held_since(claim, pod, since))
        assert meter.take().intervals[0].start == 1000


def test_a_share_ends_when_its_allocation_goes_or_its_claim():
    for news in (lambda held: Seen(newer(held, allocation=None, users=())), lambda held: Gone(Claim, held.key, 10**9)):
        pod, claim = asking()
        held = held_since(claim, pod, 400)
        found, meter = metered(node(), slice_of(), (pod, claim), held)
        meter.take()
        fold(found, meter, news(held), 1234.9)
        meter.turn(found, 1240)
        assert summary(meter.take()) == [(claim.uid, DEVICE, 400, 1234, 500, "team-a")]
        assert not meter.take()


def test_a_share_that_came_and_went_between_two_turns_is_not_missed():
    pod, claim = asking()
    found, meter = metered(node(), slice_of(), (pod, claim))
    meter.take()
    held = allocated(claim, pod)
    fold(found, meter, Seen(held), 1010)
    fold(found, meter, Seen(newer(held, allocation=None)), 1015)
    meter.turn(found, 1016)
    assert summary(meter.take()) == [(claim.uid, DEVICE, 1010, 1015, 500, "team-a")]


def test_a_share_that_is_given_anew_is_another_interval():
    pod, claim = asking()
    held = held_since(claim, pod, 400)
    found, meter = metered(node(), slice_of(devices=2), (pod, claim), held)
    meter.take()
    moved = newer(allocated(claim, pod, "gpu-1"))
    fold(found, meter, Seen(moved), 1100)
    meter.turn(found, 1100)
    assert [(i.device[-1], i.start, i.end) for i in meter.take().intervals] == [("0", 400, 1100), ("1", 1100, None)]


def test_old_news_changes_nothing():
    pod, claim = asking()
    held = held_since(claim, pod, 400)
    found, meter = metered(node(), slice_of(), (pod, claim), held)
    meter.take()
    fold(found, meter, Seen(claim), 1100)
    fold(found, meter, Seen(held), 1101)
    meter.turn(found, 1102)
    assert not meter.take()


def test_a_list_ends_what_it_does_not_hold():
    pod, claim = asking()
    found, meter = metered(node(), slice_of(), (pod, claim), held_since(claim, pod, 400))
    meter.take()
    fold(found, meter, Listed(Claim, (), 10**9), 1500)
    meter.turn(found, 1500)
    assert meter.take().intervals[0].end == 1500


def test_a_share_waits_for_the_device_that_it_is_of():
    pod, claim = asking()
    found, meter = metered((pod, claim), held_since(claim, pod, 400))
    assert not meter.take()
    for thing in (node(), slice_of()):
        fold(found, meter, Seen(thing), 1100)
    meter.turn(found, 1100)
    assert summary(meter.take()) == [(claim.uid, DEVICE, 400, None, 500, "team-a")]


def test_the_team_is_the_allocations_then_the_pods_then_the_namespaces():
    pod, claim = asking(team="")
    held = held_since(claim, pod, 400)
    bare = replace(held, allocation=replace(held.allocation, team=""))
    for things, team in (
        ([bare], "team-a"),
        ([bare, Namespace("team-a", 1, "speech")], "speech"),
        ([bare, newer(pod, team="pods")], "pods"),
        ([held], "team-a"),
    ):
        _, meter = metered(node(), slice_of(), (pod, claim), *things)
        assert meter.take().intervals[0].team == team


def test_a_device_that_goes_or_changes_its_price_is_another_supply():
    found, meter = metered(node(), slice_of())
    meter.take()
    fold(found, meter, Seen(newer(found.get(Node, Key("", "n0")), labels={"karpenter.sh/capacity-type": "spot"})), 2000)
    meter.turn(found, 2000)
    assert [(s.start, s.end, s.spot) for s in meter.take().supplies] == [(1000, 2000, False), (2000, None, True)]
    fold(found, meter, Gone(Slice, Key("", "n0-gpu"), 10**9), 3000)
    meter.turn(found, 3000)
    assert [(s.start, s.end) for s in meter.take().supplies] == [(2000, 3000)]


def test_what_nobody_new_can_use_is_stranded_until_that_ends():
    found, meter = metered(node(), slice_of(devices=[device(taints=(Taint("xid", "79", "NoExecute"),))]))
    first = meter.take().intervals
    assert [(i.use, i.device, i.start, i.end, i.compute) for i in first] == [("stranded", DEVICE, 1000, None, 1000)]
    fold(found, meter, Seen(newer(slice_of(), generation=2)), 1500)
    meter.turn(found, 1500)
    assert [(i.use, i.end) for i in meter.take().intervals] == [("stranded", 1500)]


def test_time_does_not_go_back_with_the_clock():
    pod, claim = asking()
    held = held_since(claim, pod, 400)
    found, meter = metered(node(), slice_of(), (pod, claim), held)
    fold(found, meter, Gone(Claim, claim.key, 10**9), 200)
    meter.turn(found, 201)
    assert meter.take().intervals[0].end == 1000


def test_records_that_could_not_be_written_come_again_in_their_newest_state():
    pod, claim = asking()
    found, meter = metered(node(), slice_of(), (pod, claim), held_since(claim, pod, 400))
    taken = meter.take()
    fold(found, meter, Gone(Claim, claim.key, 10**9), 1100)
    meter.turn(found, 1100)
    meter.give_back(taken)
    again = meter.take()
    assert summary(again) == [(claim.uid, DEVICE, 400, 1100, 500, "team-a")]
    assert again.supplies == taken.supplies


def test_partitions_are_parts_of_their_card():
    profile = DriverProfile("mig", 1, "gpu.nvidia.com", "nvidia", "memory", "", "productName", "profile", ("shared",))
    sizes = (("gpu-0-counters", "memory", 80), ("gpu-0-counters", "multiprocessors", 132))

    def piece(name, memory, processors, **more):
        draws = (("gpu-0-counters", "memory", memory), ("gpu-0-counters", "multiprocessors", processors))
        capacity = (("memory", Capacity(memory << 30)),)
        return Device(
            name, multi=False, attributes=(("productName", "H100"), *more.items()), capacity=capacity, consumes=draws
        )

    pieces = (piece("gpu-0", 80, 132), *(piece(f"mig-{i}", 10, 16, profile="1g.10gb") for i in range(2)))
    card = Slice("n0-gpu", 5, "gpu.nvidia.com", "n0", 1, 1, "n0", pieces, counters=sizes)
    held = Allocation(
        (Result("gpu", DeviceId("gpu.nvidia.com", "n0", "mig-1"), ""),), "n0", "partition", "vision", since=400
    )
    pod, claim = asking(gpu="1g.10gb")
    _, meter = metered(profile, node(), card, (pod, claim), newer(claim, allocation=held))
    records = meter.take()
    assert [(s.device, s.model, s.compute) for s in records.supplies] == [
        ("gpu.nvidia.com/n0/gpu-0-counters", "h100", CARD)
    ]
    assert [(i.device, i.compute, i.share) for i in records.intervals] == [
        ("gpu.nvidia.com/n0/gpu-0-counters", CARD // 8, "gpu")
    ]


def test_a_name_that_no_team_can_have_is_not_billed():
    pod, claim = asking(team="")
    held = held_since(claim, pod, 400)
    forged = replace(held, allocation=replace(held.allocation, team="Robert'); DROP TABLE " + "x" * 300))
    _, meter = metered(node(), slice_of(), (pod, claim), forged)
    assert meter.take().intervals[0].team == "team-a"


def ended(pod, at):
    return Seen(newer(pod, over=True, ended=at))


def test_a_share_ends_when_its_pod_did_and_not_when_that_was_noticed():
    pod, claim = asking(gated=False, node="n0")
    held = held_since(claim, pod, 400)
    found, meter = metered(node(), slice_of(), (pod, claim), held)
    meter.take()
    fold(found, meter, ended(pod, 1090.7), 1100)
    fold(found, meter, Seen(newer(held, allocation=None, users=())), 1102)
    meter.turn(found, 1103)
    assert [i.end for i in meter.take().intervals] == [1090]


def test_a_pods_clock_that_runs_ahead_or_far_behind_is_not_believed():
    for said, end in ((5000.0, 1102), (300.0, 400)):
        pod, claim = asking(gated=False, node="n0")
        held = held_since(claim, pod, 400)
        found, meter = metered(node(), slice_of(), (pod, claim), held)
        fold(found, meter, ended(pod, said), 1100)
        fold(found, meter, Seen(newer(held, allocation=None, users=())), 1102)
        meter.turn(found, 1103)
        assert [i.end for i in meter.take().intervals] == [end]


def test_a_claim_of_several_pods_ends_with_the_last_of_them():
    pod, claim = asking(gated=False, node="n0")
    held = held_since(claim, pod, 400)
    found, meter = metered(node(), slice_of(), (pod, claim), held)
    second = newer(pod, key=Key("team-a", "q"), uid="uid-q")
    both = newer(held, users=(*held.users, ("q", "uid-q")))
    for news in (Seen(second), Seen(both)):
        fold(found, meter, news, 1010)
    meter.turn(found, 1010)
    fold(found, meter, ended(pod, 1020.0), 1021)
    fold(found, meter, ended(second, 1050.0), 1051)
    fold(found, meter, Seen(newer(both, allocation=None, users=())), 1060)
    meter.turn(found, 1060)
    assert [i.end for i in meter.take().intervals] == [1050]


def test_a_job_of_a_cron_job_is_billed_to_the_cron_job():
    pod, claim = asking(owners=("Job/report-29400000",))
    job = Job(Key("team-a", "report-29400000"), 1, "CronJob/report")
    _, meter = metered(node(), slice_of(), job, (pod, claim), held_since(claim, pod, 400))
    (found,) = meter.take().intervals
    assert found.owners == ("Job/report-29400000", "CronJob/report")
    assert found.workload == "CronJob/report"


def test_labels_that_are_chosen_become_tags():
    labels = (("app.kubernetes.io/name", "chat"), ("team-note", "x"))
    pod, claim = asking(labels=labels)
    things = (node(), slice_of(), (pod, claim), held_since(claim, pod, 400))
    _, meter = metered(*things)
    assert meter.take().intervals[0].tags == (("app.kubernetes.io/name", "chat"),)
    meter = Meter("c", ("team-note", "absent"))
    meter.begin(world(*things), AT)
    assert meter.take().intervals[0].tags == (("team-note", "x"),)


def test_what_nobody_takes_of_a_reserved_device_is_the_teams():
    found, meter = metered(node(labels={"farthing.dev/reserved": "vision"}), slice_of())
    assert [(i.use, i.team, i.claim, i.start, i.end) for i in meter.take().intervals] == [
        ("reserved", "vision", "reservation", 1000, None)
    ]
    fold(
        found, meter, Seen(newer(found.get(Node, Key("", "n0")), labels={"farthing.dev/reserved": "Not A Team"})), 2000
    )
    meter.turn(found, 2000)
    assert [(i.use, i.end) for i in meter.take().intervals] == [("reserved", 2000)]


def test_devices_of_a_node_without_room_for_any_typical_ask_are_stranded_after_two_looks():
    small, big = asking("small", "0.25", cpu=4000, memory=GIB), asking("big", "1", cpu=61_000, gated=False, node="n0")
    found, meter = metered(node(), slice_of(), small, big)
    looks = []
    for at in (1060, 1120, 1180):
        if at == 1180:
            fold(found, meter, Gone(Pod, big[0].key, 10**9), at)
        meter.look_for_room(found.snapshot(at), found.all(Pod), at)
        looks.append([(i.use, i.start, i.end) for i in meter.take().intervals])
    assert looks == [[], [("stranded", 1120, None)], [("stranded", 1120, 1180)]], "3 of 64 cores left, 4 wanted"


def test_a_node_with_room_is_not_stranded_however_long_it_is_looked_at():
    found, meter = metered(node(), slice_of(), asking(cpu=4000))
    meter.take()
    for at in (1060, 1120, 1180):
        meter.look_for_room(found.snapshot(at), found.all(Pod), at)
    assert not meter.take()


def looked(*asks, held):
    """Looks at one device of which a share takes `held`, after these were asked for; the share is gone at the last."""
    pod, claim = asking("holder", "0.9")
    share = allocated(claim, pod, **held)
    found, meter = metered(node(), slice_of(), (pod, claim), share, *asks)
    meter.take()
    looks = []
    for at in (1060, 1120, 1180, 1240):
        if at == 1240:
            fold(found, meter, Gone(Claim, share.key, 10**9), at - 30)
        meter.look_for_room(found.snapshot(at), found.all(Pod), at)
        looks.append([(i.start, i.end, i.compute, i.memory) for i in meter.take().intervals if i.use == "stranded"])
    return looks


NINETEEN = {"compute": 810, "memory": 648 * GIB // 10}
LEFT = (190, 80 * GIB - 648 * GIB // 10)


def test_what_is_left_of_a_device_and_too_little_for_any_typical_ask_is_stranded_after_two_looks():
    looks = looked(asking("a", "0.25"), asking("b", "20Gi"), held=NINETEEN)
    assert looks == [[], [(1120, None, *LEFT)], [], [(1120, 1240, *LEFT)]]


def test_what_is_left_is_idle_where_somebody_asks_for_as_little():
    assert looked(asking("a", "0.25"), asking("b", "0.19"), held=NINETEEN) == [[], [], [], []]
    assert looked(asking("a", "0.25"), asking("b", "10Gi"), held=NINETEEN) == [[], [], [], []]


def test_a_device_that_is_full_or_whose_memory_is_gone_has_no_sliver():
    assert looked(asking("a", "0.25"), held={"compute": 1000, "memory": 80 * GIB}) == [[], [], [], []]
    assert looked(asking("a", "0.25"), held={"compute": 100, "memory": 80 * GIB}) == [[], [], [], []]


def test_nothing_is_a_sliver_while_only_whole_devices_are_asked_for():
    pod, claim = asking("holder", "1")
    found, meter = metered(node(), slice_of(), (pod, claim), allocated(claim, pod, **NINETEEN))
    meter.take()
    for at in (1060, 1120, 1180):
        meter.look_for_room(found.snapshot(at), found.all(Pod), at)
    assert not meter.take()
