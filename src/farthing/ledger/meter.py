"""The meter: what happens to claims and devices of one cluster, folded into intervals and supplies.

`note` is told every observation, right after the World has folded it, and only remembers; `turn` makes records of what
was noted and of what changed in the fleet; `take` hands out the records that changed since the last time. Each life of
a meter starts from what is there (`begin`), under an epoch of its own; shares keep the start that is written on their
allocation, so that they are the same intervals as in the life before.

Time never goes back here: what happens while the clock is behind happens at the latest instant that was known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from farthing.ledger.fleet import Physical, part_of, physicals
from farthing.ledger.interval import Interval, IntervalId, Supply, Use
from farthing.ledger.room import Left, cramped, slivers
from farthing.model.ask import TEAM_PATTERN
from farthing.model.cluster import Allocation, Claim, Job, Key, Namespace, Pod, Result
from farthing.model.plan import Gone, Listed, Observation, Seen
from farthing.model.thing import Thing
from farthing.state.fleet import Fleet
from farthing.state.snapshot import Snapshot
from farthing.state.world import World

TAGS: Final = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
)
"""Labels that become tags where nobody names others."""


class Note(NamedTuple):
    """A claim, as it was at an instant, with the pod that it is for."""

    key: Key
    claim: Claim | None
    pod: Pod | None
    at: float


class _Beside(NamedTuple):
    """What there is of a device beside shares: at most so much of what they leave is a team's, or nobody's."""

    team: str
    compute: int
    memory: int


@dataclass(frozen=True, slots=True)
class _Open:
    """What a claim holds, as it was reported, and the pods (by uid) that had it."""

    uid: str = ""
    allocation: Allocation | None = None
    intervals: tuple[Interval, ...] = ()
    users: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Records:
    """What changed: each interval and supply once, in its newest state."""

    intervals: tuple[Interval, ...]
    supplies: tuple[Supply, ...]

    def __bool__(self) -> bool:
        return bool(self.intervals or self.supplies)


class Meter:
    """The meter of one cluster. `note`, `turn`, `look_for_room`, `take` and `give_back` change it.

    `tags` names the labels of pods that become tags of intervals.
    """

    def __init__(self, cluster: str, tags: Sequence[str] = TAGS) -> None:
        self.cluster = cluster
        self._tags = frozenset(tags)
        self.now = 0
        self._begun = False
        self._notes: list[Note] = []
        self._open: dict[Key, _Open] = {}
        self._ended: dict[str, float] = {}
        self._unknown: dict[Key, Note] = {}
        self._fleet: Fleet | None = None
        self._there: dict[str, Physical] = {}
        self._supplies: dict[str, Supply] = {}
        self._beside: dict[tuple[str, Use], Interval] = {}
        self._cramped: frozenset[str] = frozenset()
        self._tight: frozenset[str] = frozenset()
        self._slivers: dict[str, Left] = {}
        self._thin: dict[str, Left] = {}
        self._changed: dict[IntervalId, Interval] = {}
        self._moved: dict[tuple[str, int], Supply] = {}

    def begin(self, world: World, at: float) -> None:
        """Start from all that is there at an instant."""
        self._begun = True
        for claim in world.all(Claim):
            self._notes.append(_note(world, claim.key, at))
        self.turn(world, at)

    def note(self, world: World, news: Observation, at: float) -> None:
        """Remember what an observation, just folded into the world, made of claims."""
        for thing in _things(news):
            if isinstance(thing, Pod):
                self._note_end(thing)
        if self._begun:
            self._notes += (_note(world, key, at) for key in self._claims(news))

    def _note_end(self, pod: Pod) -> None:
        if pod.ended is not None and any(Key(pod.key.namespace, entry.claim) in self._open for entry in pod.claims):
            self._ended[pod.uid] = pod.ended

    def turn(self, world: World, at: float) -> None:
        """Make records of what was noted, and of what changed in the fleet."""
        if not self._begun:
            return
        notes = [*self._unknown.values(), *self._notes]
        self._unknown, self._notes = {}, []
        for note in notes:
            self._look_at_claim(world, world.fleet, note)
        self._look_at_fleet(world.fleet, self._tick(at))

    def look_for_room(self, snapshot: Snapshot, pods: Iterable[Pod], at: float) -> None:
        """See on which nodes, and on which devices, nothing has room; what two looks in a row find is stranded."""
        tight, thin = cramped(snapshot, pods), slivers(snapshot)
        found, small = tight & self._tight, dict(thin.items() & self._thin.items())
        nodes, devices = found ^ self._cramped, dict(small.items() ^ self._slivers.items())
        self._tight, self._thin, self._cramped, self._slivers = tight, thin, found, small
        for device, physical in self._there.items():
            if physical.supply.node in nodes or device in devices:
                self._change_beside(device, physical, self._tick(at))

    def take(self) -> Records:
        """The records that changed since they were taken last."""
        taken = Records(tuple(self._changed.values()), tuple(self._moved.values()))
        self._changed, self._moved = {}, {}
        return taken

    def give_back(self, records: Records) -> None:
        """Take records back that could not be written; what has changed since is newer."""
        self._changed = {interval.id: interval for interval in records.intervals} | self._changed
        self._moved = {(supply.device, supply.start): supply for supply in records.supplies} | self._moved

    def _tick(self, at: float) -> int:
        self.now = max(self.now, int(at))
        return self.now

    def _claims(self, news: Observation) -> Iterable[Key]:
        """The claims that an observation speaks of; a list speaks also of those that it does not hold."""
        match news:
            case Seen(thing=Claim(key=key)):
                return (key,)
            case Gone(kind=kind, key=key) if kind is Claim:
                return (key,)
            case Listed(kind=kind, things=things) if kind is Claim:
                return {*(thing.key for thing in things), *self._open, *self._unknown}
            case _:
                return ()

    # Claims -------------------------------------------------------------------------------------------------------

    def _look_at_claim(self, world: World, fleet: Fleet, note: Note) -> None:
        at = self._tick(note.at)
        claim = note.claim
        self._unknown.pop(note.key, None)
        held = self._open.get(note.key, _Open())
        if claim is not None and claim.uid == held.uid and claim.allocation == held.allocation:
            if held.users and (users := frozenset(uid for _, uid in claim.users) - held.users):
                self._open[note.key] = replace(held, users=held.users | users)
            return
        end = self._end(held, at)
        for interval in held.intervals:
            self._report(replace(interval, end=max(interval.start, end)))
        self._open.pop(note.key, None)
        if claim is None or claim.allocation is None:
            return
        found = tuple(self._intervals(world, fleet, claim, claim.allocation, note.pod, at))
        if len(found) < len(claim.allocation.results):
            self._unknown[note.key] = note
            return
        self._open[note.key] = _Open(claim.uid, claim.allocation, found, frozenset(uid for _, uid in claim.users))
        for interval in found:
            self._report(interval)

    def _end(self, held: _Open, at: int) -> int:
        """When the last of its pods ended, as far as all say so, and by a clock that does not run ahead; else now."""
        ends = [self._ended.pop(uid) for uid in held.users if uid in self._ended]
        return min(at, int(max(ends))) if ends and len(ends) == len(held.users) else at

    def _intervals(
        self, world: World, fleet: Fleet, claim: Claim, allocation: Allocation, pod: Pod | None, at: int
    ) -> Iterator[Interval]:
        """One for each device that is known."""
        namespace = world.get(Namespace, Key("", claim.key.namespace))
        since = int(allocation.since)
        for result in allocation.results:
            part = part_of(fleet, result)
            if part is not None:
                yield Interval(
                    cluster=self.cluster,
                    device=part.device,
                    claim=claim.uid,
                    share=_share(result),
                    start=since if max(1, int(claim.created)) <= since <= at else at,
                    end=None,
                    team=_team(allocation.team, pod.team if pod else "", namespace.team if namespace else "")
                    or claim.key.namespace,
                    namespace=claim.key.namespace,
                    node=part.node,
                    model=part.model,
                    compute=part.compute,
                    memory=part.memory,
                    isolation=allocation.isolation,
                    pod=pod.key.name if pod else "",
                    owners=_owners(world, pod) if pod else (),
                    tags=self._tags_of(pod) if pod else (),
                )

    def _tags_of(self, pod: Pod) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name, value in pod.labels if name in self._tags)

    def _report(self, interval: Interval) -> None:
        self._changed[interval.id] = interval

    # The fleet ----------------------------------------------------------------------------------------------------

    def _look_at_fleet(self, fleet: Fleet, at: int) -> None:
        if fleet is self._fleet:
            return
        self._fleet = fleet
        now = {physical.device: physical for physical in physicals(fleet)}
        for device in sorted(self._there.keys() | now.keys()):
            old, new = self._there.get(device), now.get(device)
            if old != new:
                self._change_device(device, old, new, at)
        self._there = now

    def _change_device(self, device: str, old: Physical | None, new: Physical | None, at: int) -> None:
        if old is None or new is None or old.supply != new.supply:
            if device in self._supplies:
                self._supply(replace(self._supplies.pop(device), end=at))
            if new is not None:
                self._supplies[device] = replace(new.supply, cluster=self.cluster, start=at)
                self._supply(self._supplies[device])
        self._change_beside(device, new, at, anew=True)

    def _change_beside(self, device: str, physical: Physical | None, at: int, *, anew: bool = False) -> None:
        """What there is of a device beside shares: end what is no longer so, or is to begin `anew`; begin what is."""
        for use, wanted in self._uses(physical):
            known = self._beside.get((device, use))
            if known is not None and (anew or wanted != (known.team, known.compute, known.memory)):
                self._report(replace(self._beside.pop((device, use)), end=at))
                known = None
            if known is None and wanted is not None:
                self._beside[device, use] = _beside(self._supplies[device], use, wanted, at)
                self._report(self._beside[device, use])

    def _uses(self, physical: Physical | None) -> tuple[tuple[Use, _Beside | None], ...]:
        """How much of what shares leave is reserved and stranded; None where nothing is."""
        if physical is None:
            return ("reserved", None), ("stranded", None)
        everything = Left(physical.supply.compute, physical.supply.memory)
        reserved = _Beside(physical.reserved, *everything) if physical.reserved else None
        stranded = physical.stranded or physical.supply.node in self._cramped
        left = everything if stranded else self._slivers.get(physical.device)
        return ("reserved", reserved), ("stranded", None if left is None else _Beside("", *left))

    def _supply(self, supply: Supply) -> None:
        self._moved[supply.device, supply.start] = supply


def _team(*names: str) -> str:
    """The first name that can be a team's; labels are checked at admission, but not everything was admitted by us."""
    return next((name for name in names if re.fullmatch(TEAM_PATTERN, name)), "")


