"""Pages and images of simulations: complete, honest about what lost, and readable by everybody."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.model.errors import InvalidError, PermanentError
from farthing.sim.charts import DARK, DASHES, LIGHT, spread, svg, ticks
from farthing.sim.report import by_policy, charts, groups, html, png, rows, summary, write_html, write_png
from farthing.sim.results import Curve, Mode, Run


def run(policy="ours", allocation=95.0, seed=42, mode=Mode.fill, **more):
    at = tuple(float(i) for i in range(131))
    given_ = tuple(min(float(i), allocation) for i in range(131))
    fields = {
        "trace": "default", "window": 0, "load": 1.3, "arrivals": 1000, "rejected": 50, "rejected_gpus": 5.0,
        "gpus_total": 100, "waited": 12.0, "seconds": 2.0, "decisions": 1000, **more,
    }  # fmt: skip
    curve = fields.pop("curve", Curve(at, given_, tuple(i / 20 for i in range(131)), tuple(range(131))))
    return Run(
        mode=mode, policy=policy, seed=seed, curve=curve, gpus_allocated=allocation, allocation=allocation, **fields
    )


TWO = [run(), run("FGD", 95.4), run(seed=43, allocation=95.2), run("FGD", 95.2, seed=43)]


def test_the_table_says_who_is_behind_and_by_how_much():
    (group,) = groups(TWO)
    first, second = rows(group)
    assert (first.policy, round(first.allocation, 3), first.behind) == ("FGD", 95.3, 0.0)
    assert (second.policy, round(second.behind, 3), second.seeds, round(second.spread, 3)) == ("ours", 0.2, 2, 0.141)
    assert summary(group).endswith("seeds 42 to 43. Most was given by FGD, 95.30 %. Points behind it: ours 0.20.")
    assert "\N{MINUS SIGN}0.20" in html(TWO)


def test_only_what_may_be_compared_is_compared():
    found = groups(
        [run(), run(trace="cpu250"), run(mode=Mode.churn, load=0.95), run(mode=Mode.churn, load=1.0), run("b")]
    )
    assert [(g.title, len(g.runs)) for g in found] == [
        ("default, fill", 2),
        ("cpu250, fill", 1),
        ("default, churn at load 0.95", 1),
        ("default, churn at load 1", 1),
    ]


def test_lookahead_is_a_line_of_its_own():
    (group,) = groups([run(), run(window=200), run("FGD")])
    assert list(by_policy(group)) == ["ours", "ours, window 200", "FGD"]


def test_the_page_loads_nothing_and_runs_nothing():
    page = html(TWO)
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)\s*=|@import|url\(", page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}


def test_names_from_traces_stay_text():
    page = html([run(policy="<b>&'\"", trace="</title><script>x")])
    assert "<script>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_the_page_has_a_light_and_a_dark_side_and_the_numbers():
    page = html(TWO)
    assert "prefers-color-scheme: dark" in page
    assert "Allocation in numbers" in page
    assert page.count('role="img"') == 4


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_has_its_pictures(mode):
    titles = [chart.title for chart in charts(groups([run(mode=mode)])[0])]
    assert titles[0] == "Allocation"
    assert titles[-1] == ("Pods that wait" if mode is Mode.replay else "Pods turned away")


@pytest.mark.parametrize(
    "curve",
    [
        Curve((0.0, 1.0), (0.0, 0.0), (0.0, 0.0), (0, 0)),
        Curve((5.0,), (7.0,), (1.0,), (0,)),
        Curve((0.0, 1.0, 1e9), (100.0, 100.0, 100.0), (0.0, 1e-9, 0.0), (0, 10**9, 0)),
    ],
    ids=["nothing-happens", "one-point", "vast"],
)
@pytest.mark.parametrize("mode", Mode)
def test_odd_runs_are_drawn_too(mode, curve):
    for chart in charts(groups([run(mode=mode, curve=curve)])[0]):
        drawn = svg(chart, LIGHT)
        assert "nan" not in drawn
        ET.fromstring(drawn)  # noqa: S314 -- our own


def test_each_policy_has_a_line_with_its_name_in_each_picture():
    (group,) = groups(TWO)
    for chart in charts(group):
        drawn = ET.fromstring(svg(chart, LIGHT))  # noqa: S314 -- our own
        lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
        assert [line.findtext("{http://www.w3.org/2000/svg}title") for line in lines] == ["ours", "FGD"]
        assert len({(line.get("stroke"), line.get("stroke-dasharray")) for line in lines}) == 2
        bands = drawn.findall("{http://www.w3.org/2000/svg}polygon")
        assert len(bands) == 2, "two seeds each have a spread"


def test_the_image_is_one():
    image = png(TWO)
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(image[at : at + 4]) for at in (16, 20))
    assert width > 2000
    assert height > 1000
    assert len(image) > 50_000, "letters and lines are on it"


def test_files_are_written_or_it_is_said_why_not(tmp_path):
    write_html(TWO, tmp_path / "a.html")
    write_png(TWO, tmp_path / "a.png")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == html(TWO)
    with pytest.raises(PermanentError, match="cannot be written: No such file or directory"):
        write_html(TWO, tmp_path / "no" / "a.html")
    with pytest.raises(InvalidError, match="no runs to draw"):
        write_png([], tmp_path / "b.png")


def _contrast(one, other):
    """WCAG's contrast ratio of two colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_read_on_their_paper(theme):
    for colour in (theme.ink, theme.muted, *theme.lines):
        assert _contrast(colour, theme.paper) >= 4.5, colour
    assert len(set(zip(theme.lines, DASHES, strict=True))) == len(theme.lines) == len(DASHES)


@given(st.lists(st.floats(0, 300), max_size=15))
def test_names_do_not_lie_on_each_other(wanted):
    places = spread(sorted(wanted), 15, 34, 300)
    assert all(after - before >= 14.999 for before, after in pairwise(places))
    assert all(place <= 300 for place in places)
    assert all(place >= 34 for place in places) or len(wanted) > 18


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_marks_are_round_and_within(low, size):
    found = ticks(low, low + size)
    assert len(found) <= 14
    assert all(
        low - size * 1e-3 - abs(low) * 1e-8 <= mark <= (low + size) + size * 1e-3 + abs(low) * 1e-8 for mark in found
    )


@pytest.mark.parametrize(
    ("seconds", "unit"), [(90.0, "seconds"), (7000.0, "minutes"), (7200.0, "hours"), (3e5, "days")]
)
def test_time_has_a_unit_that_fits_it(seconds, unit):
    curve = Curve((0.0, seconds), (0.0, 1.0), (0.0, 1.0), (0, 1))
    (group,) = groups([run(mode=Mode.replay, curve=curve)])
    assert {chart.x_label for chart in charts(group)} == {unit}


def test_a_churn_is_drawn_in_lifetimes():
    (group,) = groups([run(mode=Mode.churn, curve=Curve((0.0, 7200.0), (0.0, 1.0), (0.0, 1.0), (0, 1)))])
    assert {(chart.x_label, chart.x[1]) for chart in charts(group)} == {("lifetimes of a pod", 2.0)}


def test_one_seed_has_no_spread_and_only_a_replay_has_waiting():
    page = html([run(mode=Mode.replay)])
    assert "<td>1</td><td>95.00</td><td>-</td>" in page
    assert ">waited</th>" in page
    assert ">waited</th>" not in html(TWO)
