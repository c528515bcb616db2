"""Pictures of simulations: one page that needs nothing but itself, or one image.

Runs are grouped by what they may be compared on: mode, trace and load. A policy's line is the mean of its seeds, with
their spread around it. The table has every policy and how far it is behind the best: nothing that lost is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import as_file, files
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

import numpy as np
import resvg_py

from farthing.model.errors import InvalidError, PermanentError
from farthing.sim.charts import DARK, HEIGHT, LIGHT, VARIABLES, WIDTH, Chart, Line, css, svg
from farthing.sim.results import LIFETIME, Curve, Mode, Run

POINTS: Final = 400
"""Points of a line; finer than the pictures show."""

ZOOM_FROM: Final = 0.7
"""The second picture of a fill begins here: before, all policies are alike."""

_UNITS: Final = (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0))
"""Units of time for an axis: the first of which it has two."""


@dataclass(frozen=True, slots=True)
class Row:
    """One policy in a table. Percentages are of GPUs; `behind` is the distance to the best, in points."""

    policy: str
    seeds: int
    allocation: float
    spread: float
    behind: float
    rejected: float
    waited: float
    seconds: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that may be compared: all of them on the same trace, in the same mode and at the same load."""

    mode: Mode
    trace: str
    load: float
    runs: tuple[Run, ...]

    @property
    def title(self) -> str:
        load = f" at load {self.load:g}" if self.mode is Mode.churn else ""
        return f"{self.trace}, {self.mode.value}{load}"


def write_html(runs: Sequence[Run], path: Path) -> None:
    """Write a page about the runs; it loads nothing from anywhere."""
    _write(path, html(runs).encode())


def write_png(runs: Sequence[Run], path: Path) -> None:
    """Write the pictures as one image, twice as fine as a screen."""
    _write(path, png(runs))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror}") from error


# What is compared -------------------------------------------------------------------------------------------------


def groups(runs: Sequence[Run]) -> list[Group]:
    """Runs by what they may be compared on, in their order."""
    if not runs:
        raise InvalidError("", "there are no runs to draw")
    found: dict[tuple[Mode, str, float], list[Run]] = defaultdict(list)
    for run in runs:
        found[run.mode, run.trace, run.load if run.mode is Mode.churn else 0.0].append(run)
    return [Group(*key, tuple(members)) for key, members in found.items()]


def by_policy(group: Group) -> dict[str, list[Run]]:
    """Its runs by policy, one with a window of lookahead apart from one without."""
    found: dict[str, list[Run]] = defaultdict(list)
    windows: dict[str, set[int]] = defaultdict(set)
    for run in group.runs:
        windows[run.policy].add(run.window)
    for run in group.runs:
        named = f"{run.policy}, window {run.window}" if run.window > 1 else run.policy
        found[named if len(windows[run.policy]) > 1 or run.window > 1 else run.policy].append(run)
    return found


def rows(group: Group) -> list[Row]:
    """The table, the best allocation first."""
    means = {name: fmean(run.allocation for run in members) for name, members in by_policy(group).items()}
    best = max(means.values())
    found = [
        Row(
            policy=name,
            seeds=len(members),
            allocation=means[name],
            spread=stdev(run.allocation for run in members) if len(members) > 1 else 0.0,
            behind=best - means[name],
            rejected=fmean(run.rejected_gpus for run in members),
            waited=fmean(run.waited for run in members),
            seconds=sum(run.seconds for run in members),
            per_second=sum(run.decisions for run in members) / max(sum(run.seconds for run in members), 1e-9),
        )
        for name, members in by_policy(group).items()
    ]
    return sorted(found, key=lambda row: (-row.allocation, row.policy))


# Pictures ---------------------------------------------------------------------------------------------------------


def charts(group: Group) -> list[Chart]:
    """The pictures of a group: allocation, where it matters, fragmentation, waiting."""
    label, unit = _axis(group)
    waiting = "pods turned away" if group.mode is not Mode.replay else "pods that wait"
    allocation = _drawn(group, lambda curve: curve.allocation, unit)
    found = [_chart("Allocation", label, "% of GPUs given", allocation, floor=0.0)]
    if group.mode is Mode.fill:
        found.append(_zoomed(label, allocation))
    fragmentation = _drawn(group, lambda curve: curve.fragmentation, unit)
    found.append(_chart("Fragmentation: free, and of no use", label, "% of GPUs", fragmentation, floor=0.0))
    found.append(_chart(waiting.capitalize(), label, "pods", _drawn(group, lambda c: c.waiting, unit), floor=0.0))
    return found


