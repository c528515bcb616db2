"""Costs add up however they are asked for, settled or so far."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.ledger.interval import DAY, Batch
from farthing.ledger.period import day_of
from farthing.ledger.span import days_of
from farthing.model.errors import InvalidError, PermanentError
from farthing.store.ask import FIELDS, Question, ask
from farthing.store.database import check_url
from farthing.store.ledger import Ledger
from tests.ledgers import HOUR_COST, book, interval, supply

FIRST = day_of("2026-11-01")
START = FIRST * DAY
NOW = START + 3 * DAY + 3600


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Three settled days, and an hour of the fourth."""
    ledger.set_prices(book())
    shares = [
        interval("a", start=START),
        interval("b", start=START, compute=250, memory=0, team="speech", owners=("Job/b", "JobSet/set")),
        interval("c", "d/n0/gpu-1", start=START + DAY, end=START + 2 * DAY, compute=1000),
    ]
    devices = [supply(start=START), supply("d/n0/gpu-1", start=START, model="l4")]
    ledger.ingest(Batch("c", START, 1, NOW, tuple(shares), tuple(devices)))
    ledger.settle()
    return ledger


def asked(ledger, *by, first=FIRST, last=FIRST + 9, **more):
    return {cost.names: cost.amount for cost in ask(ledger.database, Question(by, first, last, **more)).costs}


TOTAL = 2 * (3 * 24 + 1) * HOUR_COST


@pytest.mark.parametrize("by", [(), *((name,) for name in FIELDS), FIELDS])
def test_all_groups_together_are_what_the_devices_cost(filled, by):
    assert sum(asked(filled, *by).values()) == TOTAL


