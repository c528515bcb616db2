"""How tables and bars look."""

import io

import pytest
from rich.console import Console

from farthing.cli.render import Column, age, bar, given, percent, several, show_table


def screen(width):
    return Console(file=io.StringIO(), width=width, color_system=None)


def printed(out):
    return out.file.getvalue()


def test_narrow_consoles_lose_the_columns_that_can_be_spared():
    columns = (Column("pod"), Column("team", from_width=90))
    narrow, wide = screen(80), screen(100)
    show_table(narrow, columns, [("a", "vision")])
    show_table(wide, columns, [("a", "vision")])
    assert "vision" not in printed(narrow)
    assert "vision" in printed(wide)


def test_brackets_in_a_sentence_are_shown_as_they_are():
    out = screen(80)
    show_table(out, (Column("because"),), [("0/3 nodes [red] are available",)])
    assert "0/3 nodes [red] are available" in printed(out)


def test_long_names_are_folded_and_never_cut():
    out = screen(20)
    show_table(out, (Column("node"),), [("n" * 50,)])
    assert printed(out).count("n") == 50 + len("node") - 3


@pytest.mark.parametrize(
    ("part", "filled", "says"), [(0, 0, "0%"), (1, 1, "1%"), (50, 5, "50%"), (100, 10, "100%"), (120, 10, "120%")]
)
def test_a_bar_is_never_empty_where_something_is_used(part, filled, says):
    text = bar(screen(80), part, 100).plain
    assert (text.count("█") + text.count("#"), text.split()[-1]) == (filled, says)


@pytest.mark.parametrize(
    ("seconds", "says"), [(-3, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (200_000, "2d")]
)
def test_ages_are_short(seconds, says):
    assert age(seconds) == says


def test_a_part_of_nothing_is_a_dash():
    assert (percent(0, 0), percent(1, 8), percent(1, 1)) == ("-", "12.5%", "100%")


def test_several_names_say_how_many_are_left_out():
    assert several(("a", "b", "c"), 2) == "a, b and 1 more"
    assert several(("a", "b"), 2) == "a, b"


def test_large_amounts_share_one_unit():
    assert given(512 << 30, 20 << 40) == "0.5 TiB of 20 TiB"
    assert given(1 << 29, 80 << 30) == "0.5 GiB of 80 GiB"
    assert given(0, 0) == "-"
