"""Pods that run, end and are evicted in a world of a test's own, as Kubernetes would have it."""

import itertools
from dataclasses import replace
from typing import Any

from farthing.decide.cycle import plan
from farthing.decide.movable import devices_of
from farthing.model.cluster import Claim, Key, Owner, Pod
from farthing.state.fork import Fork
from farthing.state.residents import residents
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
        more = {name: getattr(old, name) for name in ("movable", "owner", "team", "priority", "cpu", "memory")}
        return self.submit(*asking(name, ask, old.key.namespace, created=self.at, **more), settle=False)

    def gone(self, key: Key) -> None:
        self.fork.end(self.pod(key), self.at)

    def keep(self, key: Key, text: str) -> None:
        self.fork.see(replace(self.pod(key), kept=text), self.at)
