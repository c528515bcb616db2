"""Whom a fill takes."""

from farthing.files.pods import TracePod
from farthing.sim.workload import arrivals, fill

PODS = arrivals([TracePod(f"p{i}", 1000, 1024, 1, (i % 9 + 1) * 100) for i in range(2000)])


def milli(found):
    return sum(arrival.kind.milli for arrival in found)


def test_a_fill_wants_as_much_as_was_said_and_no_more_whether_there_are_too_many_pods_or_too_few():
    for wanted in (500, 7_000, 400_000, 999_000, 1_000_000, 5_000_000):
        found = fill(PODS, 42, wanted)
        assert wanted - 1000 <= milli(found) <= wanted


def test_a_seed_is_one_order_and_another_seed_another():
    assert fill(PODS, 1, 50_000) == fill(PODS[::-1], 1, 50_000)
    assert fill(PODS, 1, 50_000) != fill(PODS, 2, 50_000)
