"""Everybody sees the costs of their own teams; idle capacity and the others are for those who see everything."""

import pytest

from farthing.server.access import MOST_TEAMS, Caller, view
from farthing.server.problems import RefusedError
from tests.serving import Known

NOVEMBER = "since=2026-11-01&until=2026-11-30"


def teams(found):
    return {item["names"]["team"] for item in found.body["items"]}


def test_without_a_good_token_nothing_is_said_but_that_the_server_is_up(get):
    for token in ("", "stranger"):
        for path in ("/v1/costs", "/v1/prices", "/v1/allocations", "/v1/idle", "/allocation?window=1d"):
            found = get(path, token)
            assert (found.status, found.headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert "GBP" not in str(found.body)
    assert get("/v1/health").body == {"status": "ok"}


def test_people_see_their_own_teams(get):
    assert teams(get(f"/v1/costs?{NOVEMBER}", "ann")) == {"vision", "vision-2"}
    assert teams(get(f"/v1/costs?{NOVEMBER}", "sam")) == {"speech"}
    assert teams(get(f"/v1/costs?{NOVEMBER}", "admin")) == {"vision", "vision-2", "speech", "(idle)", "(stranded)"}


def test_another_team_is_refused_and_nobody_learns_whether_it_is_there(get):
    real, made_up = (get(f"/v1/costs?{NOVEMBER}&team={team}", "sam") for team in ("vision", "moon"))
    assert (real.status, made_up.status) == (403, 403)
    assert real.body["detail"].replace("vision", "moon") == made_up.body["detail"]
    assert get("/v1/statements/vision/2026-11", "sam").status == 403
    assert get("/v1/statements/vision/2026-11", "ann").status == 200


def test_who_sees_no_team_is_told_what_is_needed(get):
    found = get("/v1/costs", "nobody")
    assert found.status == 403
    assert "teams.farthing.dev" in found.body["detail"]


def test_idle_is_for_those_who_see_everything(get):
    assert get(f"/v1/idle?{NOVEMBER}", "ann").status == 403
    assert get(f"/v1/idle?{NOVEMBER}", "admin").status == 200


def test_allocations_and_opencosts_view_are_of_the_same_teams(get):
    path = "/v1/allocations?since=2026-11-02T12:00Z&until=2026-11-02T13:00Z"
    assert {item["team"] for item in get(path, "ann").body["items"]} == {"vision", "vision-2"}
    window = "window=2026-11-01T00:00:00Z,2026-12-01T00:00:00Z&aggregate=team&includeIdle=true&shareIdle=true"
    (found,) = get(f"/allocation?{window}", "ann").body["data"]
    assert set(found) == {"vision", "vision-2"}
    assert {one["sharedCost"] for one in found.values()} == {0}


def test_who_asks_too_often_is_told_to_wait(get):
    found = [get("/v1/prices", "sam") for _ in range(52)]
    assert {one.status for one in found[:50]} == {200}
    assert (found[-1].status, found[-1].headers["Retry-After"]) == (429, "1")
    assert get("/v1/prices", "ann").status == 200


async def test_more_teams_than_one_request_may_look_up_must_be_named():
    known = [f"team-{i}" for i in range(MOST_TEAMS + 1)]
    people = Known(ann={"team-1"})
    with pytest.raises(RefusedError, match="name the one"):
        await view(people, Caller("ann"), "", lambda: known)
    assert (await view(people, Caller("ann"), "team-1", lambda: known)).teams == {"team-1"}


def test_answers_are_not_kept_by_caches(get):
    assert get("/v1/health").headers["Cache-Control"] == "no-store"
