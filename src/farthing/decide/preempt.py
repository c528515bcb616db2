"""Who has to go, so that those with the better right to their devices start: see `rights`.

For each ask that found no place, in the order of the line: pods that may be taken from are let go in thought, those
first that cost least, until the ask finds a place; whoever need not have gone stays. What costs least is a spot pod,
then another team's, then whoever breaks no gang, then the lower priority, then the least work lost. Of a gang that
needs all of its pods all go, or none.

Nothing is done here. Those who were told to go already count as gone: nobody else is told to go for the same ask.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from typing import Final

from farthing.decide.charge import charge_of_allocation, together, total
from farthing.decide.cycle import Decision, Stuck
from farthing.decide.domains import short_of
from farthing.decide.draft import Draft
from farthing.decide.gang import Asking, could_afford, place_together
from farthing.decide.governed import find, settle
from farthing.decide.governor import Governor
from farthing.decide.keep import kept_for, set_aside
from farthing.decide.movable import lost_seconds, milli_held
from farthing.decide.needs import Need
from farthing.decide.quota import Books, Charge
from farthing.decide.rights import Claimant, first_again, right
from farthing.model.cluster import Pod
from farthing.model.plan import Place, Preempt
from farthing.model.reason import Reason, Why
from farthing.state.gangs import Gang
from farthing.state.snapshot import Resident, Snapshot

MOST: Final = 256
MOST_EACH: Final = 8
"""So many pods, or gangs, are let go for one ask at most; for a gang at least so many for each of its pods."""

ALONE: Final = 16
"""Before several are let go, it is tried with so many pods each by itself."""

LOOKS: Final = 1000
"""So many pods are tried in one round: the loop does not wait for longer. The ask begun with last is finished."""

TOGETHER: Final = LOOKS // 2
"""Where more pods are stuck than this, each round begins with others of them, so that all are looked at."""

STEP: Final = 499
"""So many asks further in each second: prime, so that all have their turn to be first."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Pods that go together: one, or all of a gang that needs all. `cost` puts those first that cost least."""

    residents: tuple[Resident, ...]
    team: int
    charge: Charge
    cost: tuple[object, ...]


def preempt(
    snapshot: Snapshot,
    decided: Decision,
    residents: Iterable[Resident],
    gangs: Mapping[str, Gang],
    unwilling: Collection[str] = (),
) -> tuple[Preempt, ...]:
    """Who has to go for whom. `snapshot` is as it was before `decided` was decided on it.

    `gangs` are those of the residents, by uid. `unwilling` are the uids of pods that cannot be evicted now, or of what
    made them. Nobody where there are no teams.
    """
    due = tuple(_go(one, snapshot.at) for one in snapshot.leaving if _is_due(one, snapshot.at, unwilling))
    books = Books.of(snapshot)
    if books is None or not decided.stuck:
        return due
    draft = Draft.of(snapshot)
    _follow(draft, books, snapshot, decided)
    leaving = {one.pod.uid for one in snapshot.leaving}
    staying = [one for one in residents if not one.pod.deleting and one.pod.uid not in leaving]
    units = units_of(draft, books, staying, gangs, snapshot.at)
    willing = {
        team: [unit for unit in found if not any(_is_unwilling(one.pod, unwilling) for one in unit.residents)]
        for team, found in units.items()
    }
    search = _Search(draft, Governor(snapshot.fleet, books), willing)
    found = [search.victims(stuck.asking, stuck.gang) for stuck in _in_turn(decided.stuck, snapshot.at)]
    return (*due, *(effect for one in found for effect in _told(one, snapshot.at)))


def _in_turn(stuck: tuple[Stuck, ...], at: float) -> tuple[Stuck, ...]:
    """In the order of the line, where there are not too many."""
    many = sum(len(one.asking) for one in stuck) > TOGETHER
    start = int(at) * STEP % len(stuck) if many else 0
    return stuck[start:] + stuck[:start]


def _is_due(resident: Resident, at: float, unwilling: Collection[str]) -> bool:
    pod = resident.pod
    return not pod.deleting and not _is_unwilling(pod, unwilling) and (pod.leave_by is None or pod.leave_by <= at)


def _is_unwilling(pod: Pod, unwilling: Collection[str]) -> bool:
    return pod.uid in unwilling or (pod.owner is not None and pod.owner.uid in unwilling)


def _go(resident: Resident, at: float) -> Preempt:
    """The end of the notice that a pod was given."""
    pod = resident.pod
    reason = pod.verdict or Reason(Why.PREEMPTED, f"its time was up at {at:.0f}")
    return Preempt(pod, pod.key, reason)