def _axis(group: Group) -> tuple[str, float]:
    """The title of the pictures' axis, and what one of its units is of a curve's."""
    if group.mode is Mode.fill:
        return "GPUs asked for so far, % of the fleet's", 1.0
    if group.mode is Mode.churn:
        return "lifetimes of a pod", LIFETIME
    last = min(run.curve.at[-1] for run in group.runs)
    return next((unit for unit in _UNITS if last >= 2 * unit[1]), ("seconds", 1.0))


def _drawn(group: Group, of: Callable[[Curve], Sequence[float]], unit: float) -> tuple[Line, ...]:
    """A line for each policy: the mean over its seeds and their spread, on a common axis."""
    last = min(run.curve.at[-1] for run in group.runs)
    first = max(run.curve.at[0] for run in group.runs)
    finest = max(len(run.curve.at) for run in group.runs)
    grid = np.linspace(first, last, min(POINTS, max(2, finest)))
    lines = []
    for number, (name, members) in enumerate(by_policy(group).items()):
        seen = np.array([np.interp(grid, run.curve.at, of(run.curve)) for run in members])
        several = len(members) > 1
        lines.append(
            Line(
                name=name,
                number=number,
                x=tuple((grid / unit).tolist()),
                y=tuple(seen.mean(axis=0).tolist()),
                low=tuple(seen.min(axis=0).tolist()) if several else (),
                high=tuple(seen.max(axis=0).tolist()) if several else (),
            )
        )
    return tuple(lines)


def _chart(title: str, x_label: str, y_label: str, lines: tuple[Line, ...], floor: float | None = None) -> Chart:
    xs = [x for line in lines for x in (line.x[0], line.x[-1])]
    ys = [y for line in lines for y in (*line.y, *line.low, *line.high)]
    low, high = min(ys) if floor is None else floor, max(ys)
    gap = (high - low) * 0.04 or 1.0
    bottom = low if floor is not None else low - gap
    last = max(xs) if max(xs) > min(xs) else min(xs) + 1
    return Chart(title, x_label, y_label, lines, (min(xs), last), (bottom, high + gap))


def _zoomed(label: str, lines: tuple[Line, ...]) -> Chart:
    """The end of a fill, where policies differ; the axes do not begin at 0, and say so."""
    begin = lines[0].x[0] + ZOOM_FROM * (lines[0].x[-1] - lines[0].x[0])
    late = tuple(
        Line(
            line.name,
            line.number,
            *(
                tuple(v for x, v in zip(line.x, values, strict=True) if x >= begin) if values else ()
                for values in (line.x, line.y, line.low, line.high)
            ),
        )
        for line in lines
    )
    return _chart("Allocation, the last third (axes cut)", label, "% of GPUs given", late)


