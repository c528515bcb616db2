"""Every amount that the grammar lets in is one that can be counted with."""

import pytest

from farthing.model.ask import GPU, parse_ask
from farthing.model.errors import InvalidError
from farthing.model.quantity import LARGEST


@pytest.mark.parametrize("amount", ["9999Ti", "9999999Gi", "9999999Mi"])
def test_the_largest_amounts_of_memory_fit(amount):
    memory = parse_ask(amount).memory
    assert memory is not None
    assert memory <= LARGEST


@pytest.mark.parametrize("amount", ["10000Ti", "9999999Ti", "10000000Gi"])
def test_larger_ones_are_refused_by_the_annotation_s_name(amount):
    with pytest.raises(InvalidError, match="is not an amount of GPU") as refused:
        parse_ask(amount)
    assert refused.value.where == GPU