def _follow(draft: Draft, books: Books, snapshot: Snapshot, decided: Decision) -> None:
    """What is left when those who were placed are there, and those who were told to go are gone."""
    placed = [effect for effect in decided.effects if isinstance(effect, Place) and effect.grants]
    for effect in placed:
        for grant in effect.grants:
            draft.hold(grant.allocation)
            charge = charge_of_allocation(draft.fleet, books.tree, grant.allocation)
            books.take(books.tree.at(grant.allocation.team), charge)
        if not effect.pod.node:
            draft.settle_on(draft.fleet.node_index[effect.node], effect.pod)
    uids = {effect.pod.uid for effect in placed}
    for waiting in snapshot.waiting:
        kept = kept_for(snapshot.fleet, waiting.pod, snapshot.at) if waiting.pod.uid not in uids else None
        if kept is not None:
            set_aside(draft, kept, waiting.pod)
    for resident in snapshot.leaving:
        let_go(draft, resident)
        books.give_back(books.tree.at(resident.team), charge_held(draft, books, resident))


def charge_held(draft: Draft, books: Books, resident: Resident) -> Charge:
    """What a pod's team is charged for what it holds."""
    held = (claim.allocation for claim in resident.claims if claim.allocation is not None)
    return total([charge_of_allocation(draft.fleet, books.tree, allocation) for allocation in held])


def let_go(draft: Draft, resident: Resident) -> None:
    """Let a pod not be there."""
    for claim in resident.claims:
        if claim.allocation is not None:
            draft.give_back(claim.allocation)
    node = draft.fleet.node_index.get(resident.pod.node)
    if node is not None:
        draft.leave(node, resident.pod)


def take_in(draft: Draft, resident: Resident) -> None:
    """Let a pod that was let go be there again."""
    for claim in resident.claims:
        if claim.allocation is not None:
            draft.hold(claim.allocation)
    node = draft.fleet.node_index.get(resident.pod.node)
    if node is not None:
        draft.settle_on(node, resident.pod)


# Who could go -----------------------------------------------------------------------------------------------------


def units_of(
    draft: Draft, books: Books, residents: Iterable[Resident], gangs: Mapping[str, Gang], at: float
) -> dict[int, list[Unit]]:
    """Who can go together, by team, those that cost least first."""
    alone: list[tuple[Resident, ...]] = []
    together: dict[object, list[Resident]] = defaultdict(list)
    for resident in residents:
        gang = gangs.get(resident.pod.uid)
        if gang is None:
            alone.append((resident,))
        else:
            together[gang.key].append(resident)
    for mates in together.values():
        alone += _split(gangs[mates[0].pod.uid], mates)
    found: dict[int, list[Unit]] = defaultdict(list)
    for one in alone:
        team = books.tree.at(one[0].team)
        charge = total([charge_held(draft, books, resident) for resident in one])
        found[team].append(Unit(one, team, charge, _cost(draft, one, at)))
    for units in found.values():
        units.sort(key=lambda unit: unit.cost)
    return found


def _split(gang: Gang, mates: list[Resident]) -> Iterator[tuple[Resident, ...]]:
    """Of a gang, those that it can do without one by one, the youngest first; the others all together."""
    spare = {role.name: gang.started[role.name] - role.least for role in gang.roles}
    core = []
    for mate in sorted(mates, key=lambda one: (-one.pod.created, one.pod.key)):
        role = mate.pod.role
        if spare.get(role, 0) > 0:
            spare[role] -= 1
            yield (mate,)
        else:
            core.append(mate)
    if core:
        yield tuple(core)


def _cost(draft: Draft, one: Sequence[Resident], at: float) -> tuple[object, ...]:
    """What is lost when these go. A pod that is given notice can save its work, and loses none."""
    milli = [milli_held(draft.fleet, resident) for resident in one]
    lost = sum(
        held * (0 if resident.pod.notice else lost_seconds(resident.pod, at))
        for held, resident in zip(milli, one, strict=True)
    )
    pods = [resident.pod for resident in one]
    return (
        any(pod.qos != "spot" for pod in pods),
        len(pods) > 1,
        max(pod.priority for pod in pods),
        lost,
        sum(milli),
        -min(pod.started or pod.created for pod in pods),
        str(pods[0].key),
    )


# Who has to go ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Victims:
    """Who goes for an ask, each with the rule."""

    asking: Asking
    units: tuple[tuple[Unit, str], ...] = ()


