"""Line charts as SVG: one function from values to text, no scripts, nothing to load.

Lines differ in colour and in dashes, and carry their names at their ends, so that they can be told apart without seeing
colours. A `Theme` says the colours: names of CSS variables for a page that has a light and a dark side, or plain ones.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 800
HEIGHT: Final = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 190, 34, 46
_LABEL_STEP: Final = 15
"""Pixels between two names at the lines' ends."""

DASHES: Final = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "2 5", "14 3 2 3 2 3")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by their purpose; `lines` are taken in turn."""

    ink: str
    muted: str
    grid: str
    paper: str
    lines: tuple[str, ...]


LIGHT: Final = Theme(
    ink="#1a1c20", muted="#5b616b", grid="#e2e5ea", paper="#ffffff",
    lines=("#0063b1", "#c2410c", "#00775a", "#9b2f80", "#7a5200", "#5a5fcf", "#5c6370", "#6a6f00"),
)  # fmt: skip
DARK: Final = Theme(
    ink="#eceef2", muted="#a4abb8", grid="#333944", paper="#15181d",
    lines=("#5cb3ff", "#ff9561", "#3fd4a4", "#f19ad6", "#e3b550", "#a5a9ff", "#b4bac6", "#cfd257"),
)  # fmt: skip
VARIABLES: Final = Theme(
    ink="var(--ink)", muted="var(--muted)", grid="var(--grid)", paper="var(--paper)",
    lines=tuple(f"var(--line-{i})" for i in range(len(LIGHT.lines))),
)  # fmt: skip
"""For pages: the variables of `css`."""


def css(theme: Theme) -> str:
    """The variables of a theme, as declarations."""
    named = {"ink": theme.ink, "muted": theme.muted, "grid": theme.grid, "paper": theme.paper}
    named |= {f"line-{i}": colour for i, colour in enumerate(theme.lines)}
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


@dataclass(frozen=True, slots=True)
class Line:
    """One line, `number` giving its colour and dashes. `low` and `high` are its spread; empty where there is none."""

    name: str
    number: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. `x` and `y` are the ranges of the axes; what lies outside is not shown."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x: tuple[float, float]
    y: tuple[float, float]


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high, about so many."""
    raw = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def svg(chart: Chart, theme: Theme, *, at: tuple[int, int] = (0, 0)) -> str:
    """The chart as an SVG element of WIDTH x HEIGHT; `at` places it inside another one."""
    opening = (
        f'<svg x="{at[0]}" y="{at[1]}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="DejaVu Sans, system-ui, sans-serif" font-size="12" '
        'xmlns="http://www.w3.org/2000/svg">'
    )
    title = f'<text x="{_LEFT}" y="18" font-size="14" font-weight="600" fill="{theme.ink}">{escape(chart.title)}</text>'
    parts = (part(chart, theme) for part in (_axes, _bands, _lines, _names))
    return "\n".join((opening, title, *(line for part in parts for line in part), "</svg>"))


def _px(chart: Chart, x: float) -> float:
    low, high = chart.x
    return _LEFT + (x - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)


def _py(chart: Chart, y: float) -> float:
    low, high = chart.y
    return HEIGHT - _BOTTOM - (y - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _axes(chart: Chart, theme: Theme) -> Iterator[str]:
    left, right, bottom = _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for value in ticks(*chart.y):
        y = _py(chart, value)
        yield f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{theme.grid}"/>'
        yield _text(left - 8, y + 4, f"{value:,g}", theme.muted, "end")
    for value in ticks(*chart.x, about=8):
        x = _px(chart, value)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="{theme.muted}"/>'
        yield _text(x, bottom + 18, f"{value:,g}", theme.muted, "middle")
    yield f'<line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="{theme.muted}"/>'
    yield _text((left + right) / 2, HEIGHT - 8, chart.x_label, theme.muted, "middle")
    yield (
        f'<text transform="translate(14 {(_TOP + bottom) / 2:.0f}) rotate(-90)" text-anchor="middle" '
        f'fill="{theme.muted}">{escape(chart.y_label)}</text>'
    )


def _text(x: float, y: float, text: str, fill: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _inside(chart: Chart, x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """The points within the axes, in pixels; what is above or below runs along the edge."""
    low, high = chart.y
    return [
        (_px(chart, a), _py(chart, min(max(b, low), high)))
        for a, b in zip(x, y, strict=True)
        if chart.x[0] <= a <= chart.x[1]
    ]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _bands(chart: Chart, theme: Theme) -> Iterator[str]:
    for line in chart.lines:
        if line.low:
            around = [*_inside(chart, line.x, line.high), *reversed(_inside(chart, line.x, line.low))]
            yield f'<polygon points="{_path(around)}" fill="{_colour(theme, line)}" fill-opacity="0.13"/>'


def _lines(chart: Chart, theme: Theme) -> Iterator[str]:
    for line in chart.lines:
        dashes = DASHES[line.number % len(DASHES)]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield (
            f'<polyline points="{_path(_inside(chart, line.x, line.y))}" fill="none" '
            f'stroke="{_colour(theme, line)}" stroke-width="2" stroke-linejoin="round"{dashed}>'
            f"<title>{escape(line.name)}</title></polyline>"
        )


def _colour(theme: Theme, line: Line) -> str:
    return theme.lines[line.number % len(theme.lines)]


def _names(chart: Chart, theme: Theme) -> Iterator[str]:
    """The lines' names and last values at their ends, spread so that they do not lie on each other."""
    ends = [(_inside(chart, line.x, line.y)[-1], line) for line in chart.lines if line.x]
    ends.sort(key=lambda entry: (entry[0][1], entry[1].name))
    places = spread([y for (_, y), _ in ends], _LABEL_STEP, _TOP, HEIGHT - _BOTTOM)
    for ((x, y), line), place in zip(ends, places, strict=True):
        colour = _colour(theme, line)
        yield f'<path d="M{x:.1f} {y:.1f} L{x + 12:.1f} {place:.1f}" stroke="{colour}" stroke-opacity="0.6"/>'
        yield _text(x + 16, place + 4, f"{line.name} {short(line.y[-1])}", colour)


def short(value: float) -> str:
    """A number for a label: two decimals below a hundred, none for whole numbers."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def spread(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones (in order), at least a step apart, and inside low..high where there is room."""
    places: list[float] = []
    for y in wanted:
        places.append(max(y, places[-1] + step) if places else max(y, low))
    over = places[-1] - high if places else 0
    limit = high
    for i in range(len(places) - 1, -1, -1):
        if over <= 0:
            break
        places[i] = min(places[i], limit)
        limit = places[i] - step
    return places
