"""One decision: a Snapshot in, a Plan out. Read this first.

1. take back what cannot be used, and stop what a spent budget says is to end
2. place pods that devices are kept for, and close to everybody else what they still wait for
3. mend pods that were bound away from their shares
4. put those who wait in order, and see which of them are placed jointly; where there are teams, take turns (`turns`)
5. let go of pods that want nothing of ours, and make the templates that others lack
6. hold what cannot be read or is not supported
7. place what fits and its team can pay, taking it off what is left, and hold the rest with the reason; gangs go whole
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from operator import not_
from typing import Final

import numpy as np

from farthing.decide.barren import Barren
from farthing.decide.budget import Purse
from farthing.decide.charge import together
from farthing.decide.domains import near
from farthing.decide.draft import Draft
from farthing.decide.gang import (
    GATHER_SECONDS,
    Asking,
    by_gang,
    gathering,
    of_several_teams,
    place_together,
    starters,
    starting_gang,
)
from farthing.decide.governed import OF_QUOTA, PASSING, find, refusal, settle
from farthing.decide.governor import Governor
from farthing.decide.grant import grant
from farthing.decide.keep import all_kept, making_room, set_aside
from farthing.decide.mend import mend
from farthing.decide.needs import needs_lacking
from farthing.decide.obstacle import obstacle
from farthing.decide.order import in_order, under_way
from farthing.decide.place import Placement
from farthing.decide.queue import Passed
from farthing.decide.quota import Charge
from farthing.decide.release import held, node_of, releases
from farthing.decide.soon import Soon
from farthing.decide.standing import Standing, asked, standing
from farthing.decide.turns import Turns
from farthing.model.ask import ask_of_template
from farthing.model.cluster import Allocation, Claim, Key, Pod
from farthing.model.plan import Effect, Hold, MakeTemplate, Place, Plan, Release, Ungate
from farthing.model.reason import Reason, Why
from farthing.state.fleet import Bools
from farthing.state.gangs import Gang
from farthing.state.snapshot import Snapshot, Stray, Waiting

MOST_STUCK: Final = 1000
"""For so many that are stuck somebody may have to go in one round; for the others in the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Stuck:
    """An ask that found no place, though it may when others end: a pod, or those of a `gang` that start together."""

    asking: tuple[Asking, ...]
    gang: Gang | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A plan, and who is left without a place, in the order of the line; the first of them, where there are teams."""

    effects: Plan
    stuck: tuple[Stuck, ...]


def plan(snapshot: Snapshot) -> Plan:
    """Say what should happen next; change nothing but the snapshot's columns."""
    return decide(snapshot).effects


def decide(snapshot: Snapshot) -> Decision:
    """Say what should happen next, and who is stuck."""
    effects = list(releases(snapshot))
    going_back = {effect.claim.key for effect in effects if isinstance(effect, Release)}
    cycle = _Cycle(snapshot)
    effects += cycle.purse.stops()
    there = [w for w in snapshot.waiting if not (going_back and any(claim.key in going_back for claim in w.claims))]
    cycle.gangs = by_gang(in_order(w for w in there if w.gang is not None and starting_gang(w) is not None))
    for waiting in in_order(w for w in there if w.pod.kept and w.pod.uid in cycle.kept):
        effects += cycle.decide(waiting)
    cycle.set_aside()
    for stray in snapshot.strays:
        effects += cycle.mend(stray)
    for turn in cycle.turns([w for w in there if not (w.pod.kept and w.pod.uid in cycle.kept)]):
        effects += cycle.decide(turn) if isinstance(turn, Waiting) else cycle.forgo(turn)
    return Decision(tuple(effects), tuple(cycle.stuck))


