"""What teams may still spend within one plan: who is held for it, where an ask is affordable, and what is taken off.

An ask with a hint costs its part of the device's price for as long as it says, and what is under way the same for what
is left of its hint; both as far as they fall into the period. What says nothing counts when it is spent.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from farthing.decide.fit import Eligible, eligible
from farthing.decide.needs import Need, needs_lacking
from farthing.decide.place import Placement
from farthing.model.budget import MICRO, Allowance, Budgets
from farthing.model.cluster import Allocation, Result
from farthing.model.plan import Stop
from farthing.model.reason import Reason, Why
from farthing.state.cards import CARD, drawn
from farthing.state.fleet import Bools, Fleet
from farthing.state.snapshot import Snapshot, UnderWay, Waiting
from farthing.state.usage import consumption

_Floats = np.ndarray[Any, np.dtype[np.float64]]

_GPU_SECOND: Final = 1000.0
"""A whole device for a second, in the unit of GPU time."""


@dataclass(slots=True)
class _Account:
    """One allowance in one plan. `promised` is what the work under way, and what this plan started, will still cost."""

    allowance: Allowance
    promised: float = 0.0

    @property
    def free(self) -> float:
        return self.allowance.left - self.promised


class Purse:
    """All allowances in one plan; `pay` changes it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._at = snapshot.at
        self._fleet = snapshot.fleet
        self._budgets = snapshot.budgets or Budgets((), snapshot.at)
        current = (allowance.as_of(snapshot.at) for allowance in self._budgets.allowances)
        self._accounts = [_Account(allowance) for allowance in current if allowance.holds]
        self._under_way = snapshot.under_way if self._accounts else ()
        for work in self._under_way:
            self._promise(work)

    def objection(self, waiting: Waiting, needs: tuple[Need, ...]) -> Reason | None:
        """Why a pod that has not been let go may not start; None where it may, somewhere."""
        for account in self._of(waiting.team):
            if account.allowance.left <= 0:
                return Reason(Why.BUDGET_SPENT, _spent(account.allowance))
        for account, seconds in self._forecast(waiting):
            cost = self._least(account.allowance, needs) * seconds
            if cost > account.free:
                return Reason(Why.BUDGET_SHORT, _short(account, cost, seconds, "at least "))
        return None

    def objection_to_all(self, mates: Sequence[Waiting]) -> Reason | None:
        """Why pods that start together may not: all of them cost more than is left. None where they may, somewhere."""
        for account in self._accounts:
            foretold = [(mate, seconds) for mate in mates for one, seconds in self._forecast(mate) if one is account]
            least = (self._least(account.allowance, needs_lacking(mate)) * seconds for mate, seconds in foretold)
            if foretold and (cost := sum(least)) > account.free:
                whole = f"{len(mates)} pods of its gang"
                return Reason(Why.BUDGET_SHORT, _short(account, cost, foretold[0][1], "at least ", whole))
        return None

    def affordable(self, waiting: Waiting, needs: tuple[Need, ...]) -> Bools | None:
        """The nodes on which every device that would do is within all budgets; None where all are."""
        nodes = None
        for account, seconds in self._forecast(waiting):
            good = self._most(account.allowance, needs) * seconds <= account.free
            if not good.all():
                nodes = good if nodes is None else nodes & good
        return nodes

    def too_dear(self, waiting: Waiting, needs: tuple[Need, ...], found: Placement) -> Reason:
        """Why a pod is held where the only devices that are free are too dear for it."""
        dearest = []
        for account, seconds in self._forecast(waiting):
            cost = self._cost(account.allowance, needs, found) * seconds
            dearest.append((cost - account.free, _short(account, cost, seconds, "")))
        node = self._fleet.nodes[found.node].name
        return Reason(Why.BUDGET_SHORT, f"only dearer devices are free, as on node {node}: {max(dearest)[1]}")

    def pay(self, waiting: Waiting, needs: tuple[Need, ...], found: Placement) -> None:
        """Promise what a placement will cost."""
        for account, seconds in self._forecast(waiting):
            account.promised += self._cost(account.allowance, needs, found) * seconds

    def stops(self) -> Iterator[Stop]:
        """Who has to end, since a budget is spent and says so."""
        spent = [a for a in self._accounts if a.allowance.on_exhausted == "Stop" and a.allowance.left <= 0]
        for work in self._under_way if spent else ():
            of_team = [account for account in self._of(work.team) if account in spent]
            if of_team and work.pod.node and not work.pod.deleting:
                yield Stop(work.pod, Reason(Why.BUDGET_SPENT, _spent(of_team[0].allowance)))

    # Whose and how long -------------------------------------------------------------------------------------------

    def _of(self, team: str) -> Iterator[_Account]:
        """The accounts that a team's work counts for."""
        if self._accounts:
            line = set(self._budgets.line(team))
            yield from (account for account in self._accounts if account.allowance.team in line)

    def _forecast(self, waiting: Waiting) -> Iterator[tuple[_Account, float]]:
        """The accounts that look ahead, with the seconds of the pod's hint that fall into their periods."""
        hint = waiting.pod.duration
        if hint is not None and waiting.team:
            for account in self._of(waiting.team):
                if account.allowance.forecast:
                    yield account, min(float(hint), account.allowance.resets - self._at)

    def _promise(self, work: UnderWay) -> None:
        hint = work.pod.duration or 0
        begun = self._at if work.pod.started is None else work.pod.started
        for account in self._of(work.team):
            allowance = account.allowance
            if allowance.forecast:
                end = min(begun + hint, float(allowance.resets))
                left = end - max(begun, self._budgets.counted)
                if left > 0:
                    account.promised += left * sum(self._held(allowance, held) for held in work.allocations)

    # What it costs a second ---------------------------------------------------------------------------------------

    def _held(self, allowance: Allowance, held: Allocation) -> float:
        """What a claim costs a second."""
        factor = self._factor(allowance, held.isolation)
        return factor * sum(self._of_result(allowance, result) for result in held.results)

    def _of_result(self, allowance: Allowance, result: Result) -> float:
        i = self._fleet.device_index.get(result.device)
        if i is None:
            return 0.0
        return float(self._rates(allowance)[i]) * _part(self._fleet, i, result)

    def _cost(self, allowance: Allowance, needs: tuple[Need, ...], found: Placement) -> float:
        """What a placement costs a second."""
        return sum(
            float(self._column(allowance, need)[list(devices)].sum())
            for need, devices in zip(needs, found.devices, strict=True)
        )

    def _least(self, allowance: Allowance, needs: tuple[Need, ...]) -> float:
        """What needs cost a second on the cheapest devices that would do."""
        return sum(
            need.count * float(costs.min())
            for need in needs
            if len(costs := self._column(allowance, need)[self._sieve(need).healthy])
        )

    def _most(self, allowance: Allowance, needs: tuple[Need, ...]) -> _Floats:
        """For each node, what needs cost a second on its dearest devices that would do."""
        total = np.zeros(len(self._fleet.nodes))
        for need in needs:
            worst, good = np.zeros_like(total), self._sieve(need).healthy
            np.maximum.at(worst, self._fleet.node_of[good], self._column(allowance, need)[good])
            total += need.count * worst
        return total

    def _column(self, allowance: Allowance, need: Need) -> _Floats:
        """What one device for a need costs a second, by device. Remembered until prices change."""
        key = ("cost", bool(allowance.currency), need)
        memo = self._prices()
        if key not in memo:
            parts = _parts(self._fleet, self._sieve(need))
            memo[key] = self._rates(allowance) * parts * self._factor(allowance, need.isolation)
        found: _Floats = memo[key]
        return found

    def _rates(self, allowance: Allowance) -> _Floats:
        """What a whole device costs a second, by device; on a node that is new as much as its model at the most."""
        memo, fleet = self._prices(), self._fleet
        if not allowance.currency:
            return np.full(len(fleet.devices), _GPU_SECOND)
        if "rates" not in memo:
            prices, dearest = self._budgets.prices, _dearest(self._budgets)
            names = ((fleet.nodes[node].name, fleet.models[model]) for node, model in _places(fleet))
            memo["rates"] = np.array([prices.get(name, dearest.get(name[1], 0)) / 3600 for name in names])
        found: _Floats = memo["rates"]
        return found

    def _prices(self) -> dict[Any, Any]:
        """What is remembered with the fleet for as long as the prices are these."""
        memo = self._fleet.memo
        if memo.get("prices", (None,))[0] is not self._budgets.prices:
            memo["prices"] = (self._budgets.prices, {})
        found: dict[Any, Any] = memo["prices"][1]
        return found

    def _factor(self, allowance: Allowance, isolation: str) -> float:
        return self._budgets.factors.get(isolation, MICRO) / MICRO if allowance.currency else 1.0

    def _sieve(self, need: Need) -> Eligible:
        return eligible(self._fleet, need)


