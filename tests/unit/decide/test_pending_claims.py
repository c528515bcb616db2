"""A pod whose claims are not made is told what they wait for."""

from farthing.decide.cycle import plan
from farthing.model.cluster import Constraints, Key, Pod, PodClaim, Template
from farthing.model.plan import Hold, Seen
from farthing.state.world import World


def told(*things):
    world = World()
    claims = (PodClaim("gpu", "", "mine"),)
    pod = Pod(Key("lab", "p"), "u", 1, created=0.0, constraints=Constraints(), gated=True, claims=claims)
    for thing in (pod, *things):
        world.fold(Seen(thing), 0.0)
    (hold,) = plan(world.snapshot(60.0))
    assert isinstance(hold, Hold)
    return hold.reason.sentence


def test_a_template_that_is_not_there_is_named():
    assert told() == "its claim template mine is not in namespace lab"


def test_with_its_template_it_waits_for_the_controller():
    assert told(Template(Key("lab", "mine"), 1)) == "kube-controller-manager has not made its claims yet"