def _things(news: Observation) -> tuple[Thing, ...]:
    match news:
        case Seen(thing=thing):
            return (thing,)
        case Listed(things=things):
            return things
        case _:
            return ()


def _note(world: World, key: Key, at: float) -> Note:
    claim = world.get(Claim, key)
    users = claim.users if claim else ()
    pod = world.get(Pod, Key(key.namespace, users[0][0])) if users else None
    return Note(key, claim, pod, at)


def _share(result: Result) -> str:
    """A share's own id; devices that go as a whole have none, and are told apart by the request."""
    return result.share_id or result.request


def _owners(world: World, pod: Pod) -> tuple[str, ...]:
    """A pod's owners; where the last is a Job, with what made the Job."""
    last = pod.owners[-1] if pod.owners else ""
    kind, _, name = last.partition("/")
    job = world.get(Job, Key(pod.key.namespace, name)) if kind == "Job" else None
    return (*pod.owners, job.owner) if job is not None and job.owner else pod.owners


def _beside(supply: Supply, use: Use, found: _Beside, at: int) -> Interval:
    return Interval(
        cluster=supply.cluster,
        device=supply.device,
        claim="" if use == "stranded" else "reservation",
        share="",
        start=at,
        end=None,
        team=found.team,
        namespace="",
        node=supply.node,
        model=supply.model,
        compute=found.compute,
        memory=found.memory,
        use=use,
    )
