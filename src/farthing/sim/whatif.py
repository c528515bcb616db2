"""What would be, if the fleet were another: what starts, what waits, what stops, and what it costs.

Twice the same world is played to its end by the same brain, as it is and with the changes; the answer is the
difference. What would start in a moment anyway is no merit of the changes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from farthing.decide.cycle import plan
from farthing.decide.movable import REMADE_BY, milli_held
from farthing.model.cluster import Key
from farthing.model.plan import Hold
from farthing.model.reason import Reason
from farthing.model.team import Team
from farthing.sim.changes import AddNodes, SetQuota, add_nodes, check_teams, remove_node, set_quota
from farthing.sim.prices import Prices
from farthing.state.fork import Fork
from farthing.state.residents import residents
from farthing.state.teams import faults_of
from farthing.state.world import World

HOURS_A_MONTH: Final = 730


@dataclass(frozen=True, slots=True)
class Change:
    """Nodes more and nodes less, and other quotas of teams."""

    add: tuple[AddNodes, ...] = ()
    remove: tuple[str, ...] = ()
    quotas: tuple[SetQuota, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A fleet at rest. `devices` counts them by model, `gpu_milli_held` is in thousandths of devices.

    `running` are the pods that hold devices, with what they hold; `waiting` are the others, with their reasons.
    """

    nodes: int
    devices: Mapping[str, int]
    gpu_milli_held: int
    running: Mapping[Key, int]
    waiting: Mapping[Key, Reason]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the devices cost an hour, in millionths of `currency`; `unpriced` models have no price and are left out."""

    currency: str
    micro_per_hour: int
    unpriced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A fleet without and with the changes. `like` says of each addition what the new nodes are like."""

    before: Standing
    after: Standing
    like: tuple[str, ...]

    @property
    def starts(self) -> tuple[Key, ...]:
        """Who runs only with the changes."""
        return tuple(sorted(self.after.running.keys() - self.before.running.keys()))

    @property
    def stops(self) -> tuple[Key, ...]:
        """Who runs only without them."""
        return tuple(sorted(self.before.running.keys() - self.after.running.keys()))


def what_if(world: World, at: float, change: Change) -> WhatIf:
    """Both ends. O(waiting x a placement), twice."""
    changed = Fork(world, at)
    for name in change.remove:
        remove_node(changed, name, at, REMADE_BY)
    like = tuple(add_nodes(changed, wanted, at) for wanted in change.add)
    wrong = {fault.team for fault in faults_of(world.all(Team))}
    for quota in change.quotas:
        set_quota(changed, quota, at)
    check_teams(changed, wrong)
    return WhatIf(_at_rest(Fork(world, at), at), _at_rest(changed, at), like)


def cost_of(standing: Standing, prices: Prices) -> Cost:
    """What a fleet costs an hour, used or not."""
    priced = {model: prices.of(model) for model in standing.devices}
    total = sum(price * standing.devices[model] for model, price in priced.items() if price is not None)
    return Cost(prices.currency, total, tuple(sorted(model for model, price in priced.items() if price is None)))


def _at_rest(fork: Fork, at: float) -> Standing:
    """Plan and carry out until nobody is placed any more."""
    while fork.carry_out(plan(fork.snapshot(at)), at):
        pass
    fleet, held = fork.world.fleet, {one.pod.key: milli_held(fork.world.fleet, one) for one in residents(fork.world)}
    counts = np.bincount(fleet.model_of, minlength=len(fleet.models)) if len(fleet.devices) else np.zeros(0, dtype=int)
    devices = Counter({model: int(count) for model, count in zip(fleet.models, counts, strict=True)})
    return Standing(len(fleet.nodes), dict(devices), sum(held.values()), held, _waiting(fork, at))


def _waiting(fork: Fork, at: float) -> dict[Key, Reason]:
    """Why each of those who wait does; what was written on them before is not asked."""
    snapshot = fork.snapshot(at)
    asked = tuple(replace(w, pod=replace(w.pod, verdict=None)) for w in snapshot.waiting)
    decided = plan(replace(snapshot, waiting=asked))
    return {effect.pod.key: effect.reason for effect in decided if isinstance(effect, Hold)}
