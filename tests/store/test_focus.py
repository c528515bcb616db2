"""A month in FOCUS: every charge is a row, all rows are what the devices cost, and splits come to one."""

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from farthing.ledger.entry import IdleRule
from farthing.ledger.focus import COLUMNS_1_2, COLUMNS_1_3, METHOD, VERSIONS
from farthing.model.errors import InvalidError, NotFoundError
from farthing.store.export import AT_ONCE, export_focus, focus_parquet
from tests.ledgers import HOUR_COST, book
from tests.store.focus_month import FIRST, a_month, corrected
from tests.store.sums import by_kind


def exported(ledger, period="2026-11", version="1.2", issuer="GPU platform"):
    out = io.StringIO()
    count = export_focus(ledger.database, period, issuer, version, out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == count
    return rows


def cost(rows):
    return sum(Decimal(row["BilledCost"]) for row in rows)


def test_all_rows_together_are_what_was_charged(ledger):
    a_month(ledger)
    found = exported(ledger)
    kinds = defaultdict(Decimal)
    for row in found:
        kinds[row["x_Kind"]] += Decimal(row["BilledCost"])
    assert {kind: int(amount * 10**6) for kind, amount in kinds.items()} == by_kind(ledger, period="2026-11")
    adjustments = sum(Decimal(row["BilledCost"]) for row in found if row["x_Kind"] == "adjustment")
    assert cost(found) - adjustments == Decimal(2 * 30 * 24 * HOUR_COST) / 10**6


def test_idle_and_stranded_are_rows_that_nobody_owes(ledger):
    a_month(ledger)
    nobody = [row for row in exported(ledger) if row["x_Kind"] in ("idle", "stranded")]
    assert nobody
    assert {row["SubAccountId"] for row in nobody} == {""}


def test_what_was_reversed_within_the_month_is_not_there(ledger):
    a_month(ledger)
    before = len(exported(ledger))
    ledger.set_prices(book("7.20", version=2, since="2026-11-01", isolation={"hard": "1.5"}))
    ledger.settle()
    found = exported(ledger)
    assert (len(found), {row["ChargeClass"] for row in found}) == (before, {""})


def test_what_is_learned_about_a_closed_month_is_a_correction_in_the_next(ledger):
    a_month(ledger)
    ledger.close_period("2026-11", 0)
    before = exported(ledger)
    corrected(ledger)
    assert exported(ledger) == before
    found = [row for row in exported(ledger, "2026-12") if row["ChargeClass"] == "Correction"]
    assert {row["ChargePeriodStart"][:7] for row in found} == {"2026-11"}
    assert {row["BillingPeriodStart"] for row in found} == {"2026-12-01T00:00:00Z"}
    assert cost(row for row in found if row["x_Kind"] != "adjustment") == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_hours_times_the_price_of_one_are_the_cost(ledger, version):
    a_month(ledger)
    found = exported(ledger, version=version)
    used = [row for row in found if row["ChargeCategory"] == "Usage"]
    assert {row["ListUnitPrice"][:4] for row in used if row["x_Kind"] == "share"} == {"3.60"}
    for row in used:
        price, hours = Decimal(row["ListUnitPrice"]), Decimal(row["PricingQuantity"])
        assert abs(price * hours - Decimal(row["ListCost"])) < Decimal("1e-9")
        assert row["ContractedUnitPrice"] == row["ListUnitPrice"]
        assert row["ContractedCost"] == row["ListCost"]
    assert {row["ListUnitPrice"] for row in found if row["ChargeCategory"] == "Adjustment"} == {""}


def test_splits_of_a_device_and_day_come_to_one_and_carry_its_tags(ledger):
    a_month(ledger)
    parts = defaultdict(list)
    for row in exported(ledger, version="1.3"):
        if row["AllocatedMethodId"]:
            element = json.loads(row["AllocatedMethodDetails"])["Elements"][0]
            parts[row["x_Device"], row["ChargePeriodStart"]].append(Decimal(str(element["AllocatedRatio"])))
    assert len(parts) == 60
    assert {sum(ratios) for ratios in parts.values()} == {1}


def test_columns_are_the_versions_own_or_begin_with_x(ledger):
    a_month(ledger)
    assert tuple(exported(ledger)[0]) == COLUMNS_1_2
    assert tuple(exported(ledger, version="1.3")[0]) == COLUMNS_1_3
    assert all(name.startswith("x_") or name[0].isupper() for name in COLUMNS_1_3)
    gone = set(COLUMNS_1_3) - set(exported(ledger, version="1.4")[0])
    assert gone == {"ProviderName", "PublisherName"}


def test_parquet_holds_the_same_rows_with_types(ledger, tmp_path):
    a_month(ledger)
    with focus_parquet(tmp_path / "focus.parquet") as out:
        count = export_focus(ledger.database, "2026-11", "GPU, platform", "1.3", out)
    found = pq.read_table(tmp_path / "focus.parquet").to_pylist()
    rows = exported(ledger, version="1.3", issuer="GPU, platform")
    assert len(found) == count == len(rows)
    assert [str(row["BilledCost"]) for row in found] == [row["BilledCost"] for row in rows]
    assert [row["Tags"] for row in found] == [row["Tags"] for row in rows]
    assert {row["AllocatedMethodId"] for row in found} == {None, METHOD}
    assert {row["BillingPeriodStart"] for row in found} == {datetime(2026, 11, 1, tzinfo=UTC)}


def test_a_month_without_charges_is_parquet_with_columns(ledger, tmp_path):
    ledger.set_prices(book())
    with focus_parquet(tmp_path / "focus.parquet") as out:
        assert export_focus(ledger.database, "2030-01", "GPU platform", "1.2", out) == 0
    assert tuple(pq.read_table(tmp_path / "focus.parquet").column_names) == COLUMNS_1_2


def test_a_version_or_a_ledger_that_cannot_be_exported_is_refused(ledger):
    with pytest.raises(NotFoundError, match="no price book"):
        exported(ledger)
    with pytest.raises(InvalidError, match=r"expected 1\.2 or 1\.3 or 1\.4"):
        exported(ledger, version="1.5")


def test_several_processes_print_the_same(ledger):
    a_month(ledger)
    alone, together = io.StringIO(), io.StringIO()
    counts = [export_focus(ledger.database, "2026-11", "GPU, 100%", "1.3", alone)]
    counts.append(export_focus(ledger.database, "2026-11", "GPU, 100%", "1.3", together, large=0))
    assert counts[0] == counts[1] > AT_ONCE / 10
    assert alone.getvalue() == together.getvalue()


def test_a_month_without_charges_is_a_file_with_a_head(ledger):
    ledger.set_prices(book())
    assert exported(ledger, "2030-01") == []


def test_idle_cost_that_is_shared_out_moves_from_idle_to_teams(ledger):
    ledger.set_idle_rule(FIRST, IdleRule("use"))
    a_month(ledger)
    found = exported(ledger)
    assert cost(row for row in found if row["x_Kind"] == "idle") == 0
    assert cost(row for row in found if row["x_Kind"] == "idle-share") > 0
    assert {row["ChargeCategory"] for row in found if row["x_Kind"] == "idle-share"} == {"Adjustment"}
