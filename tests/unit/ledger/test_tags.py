"""Labels come out as FOCUS tags; too many, or too long ones, are refused with the field's path."""

import json

import pytest

from farthing.ledger.entry import entry_of
from farthing.ledger.focus import Invoice, rows
from farthing.ledger.interval import Batch, check_batch
from farthing.model.errors import InvalidError
from tests.ledgers import interval, rated

INVOICE = Invoice("1970-01", "GBP", "us")


def test_tags_are_the_pods_labels_and_our_own():
    tagged = interval(tags=(("app.kubernetes.io/name", "chat"), ("farthing.dev/team", "forged")))
    found = [json.loads(row["Tags"]) for row in rows(entry_of(rated(tagged)), INVOICE, "1.2")]
    assert found[0]["app.kubernetes.io/name"] == "chat"
    assert found[0]["farthing.dev/team"] == "vision"
    assert "app.kubernetes.io/name" not in found[1], "idle has no labels"


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
