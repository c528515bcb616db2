"""OpenCost's words mean what its documentation says; weeks begin on Sunday, and 7d is today and the six days before."""

import pytest

from farthing.ledger.interval import DAY
from farthing.ledger.read_prices import parse_instant
from farthing.server.opencost_terms import Work, parse_aggregate, parse_filter, parse_window, sets_of

NOW = parse_instant("", "2026-11-25T10:30:00Z")
"""A Wednesday."""

WINDOWS = {
    "today": ("2026-11-25", "2026-11-26"),
    "yesterday": ("2026-11-24", "2026-11-25"),
    "week": ("2026-11-22", "2026-11-25T10:30:00Z"),
    "lastweek": ("2026-11-15", "2026-11-22"),
    "month": ("2026-11-01", "2026-11-25T10:30:00Z"),
    "lastmonth": ("2026-10-01", "2026-11-01"),
    "7d": ("2026-11-19", "2026-11-26"),
    "1w": ("2026-11-19", "2026-11-26"),
    "2h": ("2026-11-25T09:00:00Z", "2026-11-25T11:00:00Z"),
    "30m": ("2026-11-25T10:01:00Z", "2026-11-25T10:31:00Z"),
    "2026-11-01T00:00:00Z,2026-11-02T06:00:00Z": ("2026-11-01", "2026-11-02T06:00:00Z"),
    "1762000000,1762086400": (1762000000, 1762086400),
    "1762000000-1762086400": (1762000000, 1762086400),
}


@pytest.mark.parametrize("text", WINDOWS)
def test_a_window_is_what_opencost_says(text):
    expected = tuple(at if isinstance(at, int) else parse_instant("", at) for at in WINDOWS[text])
    assert parse_window(text, NOW) == expected


def test_a_week_on_its_sunday_is_that_day():
    sunday = parse_instant("", "2026-11-22T08:00:00Z")
    assert parse_window("week", sunday) == (parse_instant("", "2026-11-22"), sunday)


def test_steps_go_backward_from_the_end_and_cover_all():
    assert sets_of((0, 10 * DAY), "4d") == [(0, 2 * DAY), (2 * DAY, 6 * DAY), (6 * DAY, 10 * DAY)]
    assert sets_of((0, DAY), "") == [(0, DAY)]
    assert sets_of((0, DAY), "2d") == [(0, DAY)]


def test_work_is_named_by_what_it_is_aggregated_by():
    job = Work("c", "prod", "Job/train", "vision")
    pod = Work("c", "prod", "Pod/lonely", "")
    names = "cluster,namespace,controllerKind,controller,job,deployment,label:farthing_dev_team"
    assert job.key(parse_aggregate(names)) == "c/prod/job/job:train/train/__unallocated__/vision"
    assert pod.key(parse_aggregate("controller,controllerkind,team")) == "/".join(3 * ["__unallocated__"])
    assert parse_aggregate("Namespace, namespace") == ("namespace",)


def test_all_clauses_of_a_filter_must_hold():
    clauses = parse_filter('namespace:"prod","dev" + controllerName!:"train"')
    assert [
        clause.accepts(Work("c", "prod", f"Job/{name}", "a")) for clause in clauses for name in ("train", "serve")
    ] == [
        True,
        True,
        False,
        True,
    ]
    assert parse_filter("") == ()
