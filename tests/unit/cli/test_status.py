"""What `farthing status` makes of a cluster."""

import json

from farthing.cli.leader import Leader
from farthing.cli.render import plain
from farthing.cli.status import summary
from farthing.model.reason import Reason, Why

LED = Leader(leads=True, holder="spoke-1", renewed_seconds=1.0)


def stated(town, leader=LED, absent=()):
    return summary(town.look(), leader, "https://c", "v1.37.2", absent)


def test_waiting_pods_are_grouped_by_the_reason_written_on_them(town):
    full = Reason(Why.NO_CAPACITY, "none is free")
    town.pod("b", "1", age=20, verdict=full).pod("a", "1", age=30, verdict=full).pod("new", "1", age=0)
    rows = stated(town).waiting
    assert [(row.reason, row.pods, row.oldest, row.oldest_seconds) for row in rows] == [
        ("NoCapacity", 2, "default/a", 30.0),
        ("Undecided", 1, "default/new", 0.0),
    ]
    assert rows[0].example == "none is free"


def test_it_is_healthy_when_installed_led_and_right(town):
    town.pod("a", "0.25", on=("n1", 250, "gpu-0"))
    found = stated(town)
    assert (found.healthy, found.installed, found.running, found.books) == (True, True, 1, ())
    assert not stated(town, Leader(leads=False)).healthy
    assert not stated(town, absent=("DeviceClass gpu.farthing.dev",)).healthy


def test_a_device_given_away_twice_is_wrong_in_the_books(town):
    town.pod("a", "1", on=("n1", 1000, "gpu-0")).pod("b", "0.5", on=("n1", 500, "gpu-0"))
    found = stated(town)
    assert not found.healthy
    assert [wrong.about for wrong in found.books] == ["n1/gpu-0"]


def test_json_has_numbers_as_numbers_and_every_field(town):
    town.pod("a", "0.25", on=("n1", 250, "gpu-0")).pod("b", "99Gi")
    answer = json.loads(json.dumps(plain(stated(town))))
    assert list(answer) == [
        "server", "kubernetes", "healthy", "installed", "missing", "leader", "drivers", "nodes", "nodes_with_devices",
        "models", "running", "on_the_way", "waiting", "left_out", "unreadable", "books",
    ]  # fmt: skip
    assert answer["models"][0]["use"]["compute_given"] == 250
    assert answer["waiting"][0] == {
        "reason": "Undecided",
        "pods": 1,
        "oldest": "default/b",
        "oldest_seconds": 60.0,
        "example": "no spoke has looked at it yet",
    }
