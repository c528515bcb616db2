"""Many devices rated at once come to what each comes to alone, to the last unit and in the same order."""

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.ledger import rate_many as rating
from farthing.ledger.interval import DAY
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import rate
from farthing.ledger.rate_many import Device, rate_many
from tests.ledgers import GIB, book, interval, supply

WINDOW = {"perHour": "1.250001", "window": {"from": "22:00", "to": "06:00"}}
BOOKS = (
    book(lines=[{"perHour": "3.600007"}, WINDOW], isolation={"shared": "0.9", "soft": "1.05"}),
    book("7.77", version=2, since="1970-01-02T13:37:01Z", isolation={"shared": "0.8"}),
)
MODELS = ("h100", "l4")

lengths = st.one_of(st.none(), st.integers(0, DAY), st.integers(0, 300))


@st.composite
def shares(draw, device):
    found = []
    for i in range(draw(st.integers(0, 6))):
        start = draw(st.integers(DAY - 5000, 2 * DAY + 10) | st.integers(DAY, DAY + 50))
        length = draw(lengths)
        found.append(
            interval(
                f"c{draw(st.integers(0, 9))}-{i}",
                device,
                start=start,
                end=None if length is None else start + length,
                compute=draw(st.sampled_from([1, 100, 250, 333, 1000])),
                memory=draw(st.sampled_from([0, 1, 3 * GIB, 20 * GIB, 80 * GIB])),
                isolation=draw(st.sampled_from(["", "shared", "soft", "hard"])),
                use=draw(st.sampled_from(["share"] * 20 + ["reserved", "stranded"])),
            )
        )
    return found


@st.composite
def devices(draw):
    found = []
    for i in range(draw(st.integers(8, 14))):
        name = f"d/n0/gpu-{i}"
        there = [
            supply(
                name,
                start=draw(st.sampled_from([0, 0, 0, 0, DAY + 4000])),
                end=draw(st.sampled_from([None, None, None, 3 * DAY, DAY + 9000])),
                model=draw(st.sampled_from(MODELS)),
                spot=draw(st.booleans()),
                compute=draw(st.sampled_from([1000, 1000, 0, 7])),
                memory=draw(st.sampled_from([80 * GIB, 80 * GIB, 0, 24 * GIB + 5])),
            )
        ]
        if draw(st.integers(0, 9)) == 0:
            there.append(supply(name, start=DAY + 40_000, memory=40 * GIB))
        found.append(Device(name, there, draw(shares(name))))
    return found


def alone(device, prices):
    try:
        return rate(DAY, 2 * DAY, device.supplies, device.intervals, prices)
    except UnpricedError as error:
        return str(error)


def together(found, prices):
    with mock.patch.object(rating, "_FEW", 1):  # in arrays, however few fit
        rated = rate_many(DAY, 2 * DAY, found, prices)
    return [str(one) if isinstance(one, UnpricedError) else one for one in rated]


@given(devices(), st.sampled_from([BOOKS, BOOKS[:1], BOOKS[1:], (book(lines=[{"perHour": "1", "model": "l4"}]),)]))
@settings(max_examples=60, deadline=None)
def test_many_devices_are_rated_as_each_is_alone(found, books):
    prices = Prices(books)
    assert together(found, prices) == [alone(device, prices) for device in found]


def test_numbers_too_large_for_64_bits_are_rated_all_the_same():
    prices = Prices((book("1000000"),))
    odd = [interval(f"x{i}", f"d/n0/gpu-{i}", memory=40 * GIB + 1 + i, compute=499) for i in range(12)]
    found = [Device(one.device, [supply(one.device, memory=80 * GIB + 7)], [one]) for one in odd]
    assert together(found, prices) == [alone(device, prices) for device in found]
