"""OpenCost's /allocation: its shape, its words, and the sums of the books."""

from urllib.parse import quote

import pytest

from tests.store.sums import by_kind

NOVEMBER = "window=2026-11-01T00:00:00Z,2026-12-01T00:00:00Z"

FIELDS = [
    "name",
    "properties",
    "window",
    "start",
    "end",
    "minutes",
    "cpuCores",
    "cpuCoreRequestAverage",
    "cpuCoreUsageAverage",
    "cpuCoreHours",
    "cpuCost",
    "cpuCostAdjustment",
    "cpuCostIdle",
    "cpuEfficiency",
    "gpuCount",
    "gpuHours",
    "gpuCost",
    "gpuCostAdjustment",
    "gpuCostIdle",
    "gpuEfficiency",
    "networkTransferBytes",
    "networkReceiveBytes",
    "networkCost",
    "networkCrossZoneCost",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvBytes",
    "pvByteHours",
    "pvCost",
    "pvs",
    "pvCostAdjustment",
    "ramBytes",
    "ramByteRequestAverage",
    "ramByteUsageAverage",
    "ramByteHours",
    "ramCost",
    "ramCostAdjustment",
    "ramCostIdle",
    "ramEfficiency",
    "externalCost",
    "sharedCost",
    "totalCost",
    "totalEfficiency",
    "lbAllocations",
    "gpuAllocation",
]


def sets(get, query):
    found = get(f"/allocation?{query}", "admin")
    assert (found.status, found.body["code"]) == (200, 200), found.body
    return found.body["data"]


def total(one):
    return round(sum(allocation["totalCost"] for allocation in one.values()) * 10**6)


def test_an_allocation_has_opencosts_fields(get):
    (found,) = sets(get, f"{NOVEMBER}&aggregate=namespace")
    assert sorted(found["vision-prod"]) == sorted(FIELDS)
    assert found["vision-prod"]["window"] == {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    assert found["vision-prod"]["gpuHours"] == pytest.approx(found["vision-prod"]["gpuCount"] * 720, abs=0.01)


def test_all_allocations_and_idle_are_what_the_books_hold(get, month):
    (found,) = sets(get, f"{NOVEMBER}&aggregate=controller&includeIdle=true")
    assert set(found) == {"job:a", "job:b", "job:c", "__idle__"}
    assert total(found) == sum(by_kind(month, "2026-11").values())


def test_both_paths_answer_alike(get):
    assert get(f"/allocation/compute?{NOVEMBER}", "admin").body == get(f"/allocation?{NOVEMBER}", "admin").body


def test_steps_are_sets_and_accumulate_is_one(get):
    days = sets(get, f"{NOVEMBER}&step=1d&aggregate=team")
    assert len(days) == 30
    assert [one["vision-2"]["window"]["start"][:10] for one in days if "vision-2" in one] == ["2026-11-02"]
    (whole,) = sets(get, f"{NOVEMBER}&step=1d&aggregate=team&accumulate=true")
    assert sum(map(total, days)) == total(whole)


def test_parts_of_days_add_up_to_their_day(get):
    day = "window=2026-11-02T00:00:00Z,2026-11-03T00:00:00Z&aggregate=team&includeIdle=true"
    (whole,) = sets(get, day)
    hours = sets(get, f"{day}&step=5h")
    assert len(hours) == 5
    assert sum(map(total, hours)) == pytest.approx(total(whole), abs=20)


def test_idle_is_shared_out_by_cost_to_the_unit(get):
    (apart,) = sets(get, f"{NOVEMBER}&aggregate=team&includeIdle=true")
    (shared,) = sets(get, f"{NOVEMBER}&aggregate=team&includeIdle=true&shareIdle=true")
    assert "__idle__" not in shared
    assert total(shared) == total(apart)


@pytest.mark.parametrize(
    ("filter_", "left"),
    [
        ('label[farthing.dev/team]:"speech"', {"speech"}),
        ('controllerKind:"job"+team!:"speech"', {"vision", "vision-2"}),
        ('namespace:"nobody","vision-prod"+controllerName:"c"', {"vision-2"}),
        ('cluster!:"c"', set()),
    ],
)
def test_filters_let_through_what_they_name(get, filter_, left):
    (found,) = sets(get, f"{NOVEMBER}&aggregate=team&filter={quote(filter_)}")
    assert set(found) == left


@pytest.mark.parametrize(
    "query",
    [
        "window=",
        "window=tomorrow",
        "window=2d,1d",
        "window=200,100",
        "window=7d&step=0d",
        "window=400d&step=1m",
        "window=7d&aggregate=pod",
        "window=7d&filter=namespace",
        "window=7d&filter=pod:%22a%22",
        "window=7d&filter=namespace:%22a%22|cluster:%22b%22",
        "window=7d&idleByNode=true",
    ],
)
def test_what_is_not_understood_is_refused_in_opencosts_shape(get, query):
    found = get(f"/allocation?{query}", "admin")
    assert (found.status, found.body["code"]) == (400, 400)
    assert set(found.body) == {"code", "message"}
