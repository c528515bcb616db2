"""The cost API answers what the ledger holds, a page at a time, and says what is wrong in one shape."""

from decimal import Decimal
from urllib.parse import quote

import pytest

from farthing.server.app import described
from tests.store.sums import by_kind, by_team

NOVEMBER = "since=2026-11-01&until=2026-11-30"


def pages(get, path):
    """All items of all pages."""
    found = get(path, "admin").body
    yield from found["items"]
    while found["next"]:
        found = get(f"{path}&cursor={quote(found['next'])}", "admin").body
        yield from found["items"]


def test_costs_by_team_are_the_books(get, month):
    found = get(f"/v1/costs?{NOVEMBER}", "admin").body
    teams = {item["names"]["team"]: int(Decimal(item["cost"]) * 10**6) for item in found["items"]}
    assert {team: cost for team, cost in teams.items() if not team.startswith("(")} == by_team(month, "2026-11")
    assert Decimal(found["total"]) * 10**6 == sum(by_kind(month, "2026-11").values())
    assert found["currency"] == "GBP"
    assert found["books"] == [
        {
            "cluster": "c",
            "settled_through": "2026-12-01",
            "heard_until": "2026-12-02T00:00:00Z",
            "missing_batches": 0,
            "retired_from": None,
        }
    ]


@pytest.mark.parametrize("limit", [4, 7, 1000])
def test_pages_hold_every_item_once_in_their_order(get, limit):
    found = list(pages(get, f"/v1/costs?{NOVEMBER}&by=team,model&step=day&limit={limit}"))
    keys = [(item["period"], *item["names"].values()) for item in found]
    assert keys == sorted(set(keys))
    whole = get(f"/v1/costs?{NOVEMBER}", "admin").body["total"]
    assert sum(Decimal(item["cost"]) for item in found) == Decimal(whole)


def test_filters_narrow_and_unknown_names_cost_nothing(get):
    one = get(f"/v1/costs?{NOVEMBER}&team=speech&model=h100&namespace=vision-prod&cluster=c", "admin").body
    assert [item["names"] for item in one["items"]] == [{"team": "speech"}]
    assert get(f"/v1/costs?{NOVEMBER}&model=h1", "admin").body["items"] == []


def test_idle_is_by_day_and_adds_up(get, month):
    found = list(pages(get, f"/v1/idle?{NOVEMBER}&limit=10"))
    kinds = by_kind(month, "2026-11")
    assert sum(Decimal(item["cost"]) for item in found) * 10**6 == kinds["idle"] + kinds["stranded"]
    assert {item["kind"] for item in found} == {"idle", "stranded"}


def test_allocations_are_what_is_held_now_or_was(get):
    now = list(pages(get, "/v1/allocations?limit=1"))
    assert [(item["team"], item["end"]) for item in now] == [("speech", None)]
    then = list(pages(get, "/v1/allocations?since=2026-11-02T12:00Z&until=2026-11-02T13:00Z&limit=2"))
    assert sorted(item["team"] for item in then) == ["speech", "vision", "vision-2"]
    assert [item["claim"] for item in pages(get, "/v1/allocations?since=2026-11-01&workload=Job/a&limit=9")] == ["a"]


def test_a_statement_is_the_one_of_the_command_line(get):
    found = get("/v1/statements/speech/2026-11", "admin").body
    assert [part["by"] for part in found["parts"]] == ["kind", "workload", "model", "cluster", "day"]
    assert found["total"] == "861.937200"


def test_prices_are_every_version_of_the_book(get):
    (found,) = get("/v1/prices", "sam").body
    assert (found["version"], found["lines"][0]["per_hour"], found["isolation"]) == (
        1,
        "3.600000",
        {"hard": "1.100000"},
    )


WRONG = {
    "/v1/costs?by=moon": (400, "by"),
    "/v1/costs?by=team,team": (400, "by"),
    "/v1/costs?since=yesterday": (400, "since"),
    "/v1/costs?since=99999999d": (400, "since"),
    "/v1/costs?since=2026-11-05&until=2026-11-01": (400, "since"),
    "/v1/costs?since=1990-01-01": (400, "since"),
    "/v1/costs?limit=0": (400, "limit"),
    "/v1/costs?limit=1001": (400, "limit"),
    "/v1/costs?step=hour": (400, "step"),
    "/v1/costs?cursor=xx": (400, "cursor"),
    "/v1/costs?cursor=WzFd": (400, "cursor"),
    "/v1/allocations?until=2026-11-01": (400, "until"),
    "/v1/statements/speech/2026-13": (400, "period"),
    "/v1/statements/speech/2030-01": (404, None),
    "/v1/moon": (404, None),
    "/v1/costs?team=" + 9000 * "x": (414, None),
}


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path[:40])
def test_what_is_wrong_is_said_in_one_shape(get, path):
    found = get(path, "admin")
    status, where = WRONG[path]
    assert found.headers["Content-Type"] == "application/problem+json"
    assert (found.status, found.body["status"], found.body.get("where")) == (status, status, where)
    assert found.body["type"] == "about:blank"
    assert len(found.body["detail"]) > 8


def test_a_cursor_is_good_for_its_own_question_only(get):
    first = get(f"/v1/costs?{NOVEMBER}&limit=1", "admin").body["next"]
    found = get(f"/v1/costs?{NOVEMBER}&limit=1&by=model&cursor={quote(first)}", "admin")
    assert (found.status, found.body["where"]) == (400, "cursor")


def test_only_reading_is_possible():
    verbs = {verb for operations in described().openapi()["paths"].values() for verb in operations}
    assert verbs == {"get"}
