"""A closed month's raw records as Parquet hold what the ledger holds."""

from collections import Counter

import pyarrow.parquet as pq
import pytest

from farthing.model.errors import ConflictError
from farthing.store.archive import archive
from tests.store.focus_month import a_month
from tests.store.sums import by_kind


def test_a_closed_month_is_archived_whole(ledger, tmp_path):
    a_month(ledger)
    ledger.close_period("2026-11", 0)
    counts = archive(ledger.database, "2026-11", tmp_path / "archive")
    read = {name: pq.read_table(tmp_path / "archive" / f"{name}-2026-11.parquet").to_pylist() for name in counts}
    assert {name: len(rows) for name, rows in read.items()} == counts
    assert (counts["intervals"], counts["supplies"], counts["entries"]) == (4, 2, 60)
    sums = Counter()
    for line in read["postings"]:
        sums[line["kind"]] += line["amount"] * (1 if not line["debit"].startswith("adjustment") else -1)
    assert dict(sums) == by_kind(ledger, period="2026-11")
    assert {row["owners"] for row in read["intervals"]} == {"Job/a", "Job/b", "Job/c", ""}
    assert not list((tmp_path / "archive").glob("*.part"))


def test_a_month_that_is_open_is_not_archived(ledger, tmp_path):
    a_month(ledger)
    with pytest.raises(ConflictError, match="close it first"):
        archive(ledger.database, "2026-11", tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
