"""Money is shared out and accrued without losing a micro-unit."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from farthing.ledger.money import accrued, apportion, format_exact, format_money

WEIGHTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=20).filter(any)
INSTANTS = st.integers(0, 2 * 10**9)


@given(st.integers(0, 10**15), WEIGHTS)
def test_the_parts_are_the_whole_and_each_is_right_to_the_unit(total, weights):
    parts = apportion(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    assert all(abs(part * whole - total * weight) < whole for part, weight in zip(parts, weights, strict=True))


def test_the_largest_remainder_gets_what_is_left_and_the_first_of_equals():
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(100, [17, 58, 25]) == [17, 58, 25]
    assert apportion(1, [0, 1, 2]) == [0, 0, 1]


@given(st.integers(0, 10**12), st.lists(INSTANTS, min_size=2, max_size=10))
def test_time_may_be_cut_anywhere(rate, cuts):
    cuts.sort()
    pieces = [accrued(rate, a, b) for a, b in pairwise(cuts)]
    assert sum(pieces) == accrued(rate, cuts[0], cuts[-1])


def test_money_is_shown_rounded_to_people_and_exact_to_programs():
    assert (format_money(1_234_567_890), format_exact(-1_500_000)) == ("1,234.57", "-1.500000")