class _Cycle:
    """What one cycle has decided so far: the draft, what was granted, and which classes found no place."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.draft = Draft.of(snapshot)
        self.purse = Purse(snapshot)
        self.promised: set[Key] = set()
        self.failed: dict[Hashable, Reason] = {}
        self.templates = set(snapshot.templates)
        alone = tuple(waiting for waiting in snapshot.waiting if waiting.pod.kept and starting_gang(waiting) is None)
        self.kept = all_kept(snapshot.fleet, alone, snapshot.at)
        self.placed: set[str] = set()
        self.sent: set[str] = set()
        self.gangs: dict[Key, list[Waiting]] = {}
        self.companies: dict[Key, list[Waiting]] = {}
        self.bills: dict[Key, tuple[Charge, ...]] = {}
        self.apart: dict[Key, Reason] = {}
        self.homes: dict[Key, frozenset[str]] = {}
        self.governor = Governor.of(snapshot)
        self.behind: dict[str, Reason] = {}
        self.stuck: list[Stuck] = []
        self.soon = Soon(snapshot.leaving)
        self.barren = Barren()
        self.refused: dict[str, Reason] = {}

    def turns(self, waiting: list[Waiting]) -> Iterator[Waiting | Passed]:
        """Who is next, one after the other, and between them those for whom it is known that there is no place."""
        if self.governor is None:
            yield from in_order(waiting)
            return
        ready = [self._contends(one) for one in waiting]
        yield from in_order(compress(waiting, map(not_, ready)))
        turns = Turns(self.snapshot, self.governor, self._failure, self._costs, self.behind, self.soon.kept)
        line = [one for one in compress(waiting, ready) if one.gang is None or self._leads(one)]
        yield from turns.each(line, self.draft)

    def _standing(self, waiting: Waiting) -> Standing:
        return standing(self.snapshot, self.governor, waiting)

    def _contends(self, waiting: Waiting) -> bool:
        """Whether it is ready to be placed, and only waits for its turn."""
        known = self._standing(waiting)
        return known.contends or (known.starts and self._front(waiting) is not None)

    def _front(self, waiting: Waiting) -> Waiting | None:
        """Who stands in line for all of a pod's gang; None where too few are ready, or it goes first anyhow."""
        gang = starting_gang(waiting)
        company = self._company(gang) if gang is not None else None
        return company[0] if company else None

    def _company(self, gang: Gang) -> list[Waiting]:
        """Those of a gang who would start together; nobody where too few are ready, or it goes first anyhow."""
        if gang.key not in self.companies:
            ready = [mate for mate in self.gangs.get(gang.key, ()) if self._standing(mate).ready]
            self.companies[gang.key] = starters(gang, ready) if not gang.begun else []
        return self.companies[gang.key]

    def _costs(self, waiting: Waiting) -> tuple[Charge, ...]:
        """What an ask may cost; one that stands for a gang, what all of it may."""
        gang = starting_gang(waiting)
        if gang is None:
            return self._standing(waiting).charges
        if gang.key not in self.bills:
            self.bills[gang.key] = together(Counter(self._standing(mate).charges for mate in self._company(gang)))
        return self.bills[gang.key]

    def _leads(self, waiting: Waiting) -> bool:
        """Whether it stands in line itself, and nobody else of its gang does for it."""
        front = self._front(waiting)
        return front is None or front is waiting

    def _failure(self, waiting: Waiting) -> Reason | None:
        """Why an ask, or one just like it, found no place in this cycle."""
        known: Standing = waiting.memo["standing"]
        if known.starts and waiting.gang is not None:
            return self.apart.get(waiting.gang.key)
        question = self._question(waiting) if known.question is None else known.question
        return self.refused.get(waiting.pod.uid) or self.failed.get(question)

    def _foregone(self, waiting: Waiting) -> Reason | None:
        """Why there is no place for a pod, as far as it is known from those just like it that found none."""
        known = self._standing(waiting)
        if not known.contends or known.question is None or (waiting.pod.duration and self.snapshot.budgets):
            return None
        return self.failed.get(known.question)

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
        uids = self.kept.keys() - self.placed - {uid}
        if not uids:
            return self.draft
        others = (waiting for waiting in self.snapshot.waiting if waiting.pod.uid in uids)
        draft = self.draft.copy()
        for waiting in others:
            set_aside(draft, self.kept[waiting.pod.uid], waiting.pod)
        return draft

    def decide(self, waiting: Waiting) -> Iterator[Effect]:
        """The effects for one pod, in the steps of the recipe; for a whole gang, at the first of its pods."""
        gang = starting_gang(waiting)
        if gang is not None:
            yield from self._together(gang, self.gangs.pop(gang.key, []))
        else:
            yield from self._alone(waiting)

    def forgo(self, passed: Passed) -> Iterator[Effect]:
        """The effects for those who have no turn: nobody may pass who goes first, or those like them failed."""
        for waiting, reason in passed:
            known: Standing = waiting.memo["standing"]
            behind = bool(self.behind) and waiting.pod.uid in self.behind
            if known.starts or (known.question is None and not behind):
                yield from self.decide(waiting)
                continue
            if not behind and len(self.stuck) < MOST_STUCK:
                self._stuck(reason, [waiting])
            if waiting.pod.verdict is not reason and waiting.pod.verdict != reason:
                yield Hold(waiting.pod, reason)

    def _alone(self, waiting: Waiting) -> Iterable[Effect]:
        foregone = self._foregone(waiting)
        return self._looked_at(waiting) if foregone is None else self.forgo([(waiting, foregone)])

    def _looked_at(self, waiting: Waiting) -> Iterator[Effect]:
        pod = waiting.pod
        ours = tuple(claim for claim in waiting.claims if claim.ours)
        yield from self._missing_templates(pod)
        reason = obstacle(self.snapshot, self.governor, waiting, ours)
        if reason is not None:
            yield from _hold(pod, reason)
        elif not waiting.complete:
            return
        elif not ours:
            if pod.gated:
                yield Ungate(pod)
        elif not any(claim.key in self.promised for claim in ours):
            yield from self._place(waiting)

    def _together(self, gang: Gang, mates: list[Waiting]) -> Iterator[Effect]:
        """The effects for those of a gang who start together, and for those who may come later."""
        ready: list[Waiting] = []
        taken = set(self.promised)
        behind = next((self.behind[mate.pod.uid] for mate in mates if mate.pod.uid in self.behind), None)
        apart = of_several_teams(gang, mates)
        for mate in mates:
            reason = apart or behind
            if not self._standing(mate).ready:
                yield from self._missing_templates(mate.pod)
                ours = tuple(claim for claim in mate.claims if claim.ours)
                reason = reason or obstacle(self.snapshot, self.governor, mate, ours)
            lacking = _lacking(mate)
            reason = reason or _shared(lacking, taken) or self.purse.objection(mate, needs_lacking(mate))
            if reason is not None:
                yield from _hold(mate.pod, reason)
            elif mate.complete:
                ready.append(mate)
                taken.update(claim.key for claim in lacking)
        chosen = starters(gang, ready)
        if not chosen:
            if self.snapshot.at - gang.newest >= GATHER_SECONDS:
                yield from (effect for mate in ready for effect in _hold(mate.pod, gathering(gang)))
            return
        found = self.purse.objection_to_all(chosen) or self._all_placed(gang, chosen)
        if isinstance(found, Reason):
            self.apart[gang.key] = found
            self._stuck(found, chosen, gang)
            yield from (effect for mate in ready for effect in _hold(mate.pod, found))
            return
        yield from found
        uids = {mate.pod.uid for mate in chosen}
        later = (mate for mate in ready if mate.pod.uid not in uids)
        yield from (effect for mate in later for effect in self._alone(mate))

    def _asking(self, waiting: Waiting) -> Asking:
        within, affordable = self._within(waiting, held(waiting)), self._affordable(waiting)
        question = self._question(waiting, within, affordable)
        return Asking(waiting, needs_lacking(waiting), _both(within, affordable), question)

    def _affordable(self, waiting: Waiting) -> Bools | None:
        """The nodes on which a pod may start for all that budgets have left; None where on all."""
        return self.purse.affordable(waiting, needs_lacking(waiting)) if waiting.pod.gated else None

    def _all_placed(self, gang: Gang, mates: list[Waiting]) -> list[Effect] | Reason:
        """Everybody's effects, or why they cannot all start. Gangs that ask alike fail alike."""
        asked = tuple(self._question(mate, affordable=self._affordable(mate)) for mate in mates)
        question = (gang.nodes, mates[0].pod.topology, asked)
        if question not in self.failed:
            asking = tuple(self._asking(mate) for mate in mates)
            found = place_together(self.governor, self.draft, gang, asking)
            if not isinstance(found, Reason):
                self.homes[gang.key] = gang.nodes | {self.draft.fleet.nodes[place.node].name for place in found}
                return [self._written(one.waiting, where) for one, where in zip(asking, found, strict=True)]
            self.failed[question] = found
        return self.failed[question]

    def _missing_templates(self, pod: Pod) -> Iterator[Effect]:
        for entry in pod.claims:
            key = Key(pod.key.namespace, entry.template)
            if not entry.claim and key not in self.templates and ask_of_template(entry.template) is not None:
                self.templates.add(key)
                yield MakeTemplate(key)

    def _place(self, waiting: Waiting) -> Iterator[Effect]:
        """Give the pod what its claims lack, on one node, or hold it.

        A pod under way goes back to a node that refused it where no other would do.
        """
        pod, has = waiting.pod, held(waiting)
        if not _lacking(waiting):
            if pod.gated:
                node = node_of(self.draft.fleet, has[0])
                yield Place(pod, node, (), _placed(node, [claim.allocation for claim in has if claim.allocation]))
            return
        objection = self.purse.objection(waiting, needs_lacking(waiting)) if pod.gated else None
        found = objection or self._found(waiting, has)
        if isinstance(found, Placement):
            settle(self.governor, self.draft, waiting, found)
            yield self._written(waiting, found)
            return
        self.refused[pod.uid] = found
        self._stuck(found, [waiting])
        yield from (Release(claim, found) for claim in has)
        yield from _hold(pod, found)

    def _found(self, waiting: Waiting, has: tuple[Claim, ...]) -> Placement | Reason:
        """Where a pod gets what it lacks, or why nowhere. What found no place is not looked for again for its like."""
        needs, kept = needs_lacking(waiting), self.kept.get(waiting.pod.uid)
        within, affordable = self._within(waiting, has), self._affordable(waiting)
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
            if self.failed[question].why not in OF_QUOTA:
                self.barren.learn(draft, waiting)
        return self.failed[question]

    def _stuck(self, reason: Reason, those: list[Waiting], gang: Gang | None = None) -> None:
        """Note who found no place, and keep for them what others are just leaving."""
        if self.governor is None or reason.why not in PASSING or len(self.stuck) >= MOST_STUCK:
            return
        asking = tuple(self._asking(one) for one in those)
        self.stuck.append(Stuck(asking, gang))
        self.soon.keep(self.governor, self.draft, asking, gang)

    def _question(self, waiting: Waiting, within: Bools | None = None, affordable: Bools | None = None) -> Hashable:
        """What asks that fail together have in common. Most are told apart by one number."""
        if affordable is not None:
            return self._question(waiting, within), affordable.tobytes(), waiting.pod.duration
        known = self._standing(waiting).question
        if known is not None:
            return known
        nodes = self._within(waiting, held(waiting)) if within is None else within
        return asked(waiting), self.kept.get(waiting.pod.uid), None if nodes is None else nodes.tobytes()

    def _within(self, waiting: Waiting, has: tuple[Claim, ...]) -> Bools | None:
        """The nodes that come into question: where its other claims are, and none that refused it lately.

        A pod that was refused before goes where nobody else is on the way: kube-scheduler counts a pod that is hinted
        to a node as if it were there, so that two that repel each other would refuse each other wherever they go.
        """
        index, near_by = self.draft.fleet.node_index, self._near(waiting)
        if not has and not waiting.avoid:
            return near_by
        if has:
            within = np.zeros(len(index), dtype=bool)
            within[[index[node] for claim in has if (node := node_of(self.draft.fleet, claim)) in index]] = True
        else:
            within = np.ones(len(index), dtype=bool)
        shunned = waiting.avoid | self.awaited | self.sent if waiting.avoid and not has else waiting.avoid
        within[[index[name] for name in shunned if name in index]] = False
        return within if near_by is None else within & near_by

    @cached_property
    def awaited(self) -> set[str]:
        """The nodes that somebody is on the way to."""
        on_the_way = (claim for waiting in self.snapshot.waiting for claim in held(waiting))
        return {node_of(self.snapshot.fleet, claim) for claim in on_the_way}

    def _near(self, waiting: Waiting) -> Bools | None:
        """The nodes that are near enough to where the pod's gang is; None where that does not matter."""
        topology, gang = waiting.pod.topology, waiting.gang
        if gang is None or topology is None or topology.required is None:
            return None
        return near(self.draft.fleet, topology.required, self.homes.get(gang.key, gang.nodes))

    def _written(self, waiting: Waiting, found: Placement) -> Effect:
        """A placement as one effect, and paid for."""
        fleet, pod, team, lacking = self.draft.fleet, waiting.pod, waiting.team, _lacking(waiting)
        self.purse.pay(waiting, needs_lacking(waiting), found)
        rest = iter(found.devices)
        grants = tuple(
            grant(fleet, claim, found.node, tuple(next(rest) for _ in claim.requests), team) for claim in lacking
        )
        self.promised.update(claim.key for claim in lacking)
        self.placed.add(pod.uid)
        self.soon.note(waiting, found)
        node = fleet.nodes[found.node].name
        self.sent.add(node)
        allocations = [g.allocation for g in grants] + [c.allocation for c in held(waiting) if c.allocation]
        return Place(pod, node, grants, _placed(node, allocations, found.right))


