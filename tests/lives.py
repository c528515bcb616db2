"""Pods that run, end and are evicted in a world of a test's own, as Kubernetes would have it."""

import itertools
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from farthing.decide.cycle import decide, plan
from farthing.decide.movable import devices_of
from farthing.decide.preempt import preempt
from farthing.model.cluster import Claim, Key, Owner, Pod
from farthing.model.plan import Preempt
from farthing.state.fork import Fork
from farthing.state.residents import gangs_of, residents
from farthing.state.world import World
from tests.builders import asking

SET = Owner("ReplicaSet", "set", "uid-set")


def movable(name: str, gpu: str, namespace: str = "team-a", **more: Any) -> tuple[Pod, Claim]:
    """A pod of a ReplicaSet that says that it may be moved, and its claim."""
    return asking(name, gpu, namespace, **{"movable": True, "owner": SET, **more})


class Town:
    """A world in which what is planned happens at once."""

    def __init__(self, original: World, at: float = 0.0):
        self.fork = Fork(original, at)
        self.at = at
        self._names = itertools.count()

    @property
    def world(self) -> World:
        return self.fork.world

    def settle(self) -> None:
        """Plan and carry out until nothing is placed any more."""
        while self.fork.carry_out(plan(self.fork.snapshot(self.at)), self.at):
            pass

    def preempt(self, unwilling: Collection[str] = ()) -> tuple[Preempt, ...]:
        """One round: who has to go goes, and whoever made it makes another."""
        here, before = residents(self.world), self.fork.snapshot(self.at)
        decided = decide(replace(before, free=before.free.copy()))
        effects = preempt(before, decided, here, gangs_of(self.world, here), unwilling)
        for effect in effects:
            pod, claim = effect.pod, self.claim_of(effect.pod)
            self.fork.carry_out((effect,), self.at)
            if effect.leave_by is None:
                self.again(pod, claim)
        return effects

    def submit(self, pod: Pod, claim: Claim, *, settle: bool = True) -> Pod:
        self.fork.see(claim, self.at)
        self.fork.see(pod, self.at)
        if settle:
            self.settle()
        return pod

    def pod(self, key: Key) -> Pod:
        found = self.world.get(Pod, key)
        assert found is not None
        return found

    def devices(self, name: str, namespace: str = "team-a") -> set[str]:
        """The devices that a pod holds, as node/device."""
        held = self.world.claim(Key(namespace, f"{name}-claim"))
        return {str(r.device) for r in held.allocation.results} if held and held.allocation else set()

    def running(self) -> dict[Key, int]:
        """Who runs, and how many devices each has shares of."""
        return {r.pod.key: len(devices_of(r)) for r in residents(self.world)}

    def claim_of(self, pod: Pod) -> Claim:
        found = self.world.claim(Key(pod.key.namespace, pod.claims[0].claim))
        assert found is not None
        return found

    def again(self, old: Pod, claim: Claim) -> Pod:
        """The replacement of a pod that is gone."""
        name = f"{old.key.name.partition('.')[0]}.{next(self._names)}"
        ask = claim.ask
        assert ask is not None
        more = {
            name: getattr(old, name)
            for name in ("movable", "owner", "team", "priority", "cpu", "memory", "qos", "gang", "notice")
        }
        return self.submit(*asking(name, ask, old.key.namespace, created=self.at, **more), settle=False)

    def gone(self, key: Key) -> None:
        self.fork.end(self.pod(key), self.at)

    def keep(self, key: Key, text: str) -> None:
        self.fork.see(replace(self.pod(key), kept=text), self.at)
