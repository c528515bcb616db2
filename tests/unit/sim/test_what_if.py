"""What would be, if the fleet were another."""

from dataclasses import replace

import pytest

from farthing.decide.audit import audit
from farthing.decide.cycle import plan
from farthing.model.cluster import Claim, Key, Node, Owner, Taint
from farthing.model.errors import InvalidError, NotFoundError
from farthing.model.reason import Why
from farthing.sim.changes import AddNodes, SetQuota, add_nodes, parse_addition, parse_quota
from farthing.sim.prices import prices_of, read_prices
from farthing.sim.whatif import Change, cost_of, what_if
from farthing.state.fork import Fork
from tests.builders import GIB, allocated, asking, device, node, slice_of, world
from tests.teams import quota, team

NOTHING = Change()


def runs(name, where="n0", **more):
    pod, claim = asking(name, "1", **more)
    held = allocated(claim, pod, "gpu-0", where, compute=1000, memory=80 * GIB)
    return replace(pod, node=where, gated=False), held


def town(*things):
    return world(node("n0"), slice_of("n0", 1), *things)


def test_what_would_start_anyway_is_no_merit_of_the_change():
    found = what_if(town(asking("a", "1"), asking("b", "1", created=1.0)), 0.0, Change((AddNodes(1, "H100", 1),)))
    assert found.starts == (Key("team-a", "b"),)
    assert found.stops == ()
    assert found.before.waiting[Key("team-a", "b")].why is Why.NO_CAPACITY
    assert found.after.waiting == {}


def test_nothing_changes_without_a_change():
    found = what_if(town(runs("a"), asking("b", "1")), 0.0, NOTHING)
    assert (found.starts, found.stops, found.before) == ((), (), found.after)


def test_the_world_that_was_asked_about_stays_as_it_was():
    asked = town(runs("a"), asking("b", "1"))
    what_if(asked, 0.0, Change((AddNodes(2, "H100", 8),), ("n0",)))
    assert [one.name for one in asked.all(Node)] == ["n0"]
    assert len(asked.snapshot(0.0).waiting) == 1


def test_a_node_less_stops_what_nobody_makes_again():
    found = what_if(town(runs("a")), 0.0, Change(remove=("n0",)))
    assert found.stops == (Key("team-a", "a"),)
    assert found.after.waiting == {}
    assert (found.after.nodes, found.after.devices) == (0, {})


def test_a_node_less_lets_what_a_controller_makes_again_wait_or_go_elsewhere():
    served = runs("a", owner=Owner("ReplicaSet", "web", "u"))
    found = what_if(town(served), 0.0, Change(remove=("n0",)))
    assert found.after.waiting[Key("team-a", "a")].why is Why.NO_DEVICES
    moved = what_if(town(served, node("n1"), slice_of("n1", 1)), 0.0, Change(remove=("n0",)))
    assert (moved.stops, moved.after.waiting) == ((), {})


def test_a_node_that_is_not_there_cannot_go():
    with pytest.raises(NotFoundError, match="there is no node n9"):
        what_if(town(), 0.0, Change(remove=("n9",)))


def test_new_nodes_are_like_those_that_are_there():
    cordoned = node(
        "n1", cpu=16_000, labels={"zone": "b"}, taints=(Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),)
    )
    fork = Fork(world(cordoned, slice_of("n1", [device("gpu-0", 40 * GIB, "NVIDIA A100-PCIE-40GB")])), 0.0)
    said = add_nodes(fork, AddNodes(2, "a100", 4), 0.0)
    assert said == "2 with 4 a100, like n1: 64 cores, 1024 GiB each"
    new = fork.world.get(Node, Key("", "new-a100-1"))
    assert (new.labels["zone"], new.labels["kubernetes.io/hostname"], new.taints) == ("b", "new-a100-1", ())
    fleet = fork.world.fleet
    assert len(fleet.devices) == 9
    assert set(fleet.memory) == {40 * GIB}
    assert fleet.faults == ()


def test_new_nodes_do_not_take_the_names_of_old_ones():
    fork = Fork(town(), 0.0)
    add_nodes(fork, AddNodes(1, "H100", 1), 0.0)
    add_nodes(fork, AddNodes(1, "H100", 1), 0.0)
    assert len(fork.world.fleet.nodes) == 3


def test_a_model_that_is_not_there_has_its_known_size_or_the_one_that_is_said():
    fork = Fork(town(), 0.0)
    add_nodes(fork, AddNodes(1, "B200", 8), 0.0)
    add_nodes(fork, AddNodes(1, "X1", 2, memory=10 * GIB, cpu=8000, ram=GIB), 0.0)
    assert {int(m) >> 30 for m in fork.world.fleet.memory} == {80, 180, 10}
    with pytest.raises(InvalidError, match="its memory is not known; say it: 1xX2x8:memory=80Gi"):
        add_nodes(fork, AddNodes(1, "X2", 8), 0.0)


def test_an_ask_for_the_new_model_starts_on_it():
    found = what_if(town(asking("a", "0.5", models="B200")), 0.0, Change((AddNodes(1, "B200", 8),)))
    assert found.before.waiting[Key("team-a", "a")].why is Why.UNKNOWN_MODEL
    assert found.starts == (Key("team-a", "a"),)