def png(runs: Sequence[Run]) -> bytes:
    """All pictures below each other."""
    drawn: list[str] = []
    y = 0
    for group in groups(runs):
        drawn.append(
            f'<text x="20" y="{y + 34}" font-family="DejaVu Sans" font-size="18" font-weight="600" '
            f'fill="{LIGHT.ink}">{escape(group.title)}</text>'
        )
        y += 50
        pictures = charts(group)
        for i, chart in enumerate(pictures):
            drawn.append(svg(chart, LIGHT, at=(i % 2 * WIDTH, y + i // 2 * (HEIGHT + 10))))
        y += -(-len(pictures) // 2) * (HEIGHT + 10) + 10
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{y}" viewBox="0 0 {2 * WIDTH} {y}">'
        f"{''.join(drawn)}</svg>"
    )
    with as_file(files("farthing.sim") / "fonts" / "DejaVuSans.ttf") as font:
        return resvg_py.svg_to_bytes(
            svg_string=whole,
            background=LIGHT.paper,
            zoom=2,
            skip_system_fonts=True,
            font_files=[str(font)],
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
        )


# The page ---------------------------------------------------------------------------------------------------------


def html(runs: Sequence[Run]) -> str:
    """The page."""
    found = groups(runs)
    title = "Simulation of " + ", ".join(dict.fromkeys(group.trace for group in found))
    style = (files("farthing.sim") / "report.css").read_text(encoding="utf-8")
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>",
            f"<style>:root {{ {css(LIGHT)} }}",
            f"@media (prefers-color-scheme: dark) {{ :root {{ {css(DARK)} }} }}",
            f"{style}</style></head><body><main>",
            f"<h1>{escape(title)}</h1>",
            *(part for group in found for part in _section(group)),
            "</main></body></html>\n",
        )
    )


def _section(group: Group) -> Iterator[str]:
    yield f"<section><h2>{escape(group.title)}</h2>"
    yield f"<p>{escape(summary(group))}</p>"
    yield from _table(group)
    yield '<div class="charts">'
    for chart in charts(group):
        yield f"<figure>{svg(chart, VARIABLES)}</figure>"
    yield "</div>"
    yield from _numbers(charts(group)[0])
    yield "</section>"


def summary(group: Group) -> str:
    """One paragraph: what was done, who was best, and who was behind by how much."""
    first, table = group.runs[0], rows(group)
    seeds = sorted({run.seed for run in group.runs})
    many = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    arrivals = sorted({run.arrivals for run in group.runs})
    came = f"{arrivals[0]:,}" if len(arrivals) == 1 else f"{arrivals[0]:,} to {arrivals[-1]:,}"
    done = f"{came} pods came to {first.gpus_total:,} GPUs, {many}."
    if len(table) == 1:
        return f"{done} {table[0].policy} gave {table[0].allocation:.2f} % of the GPUs."
    behind = ", ".join(f"{row.policy} {row.behind:.2f}" for row in table[1:])
    return f"{done} Most was given by {table[0].policy}, {table[0].allocation:.2f} %. Points behind it: {behind}."


_TITLES: Final = {
    "policy": "who decided where pods go",
    "seeds": "orders of arrival",
    "allocation": "GPUs given in the end (fill) or on average over time (churn, replay), % of the fleet's",
    "±": "standard deviation over the seeds, points",
    "to the best": "points",
    "turned away": "GPUs of pods without a place, % of what was asked for",
}
_WAITED: Final = {"waited": "seconds of virtual time on average"}
_SPEED: Final = {"decisions/s": "of wall time, with everything around them"}


def _table(group: Group) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr>'
    waits = group.mode is Mode.replay
    titles = {**_TITLES, **_WAITED, **_SPEED} if waits else {**_TITLES, **_SPEED}
    yield "".join(f'<th title="{escape(says)}">{escape(name)}</th>' for name, says in titles.items())
    yield "</tr></thead><tbody>"
    names = list(by_policy(group))
    for row in rows(group):
        number = names.index(row.policy) % len(LIGHT.lines)
        best = "best" if row.behind == 0 else f"\N{MINUS SIGN}{row.behind:.2f}"
        cells = (
            str(row.seeds),
            f"{row.allocation:.2f}",
            f"{row.spread:.2f}" if row.seeds > 1 else "-",
            best,
            f"{row.rejected:.2f}",
            *([f"{row.waited:,.0f}"] if waits else []),
            f"{row.per_second:,.0f}",
        )
        yield f'<tr{" class=best" if row.behind == 0 else ""}><th><span style="background:var(--line-{number})"></span>'
        yield f"{escape(row.policy)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table></div>"


def _numbers(chart: Chart) -> Iterator[str]:
    """The first picture as numbers, for whoever cannot or will not look at pictures."""
    yield f"<details><summary>{escape(chart.title)} in numbers</summary>"
    yield f'<div class="wide"><table><thead><tr><th>{escape(chart.x_label)}</th>'
    yield "".join(f"<th>{escape(line.name)}</th>" for line in chart.lines) + "</tr></thead><tbody>"
    size = len(chart.lines[0].x)
    for i in _about(size, 14):
        cells = "".join(f"<td>{line.y[i]:.2f}</td>" for line in chart.lines)
        yield f"<tr><th>{chart.lines[0].x[i]:,.4g}</th>{cells}</tr>"
    yield "</tbody></table></div></details>"


def _about(size: int, many: int) -> Iterable[int]:
    """So many indices, evenly spread, with the first and the last."""
    return dict.fromkeys(round(i * (size - 1) / (many - 1)) for i in range(many))
