"""A world of its own to try things in: what would be, if.

A fork knows everything that can be seen of the original and what was asked for there, and nothing of what is being
written or was refused. In it an effect is carried out by believing at once what the cluster would show afterwards.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from farthing.model.cluster import (
    Claim,
    DeviceClass,
    DriverProfile,
    Key,
    Namespace,
    Node,
    Pod,
    Slice,
    TaintRule,
    Template,
)
from farthing.model.plan import Gone, MakeTemplate, Place, Plan, Release, Seen, Stop, Ungate
from farthing.model.team import Team
from farthing.model.thing import Thing
from farthing.state.snapshot import Snapshot
from farthing.state.world import World

KINDS: tuple[type[Thing], ...] = (
    DriverProfile, DeviceClass, TaintRule, Team, Namespace, Node, Slice, Template, Claim, Pod,
)  # fmt: skip


class Fork:
    """A world that nobody else sees. What it learns is newer than everything the original knew."""

    def __init__(self, original: World, at: float) -> None:
        self.world = original.empty()
        self.world.budgets = original.budgets
        newest = 0
        for kind in KINDS:
            for thing in original.all(kind):
                self.world.fold(Seen(thing), at)
                newest = max(newest, thing.version)
        self.world.recall(original.mix)
        self._versions = itertools.count(newest + 1)

    def snapshot(self, at: float) -> Snapshot:
        """The fork at an instant, with columns of its own."""
        return self.world.snapshot(at)

    def see(self, thing: Thing, at: float) -> None:
        """Let a thing be there, or be different."""
        self.world.fold(Seen(replace(thing, version=next(self._versions))), at)

    def lose(self, kind: type[Thing], key: Key, at: float) -> None:
        """Let a thing be gone."""
        self.world.fold(Gone(kind, key, next(self._versions)), at)

    def end(self, pod: Pod, at: float) -> None:
        """Let a pod be gone, and with it what only it used: claims made for it go, others are given back."""
        self.lose(Pod, pod.key, at)
        for entry in pod.claims:
            claim = self.world.claim(Key(pod.key.namespace, entry.claim))
            others = tuple(user for user in claim.users if user[1] != pod.uid) if claim else ()
            if claim is None:
                continue
            if entry.template:
                self.lose(Claim, claim.key, at)
            else:
                self.see(replace(claim, users=others, allocation=claim.allocation if others else None), at)

    def carry_out(self, plan: Plan, at: float) -> tuple[Place, ...]:
        """Believe that a plan was carried out, and kube-scheduler bound what it may; what was placed."""
        for effect in plan:
            match effect:
                case Place():
                    self._place(effect, at)
                case Ungate(pod=pod):
                    self.see(replace(pod, gated=False), at)
                case Release(claim=claim):
                    self.see(replace(claim, allocation=None, users=()), at)
                case Stop(pod=pod):
                    self.end(pod, at)
                case MakeTemplate(key=key):
                    self.see(Template(key, 0), at)
                case _:
                    pass
        return tuple(effect for effect in plan if isinstance(effect, Place))

    def _place(self, effect: Place, at: float) -> None:
        user = (effect.pod.key.name, effect.pod.uid)
        for grant in effect.grants:
            self.see(replace(grant.claim, allocation=grant.allocation, users=(user,)), at)
        bound = replace(effect.pod, node=effect.node, gated=False, refusal="", started=at, placed=True)
        self.see(bound, at)

    def things(self) -> Iterator[Thing]:
        """Everything that is there."""
        for kind in KINDS:
            yield from self.world.all(kind)
