"""No selector holds the loop, whatever it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.decide.cel.check import LONGEST, check
from farthing.decide.cel.evaluate import MOST_COST, Evaluation
from farthing.decide.cel.sight import Look, Sight
from farthing.decide.selectors import FAIR_COST, Selector
from farthing.model.cluster import Capacity, Device, Version
from farthing.model.errors import InvalidError
from tests.oracle.cel.ask import table

DRIVER = "gpu.farthing.dev"
GPU = Device(
    "gpu-0",
    multi=True,
    attributes=(("cores", 64), ("driverVersion", Version("550.1.2")), ("model", "H100"), ("uuid", "GPU-0")),
    capacity=(("memory", Capacity(80 << 30)),),
)
LONG = "[" + ",".join(["1"] * 1000) + "]"


def doubling(times, first, following):
    """Each name is bound to twice the one before it."""
    bound = "".join(f"cel.bind(a{i + 1}, {following.replace('@', f'a{i}')}, " for i in range(times))
    return f"cel.bind(a0, {first}, {bound}a{times} == a{times}{')' * (times + 1)}"


TOO_MUCH = {
    "nested loops": f"{LONG}.all(a, {LONG}.all(b, {LONG}.all(c, a == b)))",
    "a long range": "lists.range(9000000).size() > 0",
    "a loop over a long range": "lists.range(900000).map(x, x).size() > 0",
    "a text that doubles": doubling(25, "'xxxxxxxxxxxxxxxxxxxx'", "@ + @"),
    "a list that doubles": doubling(25, "[1]", "[@, @]"),
    "a text that is replaced by longer ones": f"'{'a' * 3000}'.replace('a', '{'b' * 4000}').size() > 0",
    "a long join": f"lists.range(9999).map(x, 'a').join('{'b' * 2000}').size() > 0",
    "a copy in a loop": "lists.range(3000).all(x, lists.range(3000).slice(0, 2900).size() > 0)",
    "a search in a loop": "lists.range(3000).all(x, !(-1 in lists.range(3000)))",
    "every element with every other": "lists.range(3000).distinct().size() > 0",
}

REFUSED = {
    "brackets": "(" * 5000 + "1" + ")" * 5000,
    "lists in lists": "[" * 5000 + "]" * 5000,
    "a long sum": "1" + "+1" * 5000 + " == 1",
    "a long path": "device.attributes" + ".a" * 3000,
    "what doubles while it is parsed": "optional.of(1)" + ".optMap(x, x)" * 30 + ".hasValue()",
    "a text that is too long": "'" + "a" * LONGEST + "' == ''",
    "a pattern that explodes": "'a'.matches('((((a{1000}){1000}){1000}){1000})')",
    "a number with very many places": "'%.1000000000f'.format([1.0]) == ''",
}


@pytest.mark.parametrize("expression", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_costs_too_much_stops_with_a_sentence(expression):
    evaluation = Evaluation(Look(Sight(DRIVER, GPU)))
    assert evaluation.outcome(check(expression)) == f"its evaluation costs more than {MOST_COST} steps"


@pytest.mark.parametrize("expression", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_bounded_is_refused_before_it_runs(expression):
    with pytest.raises(InvalidError, match="selector"):
        Selector(expression)


def test_a_pattern_that_backtracks_elsewhere_is_harmless():
    text = "a" * 5000
    assert Selector(f"'{text}'.matches('(a|aa)+$b')").matches(DRIVER, GPU) is False


def test_what_is_dear_on_every_device_stops_after_some_devices():
    selector = Selector(f'device.attributes["{DRIVER}"].uuid != "" && lists.range(50000).all(x, x >= 0)')
    answers = [selector.matches(DRIVER, replace(GPU, attributes=(("uuid", f"GPU-{i}"),))) for i in range(10)]
    assert answers[0] is True
    assert answers[-1] == f"its evaluation costs more than {FAIR_COST} steps for each of many devices"


def answered(expression):
    """A truth or a sentence, unless the expression is refused; the same again when asked again."""
    try:
        selector = Selector(expression)
    except InvalidError:
        return
    answer = selector.matches(DRIVER, GPU)
    assert isinstance(answer, bool | str)
    assert selector.matches(DRIVER, GPU) == answer


@given(st.text(max_size=200))
def test_arbitrary_text_is_answered_or_refused(text):
    answered(text)


EXPRESSIONS = sorted({expression for _, expression in table()["cases"] if "range" not in expression})


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(EXPRESSIONS), st.data())
def test_expressions_cut_and_joined_at_random_are_answered_or_refused(one, other, data):
    start = data.draw(st.integers(0, len(one)))
    end = data.draw(st.integers(start, len(one)))
    first = data.draw(st.integers(0, len(other)))
    last = data.draw(st.integers(first, len(other)))
    answered(one[:start] + other[first:last] + one[end:])