def test_settled_days_and_today_so_far_are_one_answer(filled):
    found = ask(filled.database, Question(("team",), FIRST, FIRST + 9))
    teams = {cost.names[0]: (cost.amount, cost.unsettled) for cost in found.costs}
    assert teams["speech"] == (73 * HOUR_COST // 4, HOUR_COST // 4)
    assert teams["vision"] == (73 * HOUR_COST // 2 + 24 * HOUR_COST, HOUR_COST // 2)
    assert [(s.settled_day - FIRST, s.watermark, s.missing) for s in found.standing] == [(2, NOW, 0)]


def test_before_anything_is_settled_all_is_so_far(ledger):
    ledger.set_prices(book())
    ledger.ingest(Batch("c", START, 1, START + 3600, (interval(start=START),), (supply(start=START),)))
    assert asked(ledger, "team") == {("vision",): HOUR_COST // 2, ("(idle)",): HOUR_COST // 2}


def test_one_team_and_one_workload_are_their_part_of_it(filled):
    assert asked(filled, team="speech") == {(): 73 * HOUR_COST // 4}
    assert asked(filled, "workload", workload="JobSet/set") == {("JobSet/set",): 73 * HOUR_COST // 4}


def test_days_are_whole_and_both_ends_belong(filled):
    assert asked(filled, "day", first=FIRST + 2, last=FIRST + 3) == {
        ("2026-11-03",): 48 * HOUR_COST,
        ("2026-11-04",): 2 * HOUR_COST,
    }


def test_what_is_missing_and_what_has_no_price_is_said(ledger):
    ledger.set_prices(book(lines=[{"perHour": "1", "model": "l4"}]))
    ledger.ingest(Batch("c", START, 1, START + 3600, (), (supply(start=START),)), Batch("c", START, 3, NOW))
    found = ask(ledger.database, Question((), FIRST, FIRST + 9))
    assert (found.standing[0].missing, found.costs) == (1, ())
    assert "no price for h100" in found.unpriced[0]


@pytest.mark.parametrize("by", [("planet",), ("team", "team")])
def test_fields_that_are_none_are_refused(ledger, by):
    with pytest.raises(InvalidError, match="--by"):
        ask(ledger.database, Question(by, 0, 1))


def test_which_days_are_meant():
    now = START + 20 * DAY + 5
    assert days_of("", "", now) == (FIRST, FIRST + 20)
    assert days_of("7d", "", now) == (FIRST + 13, FIRST + 20)
    assert days_of("2026-11-03", "2026-11-04", now) == (FIRST + 2, FIRST + 3)
    with pytest.raises(InvalidError, match="--since: 2026-11-05 is after"):
        days_of("2026-11-05", "2026-11-04", now)
    with pytest.raises(InvalidError, match="--since"):
        days_of("yesterday", "", now)


def run(*command, url):
    found = CliRunner().invoke(app, [*command, "--ledger", url], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.usefixtures("filled")
def test_programs_and_people_get_the_same_numbers(url, tmp_path):
    command = ("cost", "--by", "team,model", "--since", "2026-11-01", "--until", "2026-11-10")
    answer = json.loads(run(*command, "-o", "json", url=url))
    rows = {tuple(row["names"]): row["cost"] for row in answer["rows"]}
    assert answer["total"] == "525.600000"
    lines = csv.DictReader(io.StringIO(run(*command, "-o", "csv", url=url)))
    assert {(line["team"], line["model"]): line["cost"] for line in lines} == rows
    run(*command, "-o", "parquet", "--file", str(tmp_path / "cost.parquet"), url=url)
    table = pq.read_table(tmp_path / "cost.parquet").to_pylist()
    assert {(row["team"], row["model"]): str(row["cost"]) for row in table} == rows
    shown = run(*command, url=url)
    assert "525.60 GBP from 2026-11-01 to 2026-11-10" in shown
    assert "settled through 2026-11-03" in shown


@pytest.mark.usefixtures("filled")
def test_costs_over_time_are_in_its_order(url):
    command = ("cost", "--by", "team", "--step", "day", "--since", "2026-11-01", "--until", "2026-11-10", "-o", "json")
    answer = json.loads(run(*command, url=url))
    assert answer["by"] == ["day", "team"]
    days = [row["names"][0] for row in answer["rows"]]
    assert days == sorted(days)
    assert answer["total"] == "525.600000"


def test_the_books_are_kept_from_the_command_line(url, tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text("{version: 1, since: 2026-01-01, currency: GBP, lines: [{perHour: '3.60'}]}")
    assert "added" in run("ledger", "prices", str(file), url=url)
    assert "was there already" in run("ledger", "prices", str(file), url=url)
    ledger = Ledger.open(url)
    ledger.ingest(Batch("c", START, 1, START + 40 * DAY, (interval(start=START),), (supply(start=START),)))
    ledger.close()
    run("ledger", "idle", "quota", "--since", "2026-11-01", "--quota", "speech=1", url=url)
    assert "40 days of devices rated" in run("ledger", "settle", url=url)
    shown = run("cost", "--since", "2026-11-01", "--until", "2026-11-30", url=url)
    costs = {line.split()[0]: line.split()[1] for line in shown.splitlines()[1:4]}
    assert costs == {"vision": "1,296.00", "speech": "1,296.00", "(idle)": "0.00"}
    assert "2026-11 is closed" in run("ledger", "close", "2026-11", url=url)


@pytest.mark.parametrize(
    "command",
    [
        ("idle", "sometimes"),
        ("idle", "quota"),
        ("idle", "use", "--quota", "a=1"),
        ("idle", "quota", "--quota", "a=-1"),
        ("close", "November"),
        ("prices", "/nowhere.yaml"),
    ],
)
def test_what_makes_no_sense_is_refused(url, command):
    with pytest.raises(InvalidError):
        run("ledger", *command, url=url)


@pytest.mark.parametrize("url", ["sqlite://", "mysql://x/y", "nonsense", ""])
def test_a_url_that_is_none_is_refused_before_anything_is_opened(url):
    with pytest.raises(InvalidError, match="--ledger"):
        check_url(url)


def test_a_ledger_of_a_newer_farthing_is_left_alone(ledger, url):
    with ledger.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(PermanentError, match="newer Farthing"):
        Ledger.open(url)
