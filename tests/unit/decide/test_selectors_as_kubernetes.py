"""A table of selectors and devices is answered as Kubernetes' own code answers it."""

import shutil
from itertools import groupby
from operator import itemgetter

import pytest

from farthing.decide.selectors import Selector
from farthing.model.cluster import Capacity, Device, Version
from farthing.model.errors import InvalidError
from farthing.model.quantity import floor_units
from tests.oracle.cel.ask import ask, expected, table

ASKED = table()
ANSWERS = [(expression, list(cases)) for expression, cases in groupby(expected(), key=itemgetter(1))]


def device(raw):
    attributes = [
        (name, Version(value) if kind == "version" else value)
        for name, typed in raw.get("attributes", {}).items()
        for kind, value in typed.items()
    ]
    capacity = [(name, Capacity(floor_units(typed["value"]))) for name, typed in raw.get("capacity", {}).items()]
    return Device(raw["name"], raw.get("allowMultipleAllocations", False), tuple(attributes), tuple(capacity))


DEVICES = {name: device(raw) for name, raw in ASKED["devices"].items()}


def outcome(expression, name):
    try:
        answer = Selector(expression).matches(ASKED["driver"], DEVICES[name])
    except InvalidError:
        return "invalid"
    return "error" if isinstance(answer, str) else str(answer).lower()


@pytest.mark.parametrize(("expression", "cases"), ANSWERS, ids=[expression[:60] for expression, _ in ANSWERS])
def test_a_selector_is_answered_as_kubernetes_does(expression, cases):
    assert {name: outcome(expression, name) for name, *_ in cases} == {name: said for name, _, said, _ in cases}


def test_the_answers_are_those_of_the_table():
    assert [(name, expression) for name, expression, *_ in expected()] == ASKED["cases"]


def test_every_outcome_is_in_the_table():
    assert {said for _, _, said, _ in expected()} == {"true", "false", "error", "invalid"}


@pytest.mark.skipif(shutil.which("go") is None, reason="no go on PATH to ask Kubernetes' own code again")
def test_kubernetes_still_answers_so():
    """Only outcomes: its words name whichever attribute came first, and the order of Go's maps is chance."""
    assert [said for said, _ in ask(ASKED)] == [said for _, _, said, _ in expected()]
