"""The cases that others bill wrongly, with the right answers worked out by hand in docs/explanation/ledger.md."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.ledgers import GIB, HOUR_COST, charges, interval, rated, supply

HALF, QUARTER = HOUR_COST // 2, HOUR_COST // 4


def test_four_time_sliced_quarters_come_to_one_device():
    shares = [interval(f"c{i}", team="ab"[i == 3], compute=250, memory=20 * GIB) for i in range(4)]
    assert charges(rated(*shares)) == {"c0": QUARTER, "c1": QUARTER, "c2": QUARTER, "c3": QUARTER, "idle": 0}


def test_a_mig_slice_pays_for_its_slice_and_the_rest_of_the_card_is_idle():
    """An H100's 1g.10gb takes 16 of 132 multiprocessors and an eighth of the memory: the memory decides."""
    card = supply(compute=132, memory=80 * GIB)
    slice_ = interval("mig", compute=16, memory=10 * GIB, isolation="partition")
    assert charges(rated(slice_, on=card)) == {"mig": 450_000, "idle": 3_150_000}


def test_a_whole_device_pays_the_whole_price():
    assert charges(rated(interval("whole", compute=1000, memory=80 * GIB))) == {"whole": HOUR_COST, "idle": 0}


def test_a_share_of_memory_alone_pays_by_memory():
    card = supply(compute=0, memory=80 * GIB)
    assert charges(rated(interval("memory", compute=0, memory=10 * GIB), on=card)) == {
        "memory": 450_000,
        "idle": 3_150_000,
    }


def test_two_teams_on_one_device_pay_each_for_its_own_and_nobody_for_the_rest():
    shares = [
        interval("a", team="vision", compute=500, memory=40 * GIB),
        interval("b", team="speech", compute=250, memory=20 * GIB),
    ]
    assert charges(rated(*shares)) == {"a": HALF, "b": QUARTER, "idle": QUARTER}


def test_three_thirds_leave_what_rounding_left():
    shares = [interval(f"c{i}", compute=333, memory=20 * GIB) for i in range(3)]
    assert charges(rated(*shares)) == {"c0": 1_198_800, "c1": 1_198_800, "c2": 1_198_800, "idle": 3_600}


def test_shares_that_want_more_than_the_device_between_them_pay_it_in_proportion():
    shares = [interval("a", compute=750, memory=8 * GIB), interval("b", compute=100, memory=60 * GIB)]
    assert charges(rated(*shares)) == {"a": HALF, "b": HALF, "idle": 0}


def test_reserved_and_stranded_take_of_what_shares_leave():
    shares = [
        interval("a", compute=500, memory=40 * GIB),
        interval("r", use="reserved", compute=300, memory=0),
        interval("s", use="stranded", team="", compute=900, memory=0),
    ]
    assert charges(rated(*shares)) == {"a": HALF, "r": 1_080_000, "s": 720_000, "idle": 0}


def test_a_share_that_ends_pays_until_then():
    assert charges(rated(interval("a", start=900, end=1800, compute=1000, memory=0))) == {
        "a": QUARTER,
        "idle": HOUR_COST - QUARTER,
    }


def test_a_share_of_a_device_that_is_not_there_costs_nobody_anything():
    gone = supply(end=1800)
    assert charges(rated(interval("a", compute=1000, memory=0), on=gone)) == {"a": HALF, "idle": 0}
    assert rated(interval("a"), on=supply(start=7200)) is None


def test_gpu_time_adds_up_as_money_does():
    found = rated(*(interval(f"c{i}", compute=333, memory=20 * GIB) for i in range(3)))
    assert sum(charge.milli_gpu_seconds for charge in found.charges) == 1000 * 3600
    assert sum(charge.mib_seconds for charge in found.charges) == 80 * 1024 * 3600


@pytest.mark.parametrize(
    ("isolation", "adjustment"), [("shared", -90_000), ("hard", 0), ("partition", 45_000), ("", 0)]
)
def test_a_factor_for_isolation_is_an_adjustment_beside_the_cost(isolation, adjustment):
    found = rated(
        interval("a", compute=250, memory=0, isolation=isolation), factors={"shared": "0.9", "partition": "1.05"}
    )
    assert [(c.amount, c.adjustment) for c in found.charges if c.kind == "share"] == [(QUARTER, adjustment)]
    assert sum(charge.amount for charge in found.charges) == found.cost == HOUR_COST


def sliver(**more):
    return interval("s", use="stranded", team="", compute=190, memory=152 * GIB // 10, **more)


def test_a_sliver_that_is_too_small_for_anybody_is_stranded():
    share = interval("a", compute=810, memory=648 * GIB // 10)
    assert charges(rated(share, sliver())) == {"a": 2_916_000, "s": 684_000, "idle": 0}


def test_a_sliver_that_outlives_its_share_is_no_larger_for_that():
    """The share is gone after half an hour, and the next look is a quarter of an hour late: the rest is idle at once."""
    share = interval("a", compute=810, memory=648 * GIB // 10, end=1800)
    assert charges(rated(share, sliver(end=2700))) == {
        "a": 1_458_000,
        "s": 342_000 + 171_000,
        "idle": 729_000 + 900_000,
    }


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 80)), max_size=5))
def test_what_is_idle_could_always_be_had_in_one_piece(shares):
    """Compute that is left where memory is gone is paid by the dominant share: it is never idle."""
    compute, memory = (sum(column) for column in zip((0, 0), *shares, strict=True))
    assume(compute <= 1000 and memory <= 80)
    found = charges(rated(*(interval(f"c{i}", compute=c, memory=m * GIB) for i, (c, m) in enumerate(shares))))
    assert found["idle"] <= min(HOUR_COST * (1000 - compute) / 1000, HOUR_COST * (80 - memory) / 80) + 1
