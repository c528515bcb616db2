"""One decision: a Snapshot in, a Plan out. Read this first.

1. take back what cannot be used, and stop what a spent budget says is to end
2. place pods that devices are kept for, and close to everybody else what they still wait for
3. mend pods that were bound away from their shares
4. put those who wait in order, and see which of them are placed jointly; where there are teams, take turns (`turns`)
5. let go of pods that want nothing of ours, and make the templates that others lack
6. hold what cannot be read or is not supported
7. place what fits and its team can pay, taking it off what is left, and hold the rest with the reason
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final

import numpy as np

from farthing.decide.barren import Barren
from farthing.decide.budget import Purse
from farthing.decide.draft import Draft
from farthing.decide.governed import find, refusal
from farthing.decide.governor import Governor
from farthing.decide.grant import grant
from farthing.decide.keep import all_kept, making_room, set_aside
from farthing.decide.mend import mend
from farthing.decide.needs import Need, needs_lacking
from farthing.decide.order import in_order, under_way
from farthing.decide.place import Placement
from farthing.decide.release import held, node_of, releases
from farthing.decide.turns import Turns
from farthing.model.ask import TEMPLATE_PREFIX, ask_of_template
from farthing.model.cluster import Allocation, Claim, Key, Pod
from farthing.model.plan import Effect, Hold, MakeTemplate, Place, Plan, Release, Ungate
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Bools
from farthing.state.snapshot import Snapshot, Stray, Waiting

_PENDING_SECONDS: Final = 10.0
"""Kubernetes makes claims in milliseconds; only after this a pod is told that it waits for them."""


def plan(snapshot: Snapshot) -> Plan:
    """Say what should happen next; change nothing."""
    effects = list(releases(snapshot))
    going_back = {effect.claim.key for effect in effects if isinstance(effect, Release)}
    cycle = _Cycle(snapshot)
    effects += cycle.purse.stops()
    there = [w for w in snapshot.waiting if not any(claim.key in going_back for claim in w.claims)]
    for waiting in in_order(w for w in there if w.pod.uid in cycle.kept):
        effects += cycle.decide(waiting)
    cycle.set_aside()
    for stray in snapshot.strays:
        effects += cycle.mend(stray)
    for waiting in cycle.turns([w for w in there if w.pod.uid not in cycle.kept]):
        effects += cycle.decide(waiting)
    return tuple(effects)


class _Cycle:
    """What one cycle has decided so far: the draft, what was granted, and which classes found no place."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.draft = Draft.of(snapshot)
        self.purse = Purse(snapshot)
        self.promised: set[Key] = set()
        self.failed: dict[object, Reason] = {}
        self.templates = set(snapshot.templates)
        on_the_way = (claim for waiting in snapshot.waiting for claim in held(waiting))
        self.awaited = {node_of(snapshot.fleet, claim) for claim in on_the_way}
        self.kept = all_kept(snapshot.fleet, snapshot.waiting, snapshot.at)
        self.placed: set[str] = set()
        self.governor = Governor.of(snapshot)
        self.behind: dict[str, Reason] = {}
        self.barren = Barren()
        self.refused: dict[str, Reason] = {}

    def turns(self, waiting: list[Waiting]) -> Iterator[Waiting]:
        """Who is next, one after the other."""
        if self.governor is None:
            yield from in_order(waiting)
            return
        ready = [self._contends(one) for one in waiting]
        yield from in_order(one for one, contends in zip(waiting, ready, strict=True) if not contends)
        turns = Turns(self.snapshot, self.governor, self._failure, self.behind)
        yield from turns.each(list(compress(waiting, ready)), self.draft)

    def _contends(self, waiting: Waiting) -> bool:
        """Whether it is ready to be placed, and only waits for its turn. Remembered while nothing changes."""
        tree = self.governor.books.tree if self.governor else None
        known = waiting.memo.get("contends")
        if known is None or known[0] is not tree or known[1] is not self.draft.fleet:
            known = waiting.memo["contends"] = (tree, self.draft.fleet, self._is_ready(waiting))
        found: bool = known[2]
        return found

    def _is_ready(self, waiting: Waiting) -> bool:
        ours = tuple(claim for claim in waiting.claims if claim.ours)
        ready = waiting.complete and not under_way(waiting) and any(claim.allocation is None for claim in ours)
        return ready and self._obstacle(waiting, ours) is None

    def _failure(self, waiting: Waiting) -> Reason | None:
        """Why an ask, or one just like it, found no place in this cycle."""
        return self.refused.get(waiting.pod.uid) or self.failed.get(self._question(waiting, None))

    def _foregone(self, waiting: Waiting) -> Reason | None:
        """What is known of a pod without looking any closer: those in front of it, or just like it, found no place."""
        if self.governor is None:
            return None
        known = waiting.memo.get("question")
        alike = known is not None and known[0] is self.draft.fleet and self._is_plain(waiting)
        return self.behind.get(waiting.pod.uid) or (self.failed.get(known[1]) if alike and known is not None else None)

    def mend(self, stray: Stray) -> Iterator[Effect]:
        """See to a pod that was bound away from its shares; whatever its quota, since it runs."""
        for effect in mend(self.draft, stray, self.snapshot.at):
            if isinstance(effect, Place) and self.governor is not None:
                self.governor.charge(stray.team, [grant.allocation for grant in effect.grants])
            yield effect

    def set_aside(self) -> None:
        """Close what is kept for pods that found no place."""
        self.draft = self._open_to("")

    def _open_to(self, uid: str) -> Draft:
        """The draft without what is kept for others."""
        others = [w for w in self.snapshot.waiting if w.pod.uid in self.kept.keys() - self.placed - {uid}]
        if not others:
            return self.draft
        draft = self.draft.copy()
        for waiting in others:
            set_aside(draft, self.kept[waiting.pod.uid], waiting.pod)
        return draft

    def decide(self, waiting: Waiting) -> Iterator[Effect]:
        """The effects for one pod, in the steps of the recipe."""
        pod, foregone = waiting.pod, self._foregone(waiting)
        if foregone is not None:
            yield from _hold(pod, foregone)
            return
        ours = tuple(claim for claim in waiting.claims if claim.ours)
        yield from self._missing_templates(pod)
        obstacle = self._obstacle(waiting, ours)
        if obstacle is not None:
            yield from _hold(pod, obstacle)
        elif not waiting.complete:
            return
        elif not ours:
            if pod.gated:
                yield Ungate(pod)
        elif not any(claim.key in self.promised for claim in ours):
            yield from self._place(waiting, ours)

    def _missing_templates(self, pod: Pod) -> Iterator[Effect]:
        for entry in pod.claims:
            key = Key(pod.key.namespace, entry.template)
            if not entry.claim and key not in self.templates and ask_of_template(entry.template) is not None:
                self.templates.add(key)
                yield MakeTemplate(key)

    def _obstacle(self, waiting: Waiting, ours: tuple[Claim, ...]) -> Reason | None:
        """What keeps a pod from being planned at all."""
        pod = waiting.pod
        if pod.fault:
            return Reason(Why.INVALID_ASK, pod.fault)
        unreadable = [e.template for e in pod.claims if e.template.startswith(TEMPLATE_PREFIX) and not e.claim]
        unreadable = [
            name for name in unreadable if ask_of_template(name) is None and not self._has_template(pod, name)
        ]
        if unreadable:
            return Reason(Why.INVALID_ASK, f"template {unreadable[0]} spells no ask that Farthing can read")
        unsupported = next((claim for claim in ours if claim.unsupported), None)
        if unsupported is not None:
            return Reason(Why.UNSUPPORTED, f"claim {unsupported.key.name}: {unsupported.unsupported}")
        if pod.blocked:
            return Reason(Why.OTHER_GATE, "another scheduling gate is on it; it is placed when that is gone")
        if waiting.complete:
            return self._forbidden(waiting)
        late = self.snapshot.at - pod.created >= _PENDING_SECONDS
        return Reason(Why.CLAIM_PENDING, self._pending(pod)) if late else None

    def _forbidden(self, waiting: Waiting) -> Reason | None:
        """What its team may not use."""
        if self.governor is None:
            return None
        return self.governor.forbids(self.governor.team(waiting), needs_lacking(waiting))

    def _pending(self, pod: Pod) -> str:
        """What its claims wait for."""
        unmade = (entry.template for entry in pod.claims if entry.template and not entry.claim)
        absent = next((name for name in unmade if not self._has_template(pod, name)), None)
        if absent is not None:
            return f"its claim template {absent} is not in namespace {pod.key.namespace}"
        return "kube-controller-manager has not made its claims yet"

    def _has_template(self, pod: Pod, name: str) -> bool:
        return Key(pod.key.namespace, name) in self.snapshot.templates

    def _place(self, waiting: Waiting, ours: tuple[Claim, ...]) -> Iterator[Effect]:
        """Give the pod what its claims lack, on one node, or hold it.

        A pod under way goes back to a node that refused it where no other would do.
        """
        pod, has = waiting.pod, held(waiting)
        lacking = tuple(claim for claim in ours if claim.allocation is None)
        if not lacking:
            if pod.gated:
                node = node_of(self.draft.fleet, has[0])
                yield Place(pod, node, (), _placed(node, [claim.allocation for claim in has if claim.allocation]))
            return
        objection = self.purse.objection(waiting, needs_lacking(waiting)) if pod.gated else None
        found = objection or self._found(waiting, has)
        if isinstance(found, Placement):
            yield self._granted(waiting, lacking, needs_lacking(waiting), found)
            return
        self.refused[pod.uid] = found
        yield from (Release(claim, found) for claim in has)
        yield from _hold(pod, found)

    def _found(self, waiting: Waiting, has: tuple[Claim, ...]) -> Placement | Reason:
        """Where a pod gets what it lacks, or why nowhere. What found no place is not looked for again for its like."""
        needs, kept = needs_lacking(waiting), self.kept.get(waiting.pod.uid)
        within = self._within(waiting, has)
        affordable = self.purse.affordable(waiting, needs) if waiting.pod.gated else None
        question = self._question(waiting, within, affordable)
        if question in self.failed:
            return self.failed[question]
        draft = self._open_to(waiting.pod.uid) if kept else self.draft
        known = None if kept else self.barren.reason(draft, waiting)
        found = find(self.governor, draft, waiting, _both(within, affordable)) if known is None else None
        if found is None and waiting.avoid and not has and under_way(waiting):
            found = find(self.governor, draft, waiting)
        if found is not None:
            return found
        dear = find(self.governor, draft, waiting, within) if affordable is not None and known is None else None
        if dear is not None:
            self.failed[question] = self.purse.too_dear(waiting, needs, dear)
        elif kept:
            self.failed[question] = making_room(draft.fleet, kept)
        else:
            self.failed[question] = refusal(self.governor, draft, waiting, known)
            self.barren.learn(draft, waiting)
        return self.failed[question]

    def _question(self, waiting: Waiting, within: Bools | None, affordable: Bools | None = None) -> object:
        """What asks that fail together have in common. Most are told apart by one number."""
        if affordable is not None:
            return self._question(waiting, within), affordable.tobytes(), waiting.pod.duration
        pod, plain, known = waiting.pod, self._is_plain(waiting), waiting.memo.get("question")
        if plain and known is not None and known[0] is self.draft.fleet:
            return known[1]
        key = (needs_lacking(waiting), waiting.team, pod.constraints, pod.cpu, pod.memory, pod.others, pod.node)
        if not plain:
            nodes = self._within(waiting, held(waiting)) if within is None else within
            return (*key, self.kept.get(pod.uid), None if nodes is None else nodes.tobytes())
        numbers = self.draft.fleet.memo.setdefault("questions", {})
        number = numbers.setdefault(key, len(numbers))
        waiting.memo["question"] = (self.draft.fleet, number)
        return number

    def _is_plain(self, waiting: Waiting) -> bool:
        """Whether nothing narrows the nodes that come into question for it."""
        return not waiting.avoid and waiting.pod.uid not in self.kept and not held(waiting)

    def _within(self, waiting: Waiting, has: tuple[Claim, ...]) -> Bools | None:
        """The nodes that come into question: where its other claims are, and none that refused it lately.

        A pod that was refused before goes where nobody else is on the way: kube-scheduler counts a pod that is hinted
        to a node as if it were there, so that two that repel each other would refuse each other wherever they go.
        """
        index = self.draft.fleet.node_index
        if not has and not waiting.avoid:
            return None
        if has:
            within = np.zeros(len(index), dtype=bool)
            within[[index[node] for claim in has if (node := node_of(self.draft.fleet, claim)) in index]] = True
        else:
            within = np.ones(len(index), dtype=bool)
        shunned = waiting.avoid | self.awaited if waiting.avoid and not has else waiting.avoid
        within[[index[name] for name in shunned if name in index]] = False
        return within

    def _granted(
        self, waiting: Waiting, lacking: tuple[Claim, ...], needs: tuple[Need, ...], found: Placement
    ) -> Effect:
        """Take the placement off the draft and write it down as one effect."""
        draft, pod, team = self.draft, waiting.pod, waiting.team
        for need, devices in zip(needs, found.devices, strict=True):
            for device in devices:
                draft.take(device, need, team)
        draft.settle_on(found.node, pod)
        self.purse.pay(waiting, needs, found)
        rest = iter(found.devices)
        grants = tuple(
            grant(draft.fleet, claim, found.node, tuple(next(rest) for _ in claim.requests), team) for claim in lacking
        )
        self.promised.update(claim.key for claim in lacking)
        self.placed.add(pod.uid)
        node = draft.fleet.nodes[found.node].name
        self.awaited.add(node)
        if self.governor is not None:
            self.governor.charge(team, [g.allocation for g in grants])
        allocations = [g.allocation for g in grants] + [c.allocation for c in held(waiting) if c.allocation]
        return Place(pod, node, grants, _placed(node, allocations))


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    """What both allow; None: anything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _hold(pod: Pod, reason: Reason) -> Iterator[Effect]:
    """A hold, unless the pod says so already."""
    if pod.verdict is not reason and pod.verdict != reason:
        yield Hold(pod, reason)


def _placed(node: str, allocations: Sequence[Allocation]) -> Reason:
    devices = ", ".join(sorted(result.device.name for allocation in allocations for result in allocation.results))
    return Reason(Why.PLACED, f"on node {node}: {devices}")
