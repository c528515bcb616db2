"""What we believe of one cluster: observations folded in, snapshots out.

`fold` bears repeats and reordering: an object's older version never overwrites a newer one, and what is known to be
gone stays gone. `assume` lets the world look as if an effect had happened while it is being written; `settle` ends
that, once what the API server answered has been folded, or once it refused.

Never here: I/O, clocks (the instant comes in), or opinions about what should happen.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np

from farthing.model.ask import ask_of_template
from farthing.model.budget import Budgets
from farthing.model.cluster import (
    Allocation,
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
from farthing.model.group import Group
from farthing.model.plan import (
    DropSlice,
    Effect,
    Gone,
    Hold,
    MakeTemplate,
    Observation,
    Place,
    Preempt,
    Release,
    Seen,
    Stop,
    Ungate,
)
from farthing.model.reason import Why
from farthing.model.team import Team
from farthing.model.thing import Thing
from farthing.state.classes import classes_of
from farthing.state.fleet import Fleet, build_fleet
from farthing.state.gangs import Gang, Gangs, gang_key, gang_of
from farthing.state.memory import Memory
from farthing.state.mix import AskClass, Mix
from farthing.state.snapshot import Free, Resident, Snapshot, Stray, UnderWay, Waiting
from farthing.state.teams import Tree, Used, add_up, build_tree, classes_named
from farthing.state.usage import Usage

_T = TypeVar("_T", bound=Thing)

_Target = tuple[type, Key]

_OF_FLEETS = (Node, Slice, TaintRule, DriverProfile, DeviceClass)
"""What a fleet is built from."""

GRAVES = 50_000
"""How many of the gone we remember, so that late news of them is not believed. The oldest are forgotten first."""

AVOID_SECONDS = 120.0
"""For so long a pod is sent back to a node on which kube-scheduler refused it only where no other would do."""


KEEP_SECONDS = 3.0
"""A share taken from a pod that kube-scheduler may be binding just now is kept for it so long: should the bind come
through after all, it gets the share back."""


class World:
    """The state of one cluster. `fold`, `assume`, `settle` and `sweep` change it; `snapshot` reads it.

    What teams borrowed is half forgotten after `half_life` seconds; 0: at once.
    """

    def __init__(self, half_life: float = 0.0) -> None:
        self._tables: dict[type, dict[Key, Thing]] = defaultdict(dict)
        self._graves: dict[tuple[type[Thing], Key], int] = {}
        self._usage = Usage()
        self._fleet: Fleet | None = None
        self._stale: tuple[Slice, ...] = ()
        self._waiting: dict[Key, None] = {}
        self._pods_of_claim: dict[Key, set[Key]] = defaultdict(set)
        self._assumed: dict[Key, Allocation] = {}
        self._busy: set[_Target] = set()
        self._since: dict[Key, float] = {}
        self._orphans: dict[Key, float] = {}
        self._avoid: dict[str, dict[str, float]] = {}
        self._refusals: Counter[str] = Counter()
        self._kept: dict[Key, tuple[Allocation, float]] = {}
        self._strays: dict[Key, float | None] = {}
        self.mix = Mix()
        self._gangs = Gangs()
        self._leaving: set[Key] = set()
        self._askers: set[Key] = set()
        self.budgets: Budgets | None = None
        self._tree: Tree | None = None
        self._strangers: set[str] = set()
        self.memory = Memory(half_life)
        self._views: dict[Key, Waiting] = {}

    def empty(self) -> "World":
        """A world that knows nothing yet, but what teams borrowed in this one."""
        found = World()
        found.memory = self.memory.copy()
        return found

    # Reading ------------------------------------------------------------------------------------------------------

    def get(self, kind: type[_T], key: Key) -> _T | None:
        """One thing as it was last seen."""
        return cast("_T | None", self._tables[kind].get(key))

    def all(self, kind: type[_T]) -> Iterator[_T]:
        """All things of a kind."""
        return cast("Iterator[_T]", iter(self._tables[kind].values()))

    def knows(self, kind: type[Thing], key: Key, version: int) -> bool:
        """Whether news of this version would be no news."""
        found = self._tables[kind].get(key)
        return found is not None and found.version >= version

    def claim(self, key: Key) -> Claim | None:
        """A claim as we believe it is, assumptions included."""
        found = self.get(Claim, key)
        return replace(found, allocation=self._assumed[key]) if found and key in self._assumed else found

    @property
    def fleet(self) -> Fleet:
        """The fleet's columns, built when something changed since the last look."""
        if self._fleet is None:
            self._fleet = build_fleet(
                self.all(Node), self.all(Slice), self.all(DriverProfile), self.all(DeviceClass), self.all(TaintRule)
            )
            nodes = self._fleet.node_index
            self._stale = tuple(found for found in self.all(Slice) if found.node and found.node not in nodes)
        return self._fleet

    @property
    def tree(self) -> Tree | None:
        """The teams, built when they or the fleet changed; None while there is none."""
        if not self._tables[Team]:
            return None
        if self._tree is None or self._fleet is None:
            classes = classes_of(self.fleet, classes_named(self.all(Team)))
            self._tree = build_tree(self.all(Team), self._strangers, classes)
        return self._tree

    def _known(self, names: Iterable[str]) -> Tree | None:
        """The teams, with namespaces among these names that belong to none."""
        tree = self.tree
        if tree is not None and any(name not in tree.index and name not in tree.homes for name in names):
            self._strangers.update(names)
            self._tree = None
        return self.tree

    def _used(self, tree: Tree, at: float) -> Used:
        usage, held = add_up(tree, self._usage.of_team)
        return Used(usage, held, self.memory.learn(tree, usage, at))

    def snapshot(self, at: float) -> Snapshot:
        """Everything a decision at the instant `at` may look at."""
        for key in [key for key, (_, until) in self._kept.items() if until <= at and not self._strayed(key)]:
            self._let_go(key)
        fleet, tree = self.fleet, self.tree
        free = self._usage.refresh(fleet, tree.classes if tree else None)
        waiting = tuple(self._waiting_pods(at))
        if tree is not None:
            tree = self._known({one.team for one in waiting} | set(self._usage.of_team))
        return Snapshot(
            at=at,
            fleet=fleet,
            free=free.copy(),
            teams=tuple(self._usage.teams),
            waiting=waiting,
            templates=frozenset(self._tables[Template])
            | frozenset(key for kind, key in self._busy if kind is Template),
            orphans=tuple((claim, since) for key, since in self._orphans.items() if (claim := self._idle_claim(key))),
            crowded=tuple(self._crowded(fleet, free)),
            strays=tuple(self._stray_pods(at)),
            stale=tuple(stale for stale in self._stale if (Slice, stale.key) not in self._busy),
            mix=self.mix.typical(),
            tree=tree,
            used=self._used(tree, at) if tree is not None else None,
            leaving=tuple(self._those_leaving()),
            budgets=self.budgets,
            under_way=tuple(self._under_way(self.budgets)) if self.budgets else (),
        )

    def _idle_claim(self, key: Key) -> Claim | None:
        return None if (Claim, key) in self._busy else self.claim(key)

    def _stray_pods(self, at: float) -> Iterator[Stray]:
        for key, since in list(self._strays.items()):
            self._strays[key] = at if since is None else since
            pod = self.get(Pod, key)
            if pod is None or (Pod, key) in self._busy:
                continue
            claims = self._ours(pod)
            kept = tuple((claim.key, self._kept[claim.key][0]) for claim in claims if claim.key in self._kept)
            yield Stray(pod, claims, self.team_of(pod), at if since is None else since, kept)

    def _under_way(self, budgets: Budgets) -> Iterator[UnderWay]:
        """The pods that hold shares, as far as budgets look at them."""
        all_of_them = any(allowance.on_exhausted == "Stop" for allowance in budgets.allowances)
        for key in self._askers:
            pod = self.get(Pod, key)
            if pod is not None and (all_of_them or pod.duration is not None):
                held = tuple(claim.allocation for claim in self._ours(pod) if claim.allocation is not None)
                if held:
                    yield UnderWay(pod, self.team_of(pod), held)

    def _ours(self, pod: Pod) -> tuple[Claim, ...]:
        """The claims of a pod that are there and Farthing's to allocate."""
        claims = (self.claim(Key(pod.key.namespace, entry.claim)) for entry in pod.claims)
        return tuple(claim for claim in claims if claim is not None and claim.ours)

    def _strayed(self, key: Key) -> bool:
        return any(pod in self._strays for pod in self._pods_of_claim.get(key, ()))

    def _waiting_pods(self, at: float) -> Iterator[Waiting]:
        gangs: dict[Key, Gang] = {}
        for key in self._waiting:
            pod = self.get(Pod, key)
            if pod is None or (Pod, key) in self._busy:
                continue
            if self._kept and any(Key(key.namespace, entry.claim) in self._kept for entry in pod.claims):
                continue
            view = self._views.get(key)
            if view is None:
                view = self._view(pod, at, gangs)
                if pod.uid not in self._avoid:
                    self._views[key] = view
            yield view

    def _view(self, pod: Pod, at: float, gangs: dict[Key, Gang]) -> Waiting:
        """A waiting pod as decisions see it. Kept until something about it changes; not where it changes with time."""
        claims = tuple(c for entry in pod.claims if (c := self.claim(Key(pod.key.namespace, entry.claim))))
        allocated = [self._since[c.key] for c in claims if c.key in self._since]
        team = self.team_of(pod)
        return Waiting(
            pod=self._ranked(pod, team),
            claims=claims,
            complete=len(claims) == len(pod.claims),
            team=team,
            since=max(allocated, default=None),
            avoid=frozenset(node for node, until in self._avoid.get(pod.uid, {}).items() if until > at),
            refusals=self._refusals[pod.uid],
            gang=self.gang(pod, gangs),
        )

    def gang(self, pod: Pod, known: dict[Key, Gang]) -> Gang | None:
        """The gang that a pod belongs to; those `known` are looked at once."""
        member = pod.gang
        if member is None:
            return None
        group = self.get(Group, Key(pod.key.namespace, member.group)) if member.group else None
        key = gang_key(pod, member, group)
        if key not in known:
            mates = (mate for found in self._gangs.mates(pod) if (mate := self.get(Pod, found)) is not None)
            known[key] = gang_of(pod, member, group, mates, self._node_of)
        return known[key]

    def resident(self, pod: Pod) -> Resident | None:
        """A pod with what it holds; None where it holds nothing of ours."""
        claims = tuple(claim for claim in self._ours(pod) if claim.allocation is not None)
        team = self.team_of(pod)
        return Resident(self._ranked(pod, team), claims, team) if claims else None

    def _those_leaving(self) -> Iterator[Resident]:
        for key in sorted(self._leaving):
            pod = self.get(Pod, key)
            found = self.resident(pod) if pod is not None else None
            if found is not None:
                yield found

    def _node_of(self, pod: Pod) -> str:
        """Where a pod's devices are, once it has all of them."""
        ours = self._ours(pod)
        held = [claim.allocation.node for claim in ours if claim.allocation is not None]
        return held[0] if held and len(held) == len(ours) else ""

    def _ranked(self, pod: Pod, team: str) -> Pod:
        """A pod that names no priority has its team's."""
        tree = self.tree
        priority = tree.teams[tree.at(team)].priority if tree is not None and not pod.priority else 0
        return replace(pod, priority=priority) if priority else pod

    def team_of(self, pod: Pod) -> str:
        """The team that a pod counts for: its own, its namespace's, or else the namespace itself.

        Once there are Teams, a pod may name its namespace's or one below that; what else it says does not count. A
        namespace does not become a team's by being called like it.
        """
        tree, namespace = self.tree, pod.key.namespace
        if tree is None:
            return pod.team or self._label(namespace) or namespace
        home = self.home_of(namespace)
        named = tree.index.get(pod.team, 0)
        if home and named and tree.index[home] in tree.path[named]:
            return pod.team
        called_alike = namespace in tree.index and namespace not in tree.implicit
        return home or (f"namespace/{namespace}" if called_alike else namespace)

    def home_of(self, namespace: str) -> str:
        """The team that a namespace belongs to, by the team's word or else by its own label; empty where to none."""
        tree = self.tree
        if tree is None:
            return ""
        label = self._label(namespace)
        known = label if label in tree.index and label not in tree.implicit else ""
        return tree.homes.get(namespace, known)

    def _label(self, namespace: str) -> str:
        found = self.get(Namespace, Key("", namespace))
        return found.team if found else ""

    def _crowded(self, fleet: Fleet, free: Free) -> Iterator[tuple[str, tuple[Claim, ...]]]:
        over = (free.compute < 0) | (free.memory < 0) | ((free.users > 1) & ~fleet.multi)
        for i in np.flatnonzero(over):
            device = fleet.devices[i]
            yield str(device), tuple(c for key in self._usage.holders(device) if (c := self.claim(key)))

    def recall(self, mix: Mix) -> None:
        """Think of what is asked for in general as another world does, which may have seen pods that are long gone."""
        self.mix = deepcopy(mix)

    # Learning -----------------------------------------------------------------------------------------------------

    def fold(self, news: Observation, at: float) -> None:
        """Believe an observation, made at the instant `at`, unless we know better."""
        if isinstance(news, Seen):
            self._learn(news.thing, at)
        elif isinstance(news, Gone):
            self._lose(news.kind, news.key, news.version, at)
        else:
            present = {thing.key for thing in news.things}
            known = (key for key in self._tables[news.kind] if key.name.startswith(news.part))
            for key in [key for key in known if key not in present]:
                self._lose(news.kind, key, news.version, at)
            for thing in news.things:
                self._learn(thing, at)

    def _learn(self, thing: Thing, at: float) -> None:
        kind, key = type(thing), thing.key
        old = self._tables[kind].get(key)
        if (old is not None and thing.version <= old.version) or thing.version <= self._graves.get((kind, key), -1):
            return
        self._tables[kind][key] = thing
        self._look_anew(kind, key)
        if old != thing:
            self._changed(kind, key, old, at)

    def _look_anew(self, kind: type[Thing], key: Key) -> None:
        """A waiting pod, or a claim of one, has another version: effects must name the newest."""
        if kind is Pod:
            self._views.pop(key, None)
        elif kind is Claim:
            for pod in self._pods_of_claim.get(key, ()):
                self._views.pop(pod, None)

    def _lose(self, kind: type[Thing], key: Key, version: int, at: float) -> None:
        old = self._tables[kind].get(key)
        if old is not None and old.version > version:
            return
        self._graves[kind, key] = max(version, self._graves.pop((kind, key), -1))
        while len(self._graves) > GRAVES:
            del self._graves[next(iter(self._graves))]
        if old is not None:
            del self._tables[kind][key]
            self._changed(kind, key, old, at)

    def _changed(self, kind: type[Thing], key: Key, old: Thing | None, at: float) -> None:
        """Keep what is derived in step with what was just learned."""
        if kind is Pod:
            self._pod_changed(key, cast("Pod | None", old))
        elif kind is Claim:
            self._claim_changed(key, cast("Claim | None", old), at)
        elif kind is Team:
            self._tree = None
            self._strangers.clear()
            self._views.clear()
        elif kind in (Namespace, Group):
            self._views.clear()
        elif kind in _OF_FLEETS:
            self._fleet = None

    def _pod_changed(self, key: Key, old: Pod | None) -> None:
        pod = self.get(Pod, key)
        for entry in old.claims if old else ():
            self._pods_of_claim[Key(key.namespace, entry.claim)].discard(key)
        for entry in pod.claims if pod else ():
            self._pods_of_claim[Key(key.namespace, entry.claim)].add(key)
        if pod is not None and pod.waits and (pod.gated or pod.claims):
            self._waiting.setdefault(key)
        else:
            self._waiting.pop(key, None)
        if pod is not None and pod.claims and not pod.over:
            self._askers.add(key)
        else:
            self._askers.discard(key)
        if old is not None and (pod is None or pod.uid != old.uid or not pod.waits):
            self._avoid.pop(old.uid, None)
            self._refusals.pop(old.uid, None)
        if pod is not None and (old is None or pod.uid != old.uid):
            self._count(pod)
        self._gangs.learn(key, old, pod)
        self._forget_mates(old)
        if pod is not None and pod.node and pod.leaves:
            self._leaving.add(key)
        elif (Pod, key) not in self._busy:
            self._leaving.discard(key)
        self._house(key)

    def _count(self, pod: Pod) -> None:
        """A pod that was not there before asks for something, and tells what is asked for in general."""
        found = (ask_of_template(entry.template) for entry in pod.claims)
        asks = [ask for ask in found if ask is not None]
        for ask in asks:
            self.mix.add(AskClass(ask, pod.cpu // len(asks)))

    def _claim_changed(self, key: Key, old: Claim | None, at: float) -> None:
        claim = self.claim(key)
        allocation = claim.allocation if claim else None
        if claim is None or (allocation is not None and (Claim, key) not in self._busy):
            self._kept.pop(key, None)
        if allocation is None:
            self._since.pop(key, None)
            self._orphans.pop(key, None)
        elif key not in self._since or old is None or old.allocation != allocation:
            self._since[key] = at
        self._hold(key)

    def _hold(self, key: Key) -> None:
        """Bring usage in step with what the claim holds, and its pods with where that is."""
        claim = self.claim(key)
        self._usage.set_claim(key, self._holding(key))
        for pod in self._pods_of_claim.get(key, ()):
            self._house(pod)
        if claim is None and not self._pods_of_claim.get(key, True):
            del self._pods_of_claim[key]

    def _holding(self, key: Key) -> Allocation | None:
        """What a claim holds, or what is kept for it."""
        claim = self.claim(key)
        if claim is not None and claim.allocation is None and key in self._kept:
            return self._kept[key][0]
        return claim.allocation if claim else None

    def _let_go(self, key: Key) -> None:
        """Keep nothing for a claim any more."""
        self._kept.pop(key, None)
        self._hold(key)

    def _forget_mates(self, pod: Pod | None) -> None:
        """What the pods of a gang are told depends on all of them."""
        for mate in self._gangs.mates(pod) if pod is not None else ():
            self._views.pop(mate, None)

    def _house(self, key: Key) -> None:
        """A pod takes room where it is bound, or where its shares are while it is on its way there."""
        self._views.pop(key, None)
        pod = self.get(Pod, key)
        self._forget_mates(pod)
        if pod is not None and pod.node and not (pod.over or pod.deleting) and self._lacks(pod):
            self._strays.setdefault(key, None)
        else:
            self._strays.pop(key, None)
        if pod is None or pod.over:
            self._usage.set_pod(key, None, "")
            return
        held = (self._holding(Key(key.namespace, entry.claim)) for entry in pod.claims)
        promised = (allocation.node for allocation in held if allocation and allocation.node)
        self._usage.set_pod(key, pod, pod.node or next(promised, ""))

    def _lacks(self, pod: Pod) -> bool:
        """Whether a bound pod has a claim of ours that holds nothing on its node."""
        held = (claim.allocation for claim in self._ours(pod))
        return any(allocation is None or allocation.node not in ("", pod.node) for allocation in held)

    # Assuming -----------------------------------------------------------------------------------------------------

    def assume(self, effect: Effect, at: float) -> None:
        """Act as if the effect's grants were written, and leave its target alone, until it is settled."""
        self._busy.update(_targets(effect))
        if isinstance(effect, Place):
            for grant in effect.grants:
                self._assumed[grant.claim.key] = grant.allocation
                self._hold(grant.claim.key)
        elif isinstance(effect, Preempt):
            self._leaving.add(effect.pod.key)
        elif isinstance(effect, Release):
            self._keep(effect.claim)
            if effect.reason.why is Why.REFUSED_BY_SCHEDULER and effect.claim.allocation:
                for name, uid in effect.claim.users:
                    self._views.pop(Key(effect.claim.key.namespace, name), None)
                    self._avoid.setdefault(uid, {})[effect.claim.allocation.node] = at + AVOID_SECONDS
                    self._refusals[uid] += 1

    def settle(self, effect: Effect, at: float) -> None:
        """The effect was written or refused; believe again what is seen. Fold what the API server answered first."""
        self._busy.difference_update(_targets(effect))
        if isinstance(effect, Place):
            for grant in effect.grants:
                believed = self.claim(grant.claim.key)
                self._assumed.pop(grant.claim.key, None)
                self._claim_changed(grant.claim.key, believed, at)
        elif isinstance(effect, Preempt):
            pod = self.get(Pod, effect.pod.key)
            if pod is None or not pod.leaves:
                self._leaving.discard(effect.pod.key)
        elif isinstance(effect, Release):
            self._kept_until(effect.claim, at + KEEP_SECONDS)

    def _keep(self, released: Claim) -> None:
        """Keep the share that is being taken back for the pod on its way, which may be bound this very moment."""
        users = [self.get(Pod, Key(released.key.namespace, name)) for name, _ in released.users]
        loose = [pod for pod in users if pod is not None and not (pod.gated or pod.over or pod.deleting)]
        old = released.allocation
        if loose and old is not None and all(pod.node in ("", old.node) for pod in loose):
            self._kept[released.key] = (old, float("inf"))

    def _kept_until(self, released: Claim, until: float) -> None:
        """The share was taken back, or not after all."""
        claim = self.claim(released.key)
        if released.key in self._kept and claim is not None and claim.uid == released.uid and claim.allocation is None:
            self._kept[released.key] = (self._kept[released.key][0], until)
        else:
            self._let_go(released.key)

    def sweep(self, at: float) -> None:
        """Look through all allocated claims for such whose users are all gone. O(claims); every few seconds will do."""
        living = {pod.uid for pod in self.all(Pod) if not pod.over}
        lost = [
            claim.key
            for claim in self.all(Claim)
            if claim.allocation is not None and not any(uid in living for _, uid in claim.users)
        ]
        self._orphans = {key: self._orphans.get(key, at) for key in lost}


def _targets(effect: Effect) -> Iterable[_Target]:
    """What nobody else may touch while the effect is being written."""
    match effect:
        case Place(pod=pod) | Ungate(pod=pod) | Hold(pod=pod) | Preempt(pod=pod) | Stop(pod=pod):
            return ((Pod, pod.key),)
        case Release(claim=claim):
            users = (Key(claim.key.namespace, name) for name, _ in claim.users)
            return ((Claim, claim.key), *((Pod, user) for user in users))
        case MakeTemplate(key=key):
            return ((Template, key),)
        case DropSlice(slice=stale):
            return ((Slice, stale.key),)