def _lacking(waiting: Waiting) -> tuple[Claim, ...]:
    """The claims that it still wants devices for."""
    if "lacking" not in waiting.memo:
        waiting.memo["lacking"] = tuple(one for one in waiting.claims if one.ours and one.allocation is None)
    found: tuple[Claim, ...] = waiting.memo["lacking"]
    return found


def _shared(ours: tuple[Claim, ...], taken: set[Key]) -> Reason | None:
    """Pods that start together each need devices of their own: what one is given is no other's to wait for."""
    claim = next((claim for claim in ours if claim.allocation is None and claim.key in taken), None)
    if claim is None:
        return None
    sentence = f"claim {claim.key.name} is wanted by several pods of a gang; make one for each, from a template"
    return Reason(Why.UNSUPPORTED, sentence)


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    """What both allow; None: anything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _hold(pod: Pod, reason: Reason) -> tuple[Effect, ...]:
    """A hold, unless the pod says so already."""
    return () if pod.verdict is reason or pod.verdict == reason else (Hold(pod, reason),)


def _placed(node: str, allocations: Sequence[Allocation], right: str = "") -> Reason:
    devices = ", ".join(sorted(result.device.name for allocation in allocations for result in allocation.results))
    return Reason(Why.PLACED, f"on node {node}: {devices}{right and f'; {right}'}")
