"""Tags that are too many or too long are refused with the field's path."""

import pytest

from farthing.ledger.interval import Batch, check_batch
from farthing.model.errors import InvalidError
from tests.ledgers import interval


@pytest.mark.parametrize(
    ("tags", "path"),
    [
        (tuple((f"t{i}", "") for i in range(1_000_000)), "intervals[0].tags"),
        ((("", "x"),), "intervals[0].tags[0].name"),
        ((("a" * 507, "x"),), "intervals[0].tags[0].name"),
        ((("a", "x"), ("b", "x" * 254)), "intervals[0].tags[1].value"),
        ((("a", "x\n"),), "intervals[0].tags[0].value"),
        ((("a", "x"), ("a", "y")), "intervals[0].tags[1]"),
    ],
)
def test_tags_that_no_meter_makes_are_refused(tags, path):
    with pytest.raises(InvalidError) as caught:
        check_batch(Batch("c", 1, 1, 10, (interval(tags=tags),)))
    assert caught.value.where == path
