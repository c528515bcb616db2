"""Asks for which no device is left, or only devices that some teams may join: so that not every team has to try.

Within a plan devices only get fuller, and who owns a device that is in use owns it to the end. So when no empty device
would do for an ask any more, only the teams that own one of those that would can still be given it.
"""

from dataclasses import dataclass, field

import numpy as np

from farthing.decide.draft import Draft
from farthing.decide.explain import why_not
from farthing.decide.fit import able
from farthing.decide.needs import Need, needs_lacking
from farthing.decide.sharing import ANY_TEAM
from farthing.model.reason import Reason
from farthing.state.snapshot import Waiting


@dataclass(slots=True)
class Barren:
    """What was learned in one cycle: by need the teams that may still find a device, and what others are told."""

    _owners: dict[Need, frozenset[int]] = field(default_factory=dict)
    _reasons: dict[object, Reason] = field(default_factory=dict)

    def learn(self, draft: Draft, waiting: Waiting) -> None:
        """An ask found no place; see who could still find one for the like of it."""
        for need in needs_lacking(waiting):
            if need not in self._owners:
                rows = np.flatnonzero(able(draft.fleet, draft.free, need, ANY_TEAM))
                if len(rows) == 0 or draft.free.users[rows].min() > 0:
                    self._owners[need] = frozenset(int(team) for team in np.unique(draft.free.team[rows]))

    def reason(self, draft: Draft, waiting: Waiting) -> Reason | None:
        """Why there is nothing left for an ask; None where there may be."""
        needs, team = needs_lacking(waiting), draft.team(waiting.team)
        if all(need not in self._owners or team in self._owners[need] for need in needs):
            return None
        pod = waiting.pod
        alike = (needs, pod.constraints, pod.cpu, pod.memory, pod.others)
        if alike not in self._reasons:
            self._reasons[alike] = why_not(draft, pod, needs, waiting.team)
        return self._reasons[alike]
