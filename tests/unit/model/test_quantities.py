"""Kubernetes quantities are exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.model.cluster import Capacity
from farthing.model.errors import InvalidError
from farthing.model.quantity import LARGEST, floor_units, format_bytes, milli_units, parse_quantity, whole_units


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("80Gi", 80 << 30),
        ("1e3", 1000),
        ("250m", Decimal("0.25")),
        ("-1", -1),
        ("1.5Ki", 1536),
        (".5", Decimal("0.5")),
        ("1E", 10**18),
    ],
)
def test_quantities_mean_what_kubernetes_means(text, number):
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1Xi", "1 Gi", "1e", "1e999", "٣", "1KiB", "nan", "1" * 100])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(InvalidError, match="is not a quantity"):
        parse_quantity(text)


def test_requests_are_rounded_up_and_capacities_down():
    assert whole_units("100m") == 1
    assert floor_units("1900m") == 1
    assert milli_units("1500u") == 2


def test_what_no_machine_has_is_refused():
    with pytest.raises(InvalidError, match="beyond what any machine has"):
        whole_units(str(LARGEST + 1))


@given(st.integers(0, LARGEST))
def test_bytes_are_written_exactly(amount):
    assert whole_units(format_bytes(amount)) == amount


@pytest.mark.parametrize(
    ("capacity", "wanted", "taken"),
    [
        (Capacity(80), 10, 80),
        (Capacity(80), 81, None),
        (Capacity(80, portioned=True, default=80), None, 80),
        (Capacity(80, portioned=True, least=4, step=4), 9, 12),
        (Capacity(80, portioned=True, least=4, step=4), 1, 4),
        (Capacity(80, portioned=True, least=1, step=1, most=40), 41, None),
        (Capacity(80, portioned=True, valid=(10, 20, 40)), 11, 20),
        (Capacity(80, portioned=True, valid=(10, 20, 40)), 41, None),
    ],
)
def test_portions_follow_the_request_policy(capacity, wanted, taken):
    assert capacity.portion(wanted) == taken
