"""Which team a pod counts for, and what it has from it."""

from farthing.model.cluster import Key, Namespace
from farthing.model.reason import Why
from farthing.model.team import Quota, Team
from tests.builders import asking, device, node, planned, slice_of, snapshot

HERE = (node(), slice_of("n0", [device("gpu-0")]))


def team(name, **more):
    return Team(name, 1, compute=(("h100", Quota(500)),), **more)


def waiting(*things):
    return {one.pod.key.name: one for one in snapshot(*HERE, *things).waiting}


def test_a_pod_may_name_a_team_below_its_namespace_s_and_no_other():
    vision, detect = team("vision", namespaces=("team-a",)), Team("detect", 1, parent="vision")
    named = [asking(name, team=name) for name in ("detect", "sales", "nobody", "vision")]
    found = waiting(vision, detect, team("sales"), asking("p"), *named, asking("q", namespace="wild", team="sales"))
    teams = {name: one.team for name, one in found.items()}
    assert teams == dict.fromkeys(("p", "sales", "nobody", "vision"), "vision") | {"detect": "detect", "q": "wild"}


def test_what_a_team_says_of_a_namespace_goes_before_its_label():
    label = Namespace("team-a", 1, "detect")
    assert waiting(team("vision", namespaces=("team-a",)), team("detect"), label, asking("p"))["p"].team == "vision"
    assert waiting(team("vision"), team("detect"), label, asking("p"))["p"].team == "detect"


def test_a_namespace_called_like_a_team_does_not_belong_to_it():
    found = snapshot(*HERE, team("team-a", namespaces=("home",)), asking("p"), asking("q", namespace="home"))
    assert {one.pod.key.name: one.team for one in found.waiting} == {"p": "namespace/team-a", "q": "team-a"}
    assert found.tree is not None
    assert found.tree.implicit == {"namespace/team-a"}


def test_a_pod_that_names_no_priority_has_its_team_s():
    found = waiting(team("vision", namespaces=("team-a",), priority=7), asking("p"), asking("q", priority=3))
    assert (found["p"].pod.priority, found["q"].pod.priority) == (7, 3)
    assert waiting(asking("p"))["p"].pod.priority == 0


def test_a_team_cannot_allow_an_isolation_that_a_team_above_does_not():
    things = (
        team("company", isolation=("shared",)),
        team("vision", parent="company", namespaces=("team-a",), isolation=("hard", "shared")),
    )
    (held,) = planned(*HERE, *things, asking("p", "0.5", isolation="hard"))
    assert held.reason.why is Why.NOT_ALLOWED
    assert held.reason.sentence == "0.5 (hard): team company allows isolation shared"
    assert held.pod.key == Key("team-a", "p")
