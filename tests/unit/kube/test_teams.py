"""Teams as they come from the API server, and what is written about them."""

import json

from farthing.kube.resources import TEAMS
from farthing.kube.teams import lookup, verdict
from farthing.model.team import Queueing, Quota, Team
from tests.builders import asking, node, slice_of, world


def read(name="vision", **spec):
    return TEAMS.thing(json.dumps({"metadata": {"name": name, "resourceVersion": "7"}, "spec": spec}).encode())


def test_amounts_become_thousandths_and_bytes():
    team = read(
        compute=[{"deviceClass": "H100", "amount": 8, "borrowing": "0.5"}, {"deviceClass": "*", "amount": "1.25"}],
        memory=[{"deviceClass": "H100", "amount": "640Gi", "lending": 1024}],
        weight="0.5",
        maximum=12,
    )
    assert team.compute == (("h100", Quota(8000, 500, None)), ("*", Quota(1250)))
    assert team.memory == (("h100", Quota(640 << 30, None, 1024)),)
    assert (team.weight, team.maximum) == (500, 12000)


def test_the_rest_is_as_it_is_written():
    team = read(
        parent="research",
        namespaces=["a", "b"],
        members=["alice", "group:vision"],
        priority=-5,
        isolation=["hard", "shared"],
        models=["H100", "a100", "A100"],
        queueing="Strict",
    )
    assert team == Team(
        "vision",
        7,
        parent="research",
        namespaces=("a", "b"),
        members=("alice", "group:vision"),
        priority=-5,
        isolation=("shared", "hard"),
        models=("a100", "h100"),
        queueing=Queueing.STRICT,
    )
    assert read() == Team("vision", 7)


def test_what_is_looked_up_is_every_valid_team_and_no_stranger():
    teams = (
        Team("research", 1, compute=(("h100", Quota(1000)),)),
        Team("vision", 1, parent="research", namespaces=("pictures",), members=("alice",)),
        Team("lost", 1, parent="nowhere"),
    )
    found = world(node(), slice_of(), asking("p", namespace="wild"), *teams)
    found.snapshot(0.0)
    quota = [{"what": "compute", "deviceClass": "h100", "amount": 1000}]
    assert lookup(found.tree) == {
        "teams": {
            "research": {"path": ["research"], "children": ["vision"], "members": [], "quota": quota},
            "vision": {"path": ["vision", "research"], "children": [], "members": ["alice"], "quota": []},
        },
        "namespaces": {"pictures": "vision"},
    }
    assert lookup(None) == {"teams": {}, "namespaces": {}}


def test_a_verdict_is_a_condition():
    assert verdict("") == {"type": "Valid", "status": "True", "reason": "Governed", "message": ""}
    assert verdict("is wrong")["status"] == "False"
