"""What the loop makes of evictions that fail."""

import asyncio

import pytest

from farthing.kube.watch import Inbox
from farthing.model.cluster import Key
from farthing.model.errors import TransientError, UnansweredError
from farthing.model.plan import Preempt
from farthing.model.reason import Reason, Why
from farthing.spoke.loop import EVICTED_AT_ONCE, Loop
from farthing.spoke.metrics import Metrics
from tests.builders import asking, node, slice_of, world


class Clocks:
    def now(self):
        return 100.0

    def steady(self):
        return 100.0

    def stamp(self):
        return "1970-01-01T00:01:40Z"


class Applier:
    """Fails as it is told, and counts how many ask at once."""

    def __init__(self, error):
        self.error, self.now, self.most = error, 0, 0

    async def apply(self, _effect):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        raise self.error


def preempted(error, count=1):
    """The loop after so many pods were to be evicted."""
    pods = [asking(f"victim-{i}", "1")[0] for i in range(count)]
    applier = Applier(error)

    async def play():
        found = Loop(
            world(node(), slice_of("n0", 1)),
            Inbox(complaint=lambda _: None),
            applier,
            None,
            Metrics(),
            Clocks(),
            lambda: True,
        )
        reason = Reason(Why.PREEMPTED, "for a/mine")
        for pod in pods:
            found._launch(Preempt(pod, Key("a", "mine"), reason))
        await asyncio.gather(*found._tasks)
        return found

    return asyncio.run(play()), applier, pods


def test_who_may_not_be_evicted_is_left_alone_for_a_while():
    loop, _, (pod,) = preempted(TransientError("its PodDisruptionBudget allows no disruption"))
    assert set(loop._unwilling) == {pod.uid}


def test_where_nobody_answered_the_same_pod_is_tried_again_rather_than_another():
    loop, _, _ = preempted(UnansweredError("the API server cannot be reached"))
    assert not loop._unwilling


@pytest.mark.parametrize("count", [3, 50])
def test_few_are_evicted_at_once(count):
    _, applier, _ = preempted(TransientError("busy"), count)
    assert applier.most == min(count, EVICTED_AT_ONCE)