def _told(found: _Victims, at: float) -> Iterator[Preempt]:
    pod = found.asking.waiting.pod
    for unit, rule in found.units:
        for resident in unit.residents:
            reason = Reason(Why.PREEMPTED, f"for {pod.key}: {rule}")
            notice = resident.pod.notice
            yield Preempt(resident.pod, pod.key, reason, at + notice if notice else None)


Fits = Callable[[], bool]
"""Whether an ask would find a place as it is now."""


class _Search:
    """The search of one round: every ask finds what those before it left."""

    def __init__(self, draft: Draft, governor: Governor, units: dict[int, list[Unit]]) -> None:
        self.draft, self.governor, self.books = draft, governor, governor.books
        self.units = units
        self.gone: set[Unit] = set()
        self.hopeless: set[object] = set()
        self.looks = LOOKS
        self._counted: tuple[Sequence[Asking], Counter[Need]] = ((), Counter())

    def victims(self, asking: Sequence[Asking], gang: Gang | None) -> _Victims:
        """Who goes for an ask; then it counts as placed. Nobody where it has room, or none can be made."""
        first = asking[0]
        nobody = _Victims(first)
        question = (first.waiting.pod.priority, first.waiting.pod.qos, tuple(one.question for one in asking))
        if self.looks <= 0 or question in self.hopeless or self._fits(asking, gang):
            return nobody
        chosen = self._fewest(asking, gang)
        if chosen is None:
            self.hopeless.add(question)
            return nobody
        self.gone.update(unit for unit, _ in chosen)
        return _Victims(first, tuple(chosen))

    def _fits(self, asking: Sequence[Asking], gang: Gang | None) -> bool:
        """Whether an ask finds a place now, which is then taken."""
        self.looks -= 1
        if gang is not None:
            if not self._is_enough(asking):
                return False
            self.looks -= len(asking)
            return isinstance(place_together(self.governor, self.draft, gang, asking), tuple)
        one = asking[0]
        found = find(self.governor, self.draft, one.waiting, one.within)
        if found is not None:
            settle(self.governor, self.draft, one.waiting, found)
        return found is not None

    def _is_enough(self, asking: Sequence[Asking]) -> bool:
        """Whether a gang may have what all of it needs, looked at as a whole."""
        first, wanted_by = asking[0].waiting, self._wanted_by(asking)
        affordable = could_afford(self.governor, wanted_by, self.governor.team(first))
        return affordable and short_of(self.draft, wanted_by, first.team) is None

    def _wanted_by(self, asking: Sequence[Asking]) -> Counter[Need]:
        """How many pods of a gang there are for each need; remembered for the gang in question."""
        if self._counted[0] is not asking:
            self._counted = asking, Counter(need for one in asking for need in one.needs)
        return self._counted[1]

    def _claimant(self, asking: Sequence[Asking]) -> Claimant:
        first = asking[0]
        team = self.governor.team(first.waiting)
        charges = together(Counter(self.governor.charges(team, one.needs) for one in asking))
        return Claimant(first.waiting.pod, team, charges)

    def _fewest(self, asking: Sequence[Asking], gang: Gang | None) -> list[tuple[Unit, str]] | None:
        """As few as will do: one by itself, or those who cost least until it fits, less whoever need not go.

        They are gone then, and the ask has its place. To place a large gang takes long: first it is only looked whether
        there is enough for it as a whole, and pod by pod just once, with whoever has to go by that.
        """
        claimant = self._claimant(asking)
        fits = partial(self._fits, asking, gang)
        enough = partial(self._is_enough, asking) if gang is not None else fits
        if len(asking) == 1:
            for unit in islice(self._singles(claimant), ALONE):
                rule = self._rule(claimant, unit)
                if rule and self._fits_without([(unit, rule)], fits):
                    return [(unit, rule)]
        most = max(MOST, MOST_EACH * len(asking))
        chosen = self._enough(claimant, enough, most)
        if chosen is None:
            return None
        found = self._kept(claimant, chosen, enough, fits)
        exact = self._enough(claimant, fits, most) if found is None and gang is not None else None
        return self._kept(claimant, exact, fits, fits) if exact is not None else found

    def _kept(
        self, claimant: Claimant, chosen: list[tuple[Unit, str]], enough: Fits, fits: Fits
    ) -> list[tuple[Unit, str]] | None:
        """Those of the chosen who have to go; they are gone then, and the ask has its place. None where it has none."""
        before = len(self.books.moves)
        with self.draft.trial() as trial:
            chosen = self._less(chosen, enough)
            trial.kept = not self._in_vain(claimant, chosen) and fits()
        if not trial.kept:
            self.books.rewind(before)
        return chosen if trial.kept else None

    def _in_vain(self, claimant: Claimant, chosen: list[tuple[Unit, str]]) -> bool:
        """Whether one of those who are gone now would have its turn before the claimant; spot pods never do."""
        own = [unit for unit, _ in chosen if unit.team == claimant.team and unit.residents[0].pod.qos != "spot"]
        return any(first_again(self.books, claimant, unit.charge) for unit in own)

    def _candidates(self, team: int) -> Iterator[Unit]:
        """Those who are there, who cost least first; but a team takes from others before it takes from itself."""
        lists = ((unit for unit in units if unit not in self.gone) for units in self.units.values())
        return merge(*lists, key=lambda unit: (unit.cost[0], unit.team == team, unit.cost[1:]))

    def _singles(self, claimant: Claimant) -> Iterator[Unit]:
        """Pods by themselves. None of its own team that could have devices back from others: those come after all."""
        reclaims = any(self.books.within(claimant.team, charge) for charge in claimant.charges)
        for unit in self._candidates(claimant.team):
            spared = reclaims and unit.team == claimant.team and unit.cost[0]
            if len(unit.residents) == 1 and not spared:
                yield unit

    def _rule(self, claimant: Claimant, unit: Unit) -> str:
        """The rule by which all of a unit may be taken from; the last one's speaks for all."""
        rule = ""
        for resident in unit.residents:
            rule = right(self.books, claimant, resident.pod, unit.team, unit.charge)
            if not rule:
                return ""
        return rule

    def _enough(self, claimant: Claimant, fits: Fits, most: int) -> list[tuple[Unit, str]] | None:
        """Those who cost least, until the ask fits. Whether it does is looked at after 1, 2, 4, 8 ... of them."""
        before = len(self.books.moves)
        chosen: list[tuple[Unit, str]] = []
        with self.draft.trial():
            found = self._let_go_until(claimant, fits, most, chosen)
        self.books.rewind(before)
        return chosen if found else None

    def _let_go_until(self, claimant: Claimant, fits: Fits, most: int, chosen: list[tuple[Unit, str]]) -> bool:
        look_at = 1
        for unit in self._candidates(claimant.team):
            rule = self._rule(claimant, unit)
            if not rule:
                continue
            self._go(unit)
            chosen.append((unit, rule))
            if len(chosen) in (look_at, most):
                look_at *= 2
                if self._fits_without((), fits, trying=True):
                    return True
            if len(chosen) >= most:
                return False
        return bool(chosen) and self._fits_without((), fits, trying=True)

    def _less(self, chosen: list[tuple[Unit, str]], fits: Fits) -> list[tuple[Unit, str]]:
        """Without whoever need not go: halves, quarters and so on, and in the end each, the dearest first.

        The others are gone then.
        """
        for unit, _ in chosen:
            self._go(unit)
        size = max(1, len(chosen) // 2)
        while size:
            end = len(chosen)
            while end > 0:
                some = chosen[max(0, end - size) : end]
                if len(some) < len(chosen) and self._fits_with(some, fits):
                    for unit, _ in some:
                        self._come(unit)
                    chosen = chosen[: max(0, end - size)] + chosen[end:]
                end = min(end - size, len(chosen))
            size //= 2
        return chosen

    def _fits_with(self, those: Sequence[tuple[Unit, str]], fits: Fits) -> bool:
        """Whether an ask fits when these, who have gone, are there again. Nothing stays of it."""
        before = len(self.books.moves)
        with self.draft.trial():
            for unit, _ in those:
                self._come(unit)
            found = fits()
        self.books.rewind(before)
        return found

    def _fits_without(self, chosen: Sequence[tuple[Unit, str]], fits: Fits, *, trying: bool = False) -> bool:
        """Whether an ask fits when these are gone. Where it does, and is not only `trying`, it is so from now on."""
        before = len(self.books.moves)
        with self.draft.trial() as trial:
            for unit, _ in chosen:
                self._go(unit)
            found = fits()
            trial.kept = found and not trying
        if not trial.kept:
            self.books.rewind(before)
        return found

    def _go(self, unit: Unit) -> None:
        for resident in unit.residents:
            let_go(self.draft, resident)
        self.books.give_back(unit.team, unit.charge)

    def _come(self, unit: Unit) -> None:
        """Let a unit that has gone be there again."""
        for resident in unit.residents:
            take_in(self.draft, resident)
        self.books.take(unit.team, unit.charge)
