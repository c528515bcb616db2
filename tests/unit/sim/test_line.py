"""Who is served in which order, however many wait."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.sim.line import Line
from farthing.sim.workload import Arrival, Kind

KINDS = [Kind(None, cpu, 0, 0, None) for cpu in range(4)]


def line(kinds):
    return [Arrival(str(i), KINDS[kind]) for i, kind in enumerate(kinds)]


def one_by_one(waiting, room):
    """The same, as simply as can be: everybody in turn, but nobody like one who has found no place."""
    served, failed = [], set()
    for arrival in waiting:
        if arrival.kind not in failed:
            if room[arrival.kind.cpu] > 0:
                room[arrival.kind.cpu] -= 1
                served.append(arrival)
            else:
                failed.add(arrival.kind)
    return served, [arrival for arrival in waiting if arrival not in served]


@given(
    st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 5), min_size=4, max_size=4), st.integers(0, 30)
)
def test_a_line_serves_whom_asking_everybody_in_turn_would(kinds, room, late):
    waiting = line(kinds)
    expected, rest = one_by_one(waiting, list(room))
    found = Line(waiting[:late])
    found.extend(waiting[late:])
    served = []

    def place(arrival):
        room[arrival.kind.cpu] -= 1
        if room[arrival.kind.cpu] >= 0:
            served.append(arrival)
        return room[arrival.kind.cpu] >= 0

    found.serve(place)
    assert served == expected
    assert (list(found), len(found)) == (rest, len(rest))
