"""Which devices quota lets an ask have, the guaranteed ones first; and why it may have none."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np

from farthing.decide.charge import Option, charge_of, charge_of_allocation, options_of, permitted, restricting, together
from farthing.decide.fit import eligible
from farthing.decide.needs import Need, needs_lacking
from farthing.decide.quota import Binding, Books, Charge, potential
from farthing.model.cluster import Allocation, DeviceId
from farthing.model.reason import Reason, Why
from farthing.model.team import OTHERS, amount_text
from farthing.state.fleet import Bools, Fleet
from farthing.state.snapshot import Snapshot, Waiting

HOLDERS: Final = 3
"""So many are named of those who hold what somebody waits for."""

Masks = tuple[Bools | None, ...]
"""For each need the devices that it may be given; None: any."""


@dataclass(slots=True)
class Governor:
    """The books of one cycle, and what they allow on a fleet."""

    fleet: Fleet
    books: Books
    _permitted: dict[int, Bools | None] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Governor | None":
        """Of a snapshot; None where nothing is governed."""
        books = Books.of(snapshot)
        return cls(snapshot.fleet, books) if books is not None else None

    def lets_have_any(self, waiting: Waiting) -> bool:
        """Whether quota allows any device that would do."""
        choices = self.choices(self.team(waiting), needs_lacking(waiting))
        return bool(choices) and all(mask is None for mask in choices[-1])

    def team(self, waiting: Waiting) -> int:
        return self.books.tree.at(waiting.team)

    def options(self, team: int, need: Need) -> tuple[Option, ...]:
        """The ways in which a team can be charged for a need, on models that it may use."""
        found = options_of(self.fleet, self.books.tree, need)
        if team not in self._permitted:
            self._permitted[team] = permitted(self.fleet, self.books.tree, team)
        good = self._permitted[team]
        return found if good is None else tuple(option for option in found if (option.shapes & good).any())

    def charges(self, team: int, needs: tuple[Need, ...]) -> tuple[Charge, ...]:
        """What an ask may cost, by class."""
        ways = [tuple(option.charge for option in self.options(team, need)) for need in needs]
        return ways[0] if len(ways) == 1 else together(Counter(ways))

    def choices(self, team: int, needs: tuple[Need, ...], *, guaranteed: bool = False) -> list[Masks]:
        """Devices to try, those within what is guaranteed before those that are borrowed. None: quota allows none.

        Nothing is borrowed where only what is `guaranteed` will do.
        """
        allowed = [[o for o in self.options(team, need) if self.books.allows(team, o.charge)] for need in needs]
        if not all(allowed):
            return []
        within = [[o for o in options if self.books.within(team, o.charge)] for options in allowed]
        if guaranteed and not all(within):
            return []
        wide = tuple(self._mask(team, need, options) for need, options in zip(needs, allowed, strict=True))
        if not all(within) or all(len(a) == len(b) for a, b in zip(allowed, within, strict=True)):
            return [wide]
        narrow = tuple(self._mask(team, need, options) for need, options in zip(needs, within, strict=True))
        return [narrow] if guaranteed else [narrow, wide]

    def _mask(self, team: int, need: Need, options: list[Option]) -> Bools | None:
        if self._permitted[team] is None and len(options) == len(self.options(team, need)):
            return None
        shapes = np.logical_or.reduce([option.shapes for option in options])
        good = self._permitted[team]
        return np.asarray((shapes if good is None else shapes & good)[eligible(self.fleet, need).shape])

    def charge(self, team: str, allocations: Iterable[Allocation]) -> None:
        """A team has been given this."""
        tree = self.books.tree
        for allocation in allocations:
            self.books.take(tree.at(team), charge_of_allocation(self.fleet, tree, allocation))

    def charge_devices(self, waiting: Waiting, devices: tuple[DeviceId, ...]) -> None:
        """A team is going to be given devices for what a pod lacks, need by need."""
        needs, rest = needs_lacking(waiting), iter(self.fleet.device_index[device] for device in devices)
        chosen = tuple(tuple(islice(rest, need.count)) for need in needs)
        self.books.take(self.team(waiting), charge_of(self.fleet, self.books.tree, needs, chosen))

    # Saying no ----------------------------------------------------------------------------------------------------

    def forbids(self, team: int, needs: tuple[Need, ...]) -> Reason | None:
        """What a team, or one above it, does not allow at all."""
        tree = self.books.tree
        for need in needs:
            for above in (tree.teams[n] for n in tree.path[team]):
                if above.isolation and need.isolation not in above.isolation:
                    return Reason(
                        Why.NOT_ALLOWED, f"{need}: team {above.name} allows isolation {', '.join(above.isolation)}"
                    )
            limit = restricting(tree, team, "models")
            if limit is not None and options_of(self.fleet, tree, need) and not self.options(team, need):
                return Reason(Why.NOT_ALLOWED, f"{need}: team {limit.name} allows models {', '.join(limit.models)}")
        return None

    def why_not(self, team: int, needs: tuple[Need, ...], *, guaranteed: bool = False) -> Reason | None:
        """The number that quota lacks, by the class of which least is lacking; None where it lacks none."""
        for need in needs:
            if guaranteed and not any(self.books.within(team, option.charge) for option in self.options(team, need)):
                name = self.books.tree.teams[team].name
                sentence = f"{need}: it runs only within what team {name} is guaranteed, and too little of that is left"
                return Reason(Why.QUOTA_EXCEEDED, sentence)
            bindings = [self.books.binding(team, option.charge) for option in self.options(team, need)]
            if bindings and None not in bindings:
                found = [binding for binding in bindings if binding is not None]
                nearest = min(found, key=_lacking)
                why = Why.QUEUED if nearest.kind == "pool" else Why.QUOTA_EXCEEDED
                return Reason(why, f"{need}: {self._sentence(nearest)}")
        return None

    def hopeless(self, team: int, needs: tuple[Need, ...]) -> bool:
        """Whether quota could never allow an ask, whoever else uses nothing."""
        return any(not any(self._ever(team, option) for option in self.options(team, need)) for need in needs)

    def _ever(self, team: int, option: Option) -> bool:
        tree = self.books.tree
        return self.books.compute(option.charge) <= min(tree.maximum[n] for n in tree.path[team]) and all(
            amount <= potential(tree, team, column) for column, amount in option.charge
        )

    def _sentence(self, found: Binding) -> str:
        tree = self.books.tree
        name, left = tree.teams[found.team].name, max(0, found.left)
        if found.column is None:
            return (
                f"team {name} may have {amount_text('compute', found.most)} devices in all, of which "
                f"{amount_text('compute', left)} is left; {amount_text('compute', found.wanted - left)} is lacking"
            )
        column = tree.columns[found.column]
        most, rest = amount_text(column.what, found.most), amount_text(column.what, left)
        kind = "devices that no quota names" if column.device_class == OTHERS else column.device_class
        if found.kind == "pool":
            return f"{rest} of {most} {kind} is left; {self._holders(found.column)}"
        return (
            f"team {name} has, with what it may borrow, {most} of {kind}, of which {rest} is left; "
            f"{amount_text(column.what, found.wanted - left)} is lacking"
        )

    def _holders(self, column: int) -> str:
        """Who has most of a column, of the teams right under the pool."""
        tree, usage = self.books.tree, self.books.usage
        most = sorted(tree.children[0], key=lambda n: (-usage[n][column], n))[:HOLDERS]
        what = tree.columns[column].what
        found = (f"{tree.teams[n].name} {amount_text(what, usage[n][column])}" for n in most if usage[n][column])
        return f"most is with {', '.join(found)}"


def _lacking(binding: Binding) -> tuple[int, int]:
    return binding.wanted - binding.left, binding.team
