"""Device selectors: CEL expressions over one device, as kube-scheduler evaluates them.

A name without a domain is in the driver's own; a domain that a device does not have is an empty map. As in
kube-scheduler, an expression that fails on one device fails the request, with a sentence.

What an evaluation asked of a device is remembered with its outcome, as a tree of questions: a device that answers alike
is not evaluated again. So 16,000 devices of two models are two evaluations of an expression that looks at the model,
and one that computes which attribute to read is as safe as one that names it.

Source: k8s.io/dynamic-resource-allocation/cel.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from farthing.decide.cel.check import check, shown
from farthing.decide.cel.evaluate import MOST_COST, Evaluation
from farthing.decide.cel.sight import Answer, Look, Question, Sight
from farthing.model.cluster import Device, DeviceId
from farthing.state.fleet import Bools

FAIR_COST: Final = 1_000
"""What an expression may cost per different device, beside MOST_COST once: 16,000 devices must not hold the loop."""

MOST_REMEMBERED: Final = 100_000
"""Outcomes that are kept; then they are forgotten and found again."""


@dataclass(slots=True)
class _Asked:
    """A question, and where each answer leads: to the next question or to an outcome."""

    question: Question
    branches: "dict[Answer, _Asked | bool | str]" = field(default_factory=dict)


class Selector:
    """One compiled expression. Devices that look the same to it are evaluated once."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._root = check(expression)
        self._cost = 0
        self._forget()

    def select(self, ids: tuple[DeviceId, ...], devices: tuple[Device, ...]) -> tuple[Bools, str]:
        """For each device whether it matches; and a sentence where that cannot be told of one of them."""
        outcome = np.zeros(len(devices), dtype=bool)
        for i, (name, device) in enumerate(zip(ids, devices, strict=True)):
            answer = self.matches(name.driver, device)
            if isinstance(answer, str):
                return outcome, f"the selector {shown(self._expression)} fails on device {name}: {answer}"
            outcome[i] = answer
        return outcome, ""

    def matches(self, driver: str, device: Device) -> bool | str:
        """Whether one device matches; a sentence where that cannot be told."""
        sight = Sight(driver, device)
        known = self._known.get(())
        while isinstance(known, _Asked):
            known = known.branches.get(sight.answer(known.question))
        return self._evaluate(sight) if known is None else known

    def _evaluate(self, sight: Sight) -> bool | str:
        """Outcomes are remembered, what fails for its cost as well: the next device would not be cheaper."""
        if self._cost > MOST_COST + FAIR_COST * self._outcomes:
            return f"its evaluation costs more than {FAIR_COST} steps for each of many devices"
        look = Look(sight)
        evaluation = Evaluation(look)
        outcome = evaluation.outcome(self._root)
        self._cost += evaluation.cost
        self._remember(look, outcome)
        return outcome

    def _remember(self, look: Look, outcome: bool | str) -> None:
        if self._outcomes >= MOST_REMEMBERED:
            self._forget()
        self._outcomes += 1
        at = self._known
        answer: Answer = ()
        for question, found in look.asked.items():
            following = at.get(answer)
            if not isinstance(following, _Asked):
                following = at[answer] = _Asked(question)
            at, answer = following.branches, found
        at[answer] = outcome

    def _forget(self) -> None:
        self._outcomes = 0
        self._cost = 0
        self._known: dict[Answer, _Asked | bool | str] = {}


@lru_cache(maxsize=1024)
def compile_selector(expression: str) -> Selector:
    """A selector; InvalidError with a sentence where the expression is none."""
    return Selector(expression)
