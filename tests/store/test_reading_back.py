"""What is known of a time is the same from whichever end of the history it is read."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.ledger.interval import DAY, Batch
from farthing.store.meters import _ending, _within
from farthing.store.schema import intervals
from tests.ledgers import interval, supply

START = 100 * DAY
DEVICES = ("d/n0/gpu-0", "d/n0/gpu-1")


def filled(ledger):
    """Shares of all lengths, some still held, beside another cluster's."""
    if not ledger.heard("c")[0]:
        starts = [START + i * 700 for i in range(60)]
        ends = [None if i % 7 == 0 else at + (i * i) % 9000 for i, at in enumerate(starts)]
        shares = [interval(f"s{i}", DEVICES[i % 2], start=starts[i], end=ends[i]) for i in range(60)]
        devices = tuple(supply(device, start=START) for device in DEVICES)
        ledger.ingest(Batch("c", START, 1, START + 60 * 700, tuple(shares), devices))
        other = interval("x", cluster="other", start=START)
        ledger.ingest(Batch("other", START, 1, START + 60 * 700, (other,)))
    return ledger


@given(at=st.integers(-1, 61 * 700), length=st.integers(1, 9000), devices=st.sampled_from([None, DEVICES, DEVICES[:1]]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_by_their_starts_and_by_their_ends_the_same_intervals_are_found(ledger, at, length, devices):
    start = START + at
    queries = _within(intervals, "c", devices, start, start + length), _ending("c", devices, start, start + length)
    with filled(ledger).database.reading() as connection:
        by_start, by_end = (sorted(map(repr, connection.execute(query))) for query in queries)
    assert by_start == by_end
