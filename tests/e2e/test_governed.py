"""Teams on a cluster at work: admission and the planner go by the same tree, and say what is wrong with a team."""

import asyncio
import contextlib

import pytest

from farthing.cli.explain import explanation
from farthing.cli.leader import read_leader
from farthing.cli.look import look
from farthing.cli.teams import team_rows
from farthing.kube.resources import TEAMS, team_path
from farthing.model.cluster import Key, Pod
from farthing.model.errors import FarthingError
from tests.api.teams import team
from tests.e2e.conftest import eventually

TREES = "/apis/farthing.dev/v1/teamtrees/farthing"


@pytest.fixture
async def governed(site):
    """A cluster at work in which nobody is governed any more afterwards."""
    yield site
    items, _ = await site.connection.list_all(TEAMS.path)
    names = [item["metadata"]["name"] for item in items]

    async def cleared():
        for name in list(names):
            with contextlib.suppress(FarthingError):
                await site.connection.delete(team_path(name))
                names.remove(name)
        return not names and not (await site.connection.get(TREES))["teams"]

    await eventually(cleared, "no team is left, and nothing is governed")


async def add(site, name, parent=None, h100=None, **spec):
    await site.connection.create(TEAMS.path, team(name, parent, h100, **spec))


async def verdict(site, name):
    found = (await site.connection.get(team_path(name))).get("status", {}).get("conditions", [{}])
    return found[0].get("status", ""), found[0].get("message", "")


async def known(site, *names):
    async def check():
        tree = await site.connection.get(TREES)
        return set(names) <= tree["teams"].keys()

    await eventually(check, f"{', '.join(names)} are in the tree")


async def test_what_is_made_of_teams_is_written_down(governed):
    await add(governed, "company", None, 4)
    await add(governed, "vision", "company", 2, namespaces=[governed.namespace])
    await known(governed, "company", "vision")
    await eventually(lambda: right(governed, "vision"), "vision is said to be right")
    await add(governed, "lost", "nowhere", 1)

    async def wrong():
        return await verdict(governed, "lost") == ("False", "is under team nowhere, which is not there")

    await eventually(wrong, "lost is said to be wrong")
    assert "lost" not in (await governed.connection.get(TREES))["teams"]
    await governed.connection.patch(team_path("lost"), {"spec": {"parent": "company"}})
    await eventually(lambda: right(governed, "lost"), "lost is found again")


async def right(site, name):
    return await verdict(site, name) == ("True", "")


async def test_two_that_together_are_too_much_do_not_both_count(governed):
    """Written at the same moment, neither knows of the other: admission may let both in. One of them is left out."""
    await add(governed, "company", None, 4)
    await known(governed, "company")
    both = (add(governed, name, "company", 3) for name in ("one", "two"))
    answers = await asyncio.gather(*both, return_exceptions=True)
    let_in = [name for name, answer in zip(("one", "two"), answers, strict=True) if answer is None]

    async def judged():
        return all([(await verdict(governed, name))[0] for name in let_in])

    await eventually(judged, "both are judged")
    said = [await verdict(governed, name) for name in let_in]
    assert [status for status, _ in said].count("True") == 1
    for status, sentence in said:
        assert status == "True" or "its parent company has 4, of which 1 is left to divide" in sentence


async def test_who_has_no_quota_left_is_told_the_number(governed):
    limits = [{"deviceClass": "H100", "amount": 1, "borrowing": 0}]
    await add(governed, "vision", compute=limits, namespaces=[governed.namespace])
    await known(governed, "vision")
    only = {"annotations": {"farthing.dev/gpu-model": "H100"}}
    await governed.submit("mine", "1", **only)
    await governed.running("mine")
    await governed.submit("more", "0.5", **only)
    held = await governed.held("more", "QuotaExceeded")
    assert "team vision has, with what it may borrow, 1 of h100, of which 0 is left; 0.5 is lacking" in held["message"]
    seen = await look(governed.connection)
    pod = seen.world.get(Pod, Key(governed.namespace, "more"))
    raw = await governed.pod("more")
    told = explanation(seen, pod, raw, await read_leader(governed.connection, seen.at))
    assert (told.reason, told.team) == ("QuotaExceeded", "vision")
    (stand,) = told.standings
    assert (stand.team, stand.device_class, stand.guaranteed, stand.used, stand.left) == (
        "vision",
        "h100",
        1000,
        1000,
        0,
    )
    assert [(holder.team, holder.used) for holder in told.holders] == [("vision", 1000)]
    row = next(row for row in team_rows(seen) if row.team == "vision")
    use = next(use for use in row.classes if use.device_class == "h100")
    assert (use.guaranteed, use.used, use.borrowed, use.fair, use.waiting) == (1000, 1000, 0, 1000, 500)
