"""A price book says one price for every device and minute, or is refused with the field that is wrong."""

import pytest
import yaml

from farthing.ledger.interval import DAY
from farthing.ledger.price import UnpricedError
from farthing.ledger.rate import rate
from farthing.ledger.read_prices import parse_instant, parse_price_book
from farthing.model.errors import InvalidError
from tests.ledgers import book, prices, supply

MONDAY = 4 * DAY
"""1970-01-05."""


def rates(found, start, end, **of_supply):
    return [(a, b, rate) for a, b, rate, _ in prices(found).rates(supply(**of_supply), start, end)]


def test_the_narrowest_line_speaks():
    lines = [
        {"perHour": "1"},
        {"perHour": "2", "model": "H100"},
        {"perHour": "3", "cluster": "edge"},
        {"perHour": "4", "model": "h100", "cluster": "edge"},
        {"perHour": "5", "commitment": "three-years"},
    ]
    found = book(lines=lines)
    devices = [
        {"model": "l4"},
        {"model": "h100"},
        {"cluster": "edge", "model": "l4"},
        {"cluster": "edge", "model": "h100"},
        {"cluster": "edge", "model": "h100", "commitment": "three-years"},
    ]
    assert [rates(found, 0, 10, **device)[0][2] // 1_000_000 for device in devices] == [1, 2, 3, 4, 5]


def test_a_window_over_midnight_holds_on_both_sides_of_it_and_over_the_weeks_end():
    lines = [{"perHour": "2"}, {"perHour": "1", "window": {"from": "22:00", "to": "06:00", "weekdays": ["sun"]}}]
    sunday = MONDAY - DAY
    assert rates(book(lines=lines), sunday, MONDAY + DAY) == [
        (sunday, sunday + 22 * 3600, 2_000_000),
        (sunday + 22 * 3600, MONDAY, 1_000_000),
        (MONDAY, MONDAY + 6 * 3600, 1_000_000),
        (MONDAY + 6 * 3600, MONDAY + DAY, 2_000_000),
    ]


def test_windows_cut_the_cost_and_not_the_sum():
    lines = [{"perHour": "2"}, {"perHour": "1", "window": {"from": "12:00", "to": "13:00"}}]
    found = rate(0, DAY, [supply()], [], prices(book(lines=lines)))
    assert found.cost == 23 * 2_000_000 + 1_000_000


def test_a_later_version_takes_over_where_it_begins_and_the_highest_counts():
    old, new, fix = book("1"), book("2", version=2, since="1970-01-02"), book("3", version=3, since="1970-01-02")
    found = [(a, b, rate) for a, b, rate, _ in prices(old, new, fix).rates(supply(), 0, 2 * DAY)]
    assert found == [(0, DAY, 1_000_000), (DAY, 2 * DAY, 3_000_000)]


def test_spot_devices_cost_less():
    assert rates(book("2", spotDiscount="0.6"), 0, 10, spot=True) == [(0, 10, 800_000)]


@pytest.mark.parametrize("found", [book(lines=[{"perHour": "1", "model": "l4"}]), book(since="1971-01-01")])
def test_a_device_without_a_price_is_an_error_and_never_free(found):
    with pytest.raises(UnpricedError):
        rates(found, 0, 10)


def test_a_price_only_for_some_hours_is_none():
    found = book(lines=[{"perHour": "1", "window": {"from": "08:00", "to": "10:00"}}])
    with pytest.raises(UnpricedError, match="at all hours"):
        rates(found, 0, 10)


GOOD = """
version: 3
since: 2026-01-01
currency: GBP
spotDiscount: "0.6"
isolation: {shared: "0.9"}
lines:
- perHour: "2.50"
- {perHour: "1.25", model: H100, window: {from: "22:00", to: "06:00", weekdays: [sat, sun]}}
"""

WRONG = [
    ("[]", "price book", "mapping"),
    (GOOD.replace("GBP", "GBX"), "currency", "GBX"),
    (GOOD.replace("version: 3", "version: 0"), "version", "whole number"),
    (GOOD.replace("version: 3", "version: true"), "version", "whole number"),
    (GOOD.replace("2026-01-01", "tomorrow"), "since", "no instant"),
    (GOOD.replace("since: 2026-01-01", ""), "since", "missing"),
    (GOOD.replace('"2.50"', '"-2.50"'), "lines[0].perHour", "negative"),
    (GOOD.replace('"2.50"', '"NaN"'), "lines[0].perHour", "finite"),
    (GOOD.replace('"2.50"', "2.5"), "lines[0].perHour", "as text"),
    (GOOD.replace('"2.50"', '"1e18"'), "lines[0].perHour", "limit"),
    (GOOD.replace('"2.50"', '"0.0000001"'), "lines[0].perHour", "six decimals"),
    (GOOD.replace('"2.50"', "'" + "9" * 1000 + "'"), "lines[0].perHour", "1,000 characters"),
    (GOOD.replace('- perHour: "2.50"', "- model: H100"), "lines[0].perHour", "missing"),
    (GOOD.replace('"22:00"', "22:00"), "lines[1].window.from", "expected text"),
    (GOOD.replace('"22:00"', '"25:00"'), "lines[1].window.from", "no time of day"),
    (GOOD.replace('"22:00"', '"06:00"'), "lines[1].window.to", "empty"),
    (GOOD.replace("[sat, sun]", "[sat, moon]"), "lines[1].window.weekdays", "mon"),
    (GOOD.replace("spotDiscount", "spotdiscount"), "spotdiscount", "unknown"),
    (GOOD.replace('"0.6"', '"1.1"'), "spotDiscount", "more than all"),
    (GOOD.replace("shared:", "shred:"), "isolation.shred", "unknown"),
    (GOOD + '- {perHour: "3"}', "lines[2]", "lines[0]"),
    (
        GOOD + '- {perHour: "3", model: h100, window: {from: "05:00", to: "07:00", weekdays: [mon]}}',
        "lines[2]",
        "lines[1]",
    ),
]


def test_a_good_book_is_read():
    found = parse_price_book(yaml.safe_load(GOOD))
    assert (found.version, found.since, found.spot) == (3, parse_instant("", "2026-01-01T00:00Z"), 400_000)


@pytest.mark.parametrize(("text", "where", "said"), WRONG)
def test_a_wrong_book_is_refused_with_the_fields_path(text, where, said):
    with pytest.raises(InvalidError) as refused:
        parse_price_book(yaml.safe_load(text))
    assert refused.value.where == where
    assert said in refused.value.message
