"""One team's line while turns are taken: who is next, and who of it is next within what the team is guaranteed.

What is within a guarantee goes first, whoever of the team came before it. Else somebody who asks for more than is
guaranteed would stand in front of it, other teams would borrow what it asks for, and be let go again for it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from farthing.decide.order import is_spot
from farthing.decide.quota import Charge
from farthing.model.reason import Reason
from farthing.state.snapshot import Waiting

Passed = list[tuple[Waiting, Reason]]
"""Those who have no turn, and why."""

Failed = Callable[[Waiting], Reason | None]
"""Why an ask has found no place; None where it has, or was not tried."""


class Queue:
    """Those of a team who wait, in its order. Who had a turn before others that stand in front is `_served` already."""

    def __init__(
        self, waiting: Sequence[Waiting], costs: Callable[[Waiting], Sequence[Charge]], failed: Failed
    ) -> None:
        self._waiting, self._costs, self._failed = waiting, costs, failed
        self._next = 0
        self._served: set[int] = set()
        self._alike: dict[tuple[Charge, ...], list[int]] | None = None

    def __getitem__(self, place: int) -> Waiting:
        return self._waiting[place]

    def head(self) -> int | None:
        """The place of the next; None where everybody had a turn."""
        return self._next if self._next < len(self._waiting) else None

    def first(self, within: Callable[[Charge], bool]) -> tuple[int, Charge] | None:
        """The place of the next that is `within`, and what it is charged; spot pods never are."""
        if self._alike is None:
            self._alike = self._by_charges()
        found = []
        for charges, places in self._alike.items():
            charge = next(filter(within, charges), None)
            while charge is not None and places and self._is_done(places[-1]):
                places.pop()
            if charge is not None and places:
                found.append((places[-1], charge))
        return min(found, default=None)

    def serve(self, place: int) -> Passed:
        """Somebody has had a turn. Those at the head that have failed are passed over: these, with the reasons."""
        self._served.add(place)
        waiting, i, passed = self._waiting, self._next, []
        while i < len(waiting):
            if i in self._served:
                self._served.discard(i)
            elif (reason := self._failed(waiting[i])) is not None:
                passed.append((waiting[i], reason))
            else:
                break
            i += 1
        self._next = i
        return passed

    def rest(self) -> list[Waiting]:
        """All who have not had their turn; they get none any more."""
        places = range(self._next, len(self._waiting))
        self._next = len(self._waiting)
        return [self._waiting[place] for place in places if place not in self._served]

    def _is_done(self, place: int) -> bool:
        return place < self._next or place in self._served or self._failed(self._waiting[place]) is not None

    def _by_charges(self) -> dict[tuple[Charge, ...], list[int]]:
        """The places of those who are charged alike, the last first."""
        found: dict[tuple[Charge, ...], list[int]] = defaultdict(list)
        for place in range(len(self._waiting) - 1, self._next - 1, -1):
            if not is_spot(self._waiting[place]):
                found[tuple(self._costs(self._waiting[place]))].append(place)
        return found
