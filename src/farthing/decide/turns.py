"""Who comes before whom where there are teams: the tournament of `fairness`, and what happens to those who fail.

1. pods that are not ready to be placed, or were let go already, are looked at first
2. then one ask after the other, of whichever team's turn it is
3. whose team goes strictly in line holds up everybody behind it
4. an ask within its team's guarantee that finds no room keeps others from borrowing: what was lent comes back to it
5. the first that has waited too long has a node kept for it, until it fits there
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.fairness import Line, queues_of
from farthing.decide.fit import able, eligible
from farthing.decide.gang import starting_gang
from farthing.decide.governed import PASSING
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.nodes import allowed
from farthing.decide.order import AGED_SECONDS, team_order
from farthing.decide.queue import Passed
from farthing.decide.quota import Charge
from farthing.model.reason import Reason, Why
from farthing.model.team import Queueing
from farthing.state.snapshot import Snapshot, Waiting

COUNTED: Final = 100
"""Places in line are told up to here; further back everything changes too often to be told."""


@dataclass
class Turns:
    """The turns of one cycle.

    `failed` says why an ask found no place in it, None where it did or was not tried. `costs` says what an ask may
    cost; of one that stands for a gang, what all of it may. `kept` are the uids of pods for whom others are leaving:
    what they will have is kept for them already.
    """

    snapshot: Snapshot
    governor: Governor
    failed: Callable[[Waiting], Reason | None]
    costs: Callable[[Waiting], tuple[Charge, ...]]
    behind: dict[str, Reason] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    keeping: bool = False

    def each(self, ready: list[Waiting], draft: Draft) -> Iterator[Waiting | Passed]:
        """Those who are ready to be placed, one after the other; what becomes of each shows before the next.

        Between them those who have no turn, since one like them found no place, or nobody may pass who did not.
        """
        tree = self.governor.books.tree
        queues = {
            team: team_order(found, tree.teams[team].queueing)
            for team, found in queues_of(self.governor.books, ready).items()
        }
        line = Line(self.snapshot, self.governor.books, queues, lambda _, waiting: self.costs(waiting), self.failed)
        while (head := line.head()) is not None:
            within, charge = line.is_within(), line.charge()
            team, waiting = head
            yield waiting
            reason = self.failed(waiting)
            if reason is not None and reason.why in PASSING:
                self._wait(team, waiting, charge, draft, within=within)
            passed = line.advance()
            if reason is not None and self._holds_up(team, waiting, reason):
                passed = self._tell(waiting, reason, [*(one for one, _ in passed), *line.rest(team)])
            yield passed

    # Those who wait -----------------------------------------------------------------------------------------------

    def _wait(self, team: int, waiting: Waiting, charge: Charge, draft: Draft, *, within: bool) -> None:
        """Keep for an ask what it is guaranteed, and for the first that has waited too long a node as well.

        Not where others are just leaving for it; and a gang has no use for one node.
        """
        if waiting.pod.uid in self.kept or self.governor.hopeless(team, needs_lacking(waiting)):
            return
        aged = (
            not self.keeping
            and starting_gang(waiting) is None
            and self.snapshot.at - waiting.pod.created >= AGED_SECONDS
        )
        if within or aged:
            self.governor.books.take(team, charge)
        if aged:
            self.keeping = keep_node(draft, waiting)

    def _holds_up(self, team: int, waiting: Waiting, reason: Reason) -> bool:
        """Whether nobody of the team may pass an ask: not where it could never be placed."""
        strict = self.governor.books.tree.teams[team].queueing is Queueing.STRICT
        return strict and reason.why in PASSING and not self.governor.hopeless(team, needs_lacking(waiting))

    def _tell(self, first: Waiting, reason: Reason, behind: list[Waiting]) -> Passed:
        """Those behind learn their place, and what the first of them waits for."""
        line = f"in team {first.team}'s line, which is strict; first is {first.pod.key}: {reason}"
        far = Reason(Why.QUEUED, f"a place after {COUNTED} {line}")
        found = []
        for place, one in enumerate(behind, start=2):
            told = Reason(Why.QUEUED, f"place {place} {line}") if place <= COUNTED else far
            self.behind[one.pod.uid] = told
            found.append((one, told))
        return found


def keep_node(draft: Draft, waiting: Waiting) -> bool:
    """Close, for the rest of a plan, a node for a pod, where some node will do once others end; whether there is one.

    It is the one that has most free of those that have too little; the same as long as that stays so, and so it is
    soon free enough.
    """
    fleet, pod, size = draft.fleet, waiting.pod, len(draft.fleet.nodes)
    could = allowed(fleet, pod.constraints) & (fleet.cpu >= pod.cpu) & (fleet.memory_of_node >= pod.memory)
    good, waits, free = np.zeros(len(fleet.devices), dtype=bool), np.zeros(size, dtype=bool), np.zeros(size)
    for need in needs_lacking(waiting):
        healthy, fits = eligible(fleet, need).healthy, able(fleet, draft.free, need, draft.team(waiting.team))
        could &= np.bincount(fleet.node_of[healthy], minlength=size) >= need.count
        waits |= np.bincount(fleet.node_of[fits], minlength=size) < need.count
        free += np.bincount(fleet.node_of[healthy], weights=draft.free.compute[healthy], minlength=size)
        good |= healthy
    could &= waits
    if not could.any():
        return False
    node = int(np.argmax(np.where(could, free, -1.0)))
    for device in np.flatnonzero(good & (fleet.node_of == node)):
        draft.close(int(device))
    return True