def test_the_books_are_right_afterwards():
    fork = Fork(town(*(asking(f"p{i}", "0.5") for i in range(9))), 0.0)
    add_nodes(fork, AddNodes(2, "H100", 2), 0.0)
    while fork.carry_out(plan(fork.snapshot(0.0)), 0.0):
        pass
    snapshot = fork.snapshot(0.0)
    assert audit(snapshot.fleet, snapshot.free, fork.world.all(Claim)) == ()


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("4xH100x8", AddNodes(4, "H100", 8)),
        ("1xRTX-6000x2", AddNodes(1, "RTX-6000", 2)),
        ("2xB300x8:memory=288Gi,cpu=192,ram=2Ti", AddNodes(2, "B300", 8, 288 * GIB, 192_000, 2048 * GIB)),
    ],
)
def test_additions_are_read(text, nodes):
    assert parse_addition(text) == nodes


@pytest.mark.parametrize(
    "text",
    ["", "4", "H100", "0xH100x8", "4xH100", "4xH100x0", "4xH100x65", "4x-x8", "100000xH100x8", "4xH100x8:", "4xH100x8:gpu=1",
     "4xH100x8:memory=0", "4xH100x8:memory=1", "4xH100x8:cpu=a", "4xH100x8:cpu=1,cpu=2"],
)  # fmt: skip
def test_additions_that_cannot_be_read_say_what_was_expected(text):
    with pytest.raises(InvalidError, match=r"--add-nodes: .*(expected|more than 0)"):
        parse_addition(text)


def test_costs_are_exact_and_name_what_has_no_price():
    fleet = world(node("n0"), slice_of("n0", 3), node("n1"), slice_of("n1", [device("gpu-0", model="NVIDIA L4")]),
                  node("n2"), slice_of("n2", [device("gpu-0", model="L40S")]))  # fmt: skip
    standing = what_if(fleet, 0.0, NOTHING).before
    cost = cost_of(standing, prices_of(["H100=2.490001", "L4=0.1"], "EUR"))
    assert (cost.currency, cost.micro_per_hour, cost.unpriced) == ("EUR", 7_570_003, ("l40s",))


def test_a_price_table_is_read():
    found = read_prices('currency: USD\nperHour: {H100: 2.49, A100: "1.10"}', "p.yaml")
    assert (found.currency, dict(found.per_hour)) == ("USD", {"h100": 2_490_000, "a100": 1_100_000})
    assert found.of("nvidia-h100-80gb-hbm3") == 2_490_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", r"^p\.yaml: is not YAML"),
        ("currency: EUR", r"^p\.yaml: is no price table; expected currency: EUR and perHour"),
        ("currency: euros\nperHour: {}", r"^p\.yaml: currency: 'euros' is no currency"),
        ("currency: EUR\nperHour: {H100: free}", r"^p\.yaml: perHour\.H100: 'free' is no price; expected a number"),
        ("currency: EUR\nperHour: {H100: -1}", r"^p\.yaml: perHour\.H100: -1 is no price"),
        ("currency: EUR\nperHour: {H100: .nan}", r"perHour\.H100: nan is no price"),
        ("currency: EUR\nperHour: {H100: yes}", r"perHour\.H100: True is no price"),
        ("currency: EUR\nperHour: {H100: 0.0000001}", r"perHour\.H100: 1e-07 is no price"),
        ("currency: EUR\nperHour: {'-': 1}", r"perHour\.-: '-' names no model"),
    ],
)
def test_a_price_table_that_is_wrong_says_where(text, sentence):
    with pytest.raises(InvalidError, match=sentence):
        read_prices(text, "p.yaml")


def shared(*things):
    return world(node("n0"), slice_of("n0", 4), team("a", H100=quota(1, borrowing=0)), *things)


def test_another_quota_lets_others_start():
    asked = shared(*(asking(f"p{i}", "1", "a", created=float(i)) for i in range(3)))
    found = what_if(asked, 0.0, Change(quotas=(parse_quota("a/H100=+1"),)))
    assert found.starts == (Key("a", "p1"),)
    assert found.after.waiting[Key("a", "p2")].why is Why.QUOTA_EXCEEDED


def test_a_quota_is_absolute_or_on_top_of_what_there_is():
    assert parse_quota("vision/H100=16") == SetQuota("vision", "H100", 16_000, more=False)
    assert parse_quota("vision/H100=-0.5") == SetQuota("vision", "H100", -500, more=True)


@pytest.mark.parametrize("text", ["vision", "vision=4", "vision/H100", "vision/H100=x", "/H100=4", "a/b=1.2345"])
def test_what_is_no_quota_is_refused(text):
    with pytest.raises(InvalidError, match="expected TEAM/CLASS=DEVICES"):
        parse_quota(text)


def test_a_quota_that_makes_the_tree_wrong_is_refused():
    with pytest.raises(InvalidError, match="its parent a has 1, of which 1 is left"):
        what_if(shared(team("b", "a", H100=1)), 0.0, Change(quotas=(parse_quota("b/H100=2"),)))
    with pytest.raises(NotFoundError, match="no team nobody"):
        what_if(shared(), 0.0, Change(quotas=(parse_quota("nobody/H100=2"),)))


def test_a_model_with_two_prices_is_refused():
    with pytest.raises(InvalidError, match="h100 has two prices; expected one"):
        prices_of(["H100=1", "h100=2"], "EUR")


def test_more_devices_than_anybody_has_are_refused_at_once():
    assert parse_addition("12500xH100x8").nodes == 12_500
    with pytest.raises(InvalidError, match="'12501xH100x8' are more than 100,000 devices"):
        parse_addition("12501xH100x8")
