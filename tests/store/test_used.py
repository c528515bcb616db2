"""What was used of what was granted, and what came of it, beside what it cost."""

import csv
import json

import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.ledger.interval import DAY, Batch, Used
from farthing.ledger.period import day_of
from tests.ledgers import HOUR_COST, book, interval, supply

FIRST = day_of("2026-11-01")
START = FIRST * DAY
HOUR = 3_600_000


def used(day=FIRST, workload="Job/a", **numbers):
    return Used("c", day, "vision", "vision-prod", workload, **numbers)


@pytest.fixture
def filled(ledger):
    """A day of half a device for Job/a, of which 12 hours were measured; one of a quarter for Job/b that nobody measured."""
    ledger.set_prices(book())
    shares = (
        interval("a", start=START, end=START + DAY),
        interval("b", start=START, end=START + DAY, compute=250, memory=0, team="speech"),
    )
    first = (used(busy=3 * HOUR // 2, granted=3 * HOUR, used_mib=1, granted_mib=10, generated_tokens=1_000_000),)
    second = (used(busy=3 * HOUR // 2, granted=3 * HOUR, generated_tokens=3_000_000, prompt_tokens=9, requests=500),)
    batch = Batch("c", START, 1, START + 100, shares, (supply(start=START),), first)
    ledger.ingest(batch)
    ledger.ingest(batch)
    ledger.ingest(Batch("c", START, 3, START + DAY, used=second))
    ledger.ingest(Batch("c", START, 2, START + 200))
    ledger.settle()
    return ledger


def asked(url, *options):
    command = ["cost", "--ledger", url, "--since", "2026-11-01", "--until", "2026-11-01", "-o", "json", *options]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


@pytest.mark.usefixtures("filled")
def test_waste_is_what_was_measured_and_not_used(url):
    report = asked(url, "--by", "team,workload", "--waste")
    rows = {row["names"][0]: row for row in report["rows"]}
    vision, speech = rows["vision"], rows["speech"]
    assert vision["cost"] == "43.200000"
    assert (vision["gpu_hours"], vision["measured"], vision["gpu_hours_used"], vision["used"]) == (12, 0.5, 3, 0.5)
    assert vision["wasted"] == "10.800000", "half of the half that was measured"
    assert (speech["measured"], speech["used"], speech["wasted"]) == (0, None, None)


@pytest.mark.usefixtures("filled")
def test_a_million_tokens_and_a_thousand_requests_have_a_cost(url):
    (vision,) = asked(url, "--by", "workload", "--team", "vision", "--per", "token")["rows"]
    assert (vision["generated_tokens"], vision["prompt_tokens"], vision["units"]) == (4_000_000, 9, 4)
    assert vision["cost_of_unit"] == "10.800000"
    report = asked(url, "--by", "team", "--per", "request")
    assert report["unit"] == "thousand requests"
    assert {row["names"][0]: row["cost_of_unit"] for row in report["rows"]} == {
        "vision": "86.400000",
        "speech": None,
        "(idle)": None,
    }
    assert int(float(report["rows"][0]["cost"]) * 1_000_000) == 12 * HOUR_COST


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("option", [("--waste",), ("--per", "token"), ("--per", "request")])
def test_they_are_shown_to_people(url, option):
    command = ["cost", "--ledger", url, "--since", "2026-11-01", "--until", "2026-11-01", *option]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "vision" in shown.output


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("option", [("--waste",), ("--per", "token")])
def test_as_csv_they_have_a_column_for_each_field_of_json(url, tmp_path, option):
    (first, *_) = asked(url, "--by", "team,workload", *option)["rows"]
    command = ["cost", "--ledger", url, "--since", "2026-11-01", "--until", "2026-11-01", "--by", "team,workload"]
    shown = CliRunner().invoke(app, [*command, *option, "-o", "csv", "--file", str(tmp_path / "use.csv")])
    assert (shown.exit_code, shown.output) == (0, "")
    row, *_ = csv.DictReader((tmp_path / "use.csv").read_text(encoding="utf-8").splitlines())
    names = {"team": first["names"][0], "workload": first["names"][1], "currency": "GBP"}
    fields = {name: "" if value is None else str(value) for name, value in first.items() if name != "names"}
    assert row == names | fields


@pytest.mark.usefixtures("filled")
def test_use_is_not_known_by_everything(url):
    run = CliRunner().invoke
    assert "use is not known by 'model'" in str(
        run(app, ["cost", "--ledger", url, "--by", "model", "--waste"]).exception
    )
    both = run(app, ["cost", "--ledger", url, "--waste", "--per", "token"])
    assert "goes without --waste" in str(both.exception)
    assert "table, json or csv" in str(run(app, ["cost", "--ledger", url, "--waste", "-o", "parquet"]).exception)