def _dearest(budgets: Budgets) -> dict[str, int]:
    """The highest price of each model."""
    found: dict[str, int] = {}
    for (_, model), price in budgets.prices.items():
        found[model] = max(price, found.get(model, 0))
    return found


def _places(fleet: Fleet) -> Iterable[tuple[int, int]]:
    return zip(fleet.node_of.tolist(), fleet.model_of.tolist(), strict=True)


def _parts(fleet: Fleet, sieve: Eligible) -> _Floats:
    """The part of each device that it would give: the larger of those of compute and memory; all of what goes whole."""
    parts = np.maximum(_ratio(sieve.compute, fleet.compute), _ratio(sieve.memory, fleet.memory))
    parts[~fleet.multi | ((fleet.compute == 0) & (fleet.memory == 0))] = 1.0
    for i in fleet.consumes:
        parts[i] = drawn(fleet, i) / CARD
    return parts


def _ratio(part: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> _Floats:
    return np.asarray(np.where(whole > 0, np.minimum(part, whole) / np.maximum(whole, 1), 0.0))


def _part(fleet: Fleet, i: int, result: Result) -> float:
    """The part of device i that a result holds."""
    if i in fleet.consumes:
        return drawn(fleet, i) / CARD
    has = int(fleet.compute[i]), int(fleet.memory[i])
    parts = [took / whole for took, whole in zip(consumption(fleet, i, result), has, strict=True) if whole]
    return max(parts, default=1.0)


# Sentences --------------------------------------------------------------------------------------------------------


def _spent(allowance: Allowance) -> str:
    spent, limit = allowance.amount(allowance.spent), allowance.amount(allowance.limit)
    return f"{_name(allowance)} is spent, {spent} of {limit}; it resets on {allowance.until()}"


def _short(account: _Account, cost: float, seconds: float, least: str, who: str = "it") -> str:
    allowance = account.allowance
    promised = (
        f", {allowance.amount(int(account.promised))} of it promised to work under way" if account.promised else ""
    )
    return (
        f"{_name(allowance)}: {who} would cost {least}{allowance.amount(int(cost))} for as much of its hint as falls "
        f"into the period, {_hours(seconds)}, and {allowance.amount(allowance.left)} of "
        f"{allowance.amount(allowance.limit)} are left{promised}; it resets on {allowance.until()}"
    )


def _name(allowance: Allowance) -> str:
    return f"budget {allowance.name} of team {allowance.team}"


def _hours(seconds: float) -> str:
    number, unit = (seconds / 3600, "h") if seconds >= 360 else (seconds / 60, "min")
    return f"{number:.2f}".rstrip("0").rstrip(".") + f" {unit}"
