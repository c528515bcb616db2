"""What `farthing explain` says of a pod in each state of its life."""

import pytest

from farthing.cli.explain import _name, _unknown, explanation
from farthing.cli.leader import Leader
from farthing.model.budget import Allowance, Budgets
from farthing.model.cluster import Constraints, Key, Pod
from farthing.model.errors import InvalidError
from farthing.model.reason import Reason, Why

LED = Leader(leads=True, holder="spoke-1", renewed_seconds=1.0)
UNLED = Leader(leads=False, sentence="no spoke has ever run here")
RAW = {"metadata": {"name": "x"}, "status": {}}


def explained(town, name, raw=RAW, leader=LED):
    look = town.look()
    return explanation(look, look.world.get(Pod, Key("default", name)), raw, leader)


def test_a_pod_that_fits_nowhere_says_what_excludes_each_node(town):
    found = explained(town.node("n3", devices=1, model="A100").pod("big", "2", models="A100"), "big")
    assert (found.state, found.reason, found.nodes_left) == ("waiting", "TooLarge", 0)
    assert [(group.reason, group.nodes) for group in found.excluded] == [
        ("UnknownModel", ("n1", "n2")),
        ("TooLarge", ("n3",)),
    ]


def test_the_line_is_in_the_order_in_which_pods_are_looked_at(town):
    town.pod("young", "16", age=10).pod("old", "16", age=99).pod("urgent", "16", age=1, priority=5)
    found = [explained(town, name) for name in ("urgent", "old", "young")]
    assert [(e.ahead, e.line) for e in found] == [(0, 3), (1, 3), (2, 3)]


def test_a_pod_that_fits_says_where_it_would_go(town):
    found = explained(town.pod("a", "0.5"), "a")
    assert (found.state, found.reason, found.nodes_left) == ("waiting", "", 2)
    assert found.sentence == (
        "nothing stands in its way, it would go on node n1: gpu-0; the spoke places it in a moment"
    )


def test_a_pod_that_fits_says_that_nobody_acts_where_no_spoke_leads(town):
    found = explained(town.pod("a", "0.5", made=False, age=1), "a", leader=UNLED)
    assert "it would go on node n1: gpu-0; but nobody acts on it: no spoke has ever run here" in found.sentence
    assert found.asks == ("0.5 (shared)",)


def test_a_pod_waits_behind_those_that_take_the_last_devices(town):
    """The first four take everything in the same cycle, so the fifth is told what it will be told."""
    for i in range(5):
        town.pod(f"p{i}", "1", age=100 - i)
    assert explained(town, "p3").reason == ""
    assert explained(town, "p4").reason == "NoCapacity"


def test_a_running_pod_names_its_share_and_since_when(town):
    raw = {
        "metadata": {},
        "status": {
            "conditions": [
                {"type": "farthing.dev/Placed", "status": "True", "lastTransitionTime": "1970-01-12T13:46:30Z"}
            ]
        },
    }
    found = explained(town.pod("a", "0.25", on=("n2", 250, "gpu-1")), "a", raw)
    (share,) = found.shares
    assert (found.state, share.node, share.device, share.compute, share.isolation) == (
        "running", "n2", "gpu-1", 250, "shared",
    )  # fmt: skip
    assert share.since == found.at - 10


def test_a_pod_that_is_over_is_known_by_its_template(town):
    done = explained(town.pod("done", "0.25", over=True), "done")
    assert (done.state, done.asks) == ("finished", ("0.25 (shared)",))
    assert done.sentence == "it is over, and its shares are free"


def test_a_pod_that_asks_for_nothing_is_not_ours(town):
    town.see(Pod(key=Key("default", "plain"), uid="u", version=9, created=0.0, constraints=Constraints()))
    found = explained(town, "plain")
    assert found.state == "not ours"
    assert "kube-scheduler alone decides" in found.sentence


def test_an_ask_without_effect_says_why(town):
    town.see(Pod(key=Key("default", "early"), uid="u", version=9, created=0.0, constraints=Constraints()))
    found = explained(town, "early", {"metadata": {"annotations": {"farthing.dev/gpu": "1"}}})
    assert "created before Farthing was installed" in found.sentence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("trian", "did you mean train?"),
        ("elsewhere", "there is one in lab: farthing explain elsewhere -n lab"),
        ("nothing-like-it", "nor in any other"),
    ],
)
def test_an_unknown_pod_gets_a_hint(town, name, says):
    town.pod("train", "1").pod("elsewhere", "1", namespace="lab")
    assert says in _unknown(town.look(), Key("default", name))


@pytest.mark.parametrize("text", ["pod/a", "pods/a", "po/a", "a"])
def test_a_pod_may_be_named_as_kubectl_does(text):
    assert _name(text) == "a"


def test_other_kinds_are_refused_by_name():
    with pytest.raises(InvalidError, match="job/a: only pods"):
        _name("job/a")


SPENT = Allowance("cap", "default", "GBP", 100, 100, 0, 2_000_000)


def test_a_budget_that_is_looked_at_holds_it_as_the_spoke_would(town):
    town.world.budgets = Budgets((SPENT,), 1_000_000.0)
    found = explained(town.pod("a", "0.5"), "a")
    assert (found.state, found.reason, found.excluded) == ("waiting", "BudgetSpent", ())
    assert "budget cap of team default is spent" in found.sentence


def test_without_a_ledger_what_the_spoke_last_wrote_of_budgets_is_repeated(town):
    said = Reason(Why.BUDGET_SHORT, "budget cap of team default: it would cost too much")
    found = explained(town.pod("a", "0.5", verdict=said), "a")
    assert (found.reason, found.sentence) == ("BudgetShort", said.sentence)
    old = Reason(Why.NO_CAPACITY, "as it was")
    assert explained(town.pod("b", "0.5", verdict=old), "b").reason == ""
