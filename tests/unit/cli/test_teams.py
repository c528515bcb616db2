"""`farthing teams`: the numbers of the tree, worked by hand."""

from dataclasses import replace

import pytest
from rich.console import Console

from farthing.cli.judgement import in_line
from farthing.cli.teams import FEW, _show, below, down_to, team_rows
from farthing.model.errors import NotFoundError
from farthing.model.team import Quota, Team


def h100(amount, borrowing=None, lending=None):
    return (("h100", Quota(amount, borrowing, lending)),)


@pytest.fixture
def company(town):
    """Four H100: research has 3, of which vision 2 (keeps 0.5) and audio 1; sales has none; a stranger waits."""
    town.see(Team("research", 1, compute=h100(3000)))
    town.see(Team("vision", 1, parent="research", compute=h100(2000, lending=1500), namespaces=("pictures",)))
    town.see(Team("audio", 1, parent="research", compute=h100(1000), namespaces=("sounds",), weight=3000))
    town.see(Team("sales", 1, namespaces=("shop",)))
    return town


def numbers(look, team):
    row = next(row for row in team_rows(look) if row.team == team)
    (use,) = [use for use in row.classes if use.device_class == "h100"]
    return use.guaranteed, use.used, use.borrowed, use.lent, use.fair, use.waiting


def test_without_teams_there_are_no_rows(town):
    assert team_rows(town.look()) == []


def test_the_tree_comes_parents_first(company):
    rows = team_rows(company.look())
    assert [(row.team, row.depth) for row in rows] == [
        ("", 0),
        ("research", 1),
        ("audio", 2),
        ("vision", 2),
        ("sales", 1),
    ]


def test_what_is_left_idle_is_lent(company):
    look = company.look()
    assert numbers(look, "") == (4000, 0, 0, 0, 0, 0)
    assert numbers(look, "research") == (3000, 0, 0, 2500, 0, 0)
    assert numbers(look, "vision") == (2000, 0, 0, 1500, 0, 0)
    assert numbers(look, "sales") == (0, 0, 0, 0, 0, 0)


def test_use_beyond_the_guarantee_is_borrowed(company):
    company.pod("a", "1", on=("n1", 1000, "gpu-0"), namespace="shop")
    company.pod("b", "1", on=("n1", 1000, "gpu-1"), namespace="sounds")
    company.pod("c", "0.5", on=("n2", 500, "gpu-0"), namespace="sounds")
    look = company.look()
    assert numbers(look, "sales") == (0, 1000, 1000, 0, 1000, 0)
    assert numbers(look, "audio") == (1000, 1500, 500, 0, 1500, 0)
    assert numbers(look, "research") == (3000, 1500, 0, 1000, 1500, 0)
    assert numbers(look, "")[:2] == (4000, 2500)


def test_fair_shares_are_guarantees_first_and_weights_then(company):
    """All want everything: of the 4, vision and audio have their 2 and 1; the one that is nobody's goes by weight."""
    for i in range(8):
        for namespace in ("pictures", "sounds", "shop"):
            company.pod(f"{namespace}{i}", "1", namespace=namespace)
    look = company.look()
    assert numbers(look, "sales") == (0, 0, 0, 0, 500, 8000)
    assert numbers(look, "research")[4:] == (3500, 16000)
    assert numbers(look, "vision")[4:] == (2125, 8000)
    assert numbers(look, "audio")[4:] == (1375, 8000)


def test_a_namespace_without_a_team_is_shown_as_such(company):
    company.pod("x", "1", namespace="wild")
    rows = team_rows(company.look())
    stranger = next(row for row in rows if row.team == "wild")
    assert (stranger.implicit, stranger.depth, stranger.pods) == (True, 1, 1)


def test_a_wrong_team_is_shown_with_its_sentence(company):
    company.see(Team("lost", 1, parent="nowhere"))
    wrong = team_rows(company.look())[-1]
    assert (wrong.team, wrong.fault) == ("lost", "is under team nowhere, which is not there")


def test_one_team_is_shown_with_those_below_it(company):
    rows = team_rows(company.look())
    assert [row.team for row in below(rows, "research")] == ["research", "audio", "vision"]
    assert [row.team for row in below(rows, "sales")] == ["sales"]
    with pytest.raises(NotFoundError, match="there is no team nobody; there is audio, research, sales, vision"):
        below(rows, "nobody")


def test_only_so_many_levels_are_shown(company):
    rows = team_rows(company.look())
    assert [row.team for row in down_to(rows, 1)] == [row.team for row in rows if row.depth <= 1]
    assert [row.team for row in down_to(below(rows, "research"), 1)] == ["research", "audio", "vision"]


def test_of_many_teams_those_are_named_that_are_called_alike(company):
    rows = [replace(team_rows(company.look())[1], team=f"vision-{i}") for i in range(FEW + 1)]
    with pytest.raises(NotFoundError, match="there is no team vison-3; there is vision-3"):
        below(rows, "vison-3")
    with pytest.raises(NotFoundError, match="there is no team xyz; there are 21, and none is called alike"):
        below(rows, "xyz")


def test_people_see_devices(company, capsys):
    company.pod("a", "0.25", on=("n1", 250, "gpu-0"), namespace="pictures")
    company.pod("x", "1", namespace="wild")
    _show(Console(width=160), team_rows(company.look()))
    shown = capsys.readouterr().out
    assert "GUARANTEED" in shown
    assert [line.split() for line in shown.splitlines() if "vision" in line] == [
        ["vision", "1", "H100", "2", "0.25", "-", "1.5", "0.25", "-"]
    ]
    assert "(wild)" in shown
    assert "1 namespace in brackets belong" in shown


def test_who_is_next_goes_by_teams(company):
    """Sales borrows whatever it gets; who is within what is guaranteed goes before it, whenever it came."""
    company.pod("first", "1", namespace="shop", age=900)
    company.pod("second", "1", namespace="shop", age=800)
    company.pod("mine", "1", namespace="pictures", age=10)
    look = company.look()
    assert [w.pod.key.name for w in in_line(look, look.snapshot())] == ["mine", "first", "second"]
