"""OpenCost's words: windows of time, steps, what to aggregate by, filters. Each as its documentation has it.

Source: opencost.io/docs/integrations/api, and OpenCost's `core/pkg/opencost/window.go` and `allocationprops.go` (2026).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from farthing.ledger.interval import DAY
from farthing.ledger.read_prices import parse_instant
from farthing.model.errors import InvalidError

UNALLOCATED: Final = "__unallocated__"
IDLE: Final = "__idle__"

_UNITS: Final = {"m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_LENGTH: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_PAIR: Final = re.compile(r"([0-9]{1,12})[,-]([0-9]{1,12})")
_WINDOWS: Final = "expected today, yesterday, week, lastweek, month, lastmonth, 7d, or two instants with a comma"
_TEAM_LABELS: Final = ("team", "label:team", "label:farthing.dev/team", "label:farthing_dev_team")
_KINDS: Final = ("deployment", "daemonset", "statefulset", "job")
FIELDS: Final = ("cluster", "namespace", "controller", "controllerKind", *_KINDS, "team", "label:farthing.dev/team")
DEFAULT: Final = "cluster,namespace,controllerKind,controller"

MOST_SETS: Final = 400


def parse_window(text: str, now: int) -> tuple[int, int]:
    """A window's start and end, in seconds since 1970."""
    midnight = datetime.fromtimestamp(now // DAY * DAY, UTC)
    month = midnight.replace(day=1)
    sunday = midnight - timedelta(days=(midnight.weekday() + 1) % 7)
    named = {
        "today": (midnight, midnight + timedelta(days=1)),
        "yesterday": (midnight - timedelta(days=1), midnight),
        "week": (sunday, None),
        "lastweek": (sunday - timedelta(days=7), sunday),
        "month": (month, None),
        "lastmonth": ((month - timedelta(days=1)).replace(day=1), month),
    }
    if text in named:
        start, end = named[text]
        return int(start.timestamp()), int(end.timestamp()) if end else now
    if found := _LENGTH.fullmatch(text):
        number, unit = int(found[1]), _UNITS[found[2]]
        rounded = DAY if found[2] == "w" else unit
        until = now // rounded * rounded + rounded
        return _ordered(until - number * unit, until)
    if found := _PAIR.fullmatch(text):
        return _ordered(int(found[1]), int(found[2]))
    begin, comma, finish = text.partition(",")
    if not comma:
        raise InvalidError("window", f"{text[:60]!r} is no window; {_WINDOWS}")
    return _ordered(parse_instant("window", begin), parse_instant("window", finish))


def _ordered(start: int, end: int) -> tuple[int, int]:
    if not 0 <= start < end:
        raise InvalidError("window", f"it ends before it begins; {_WINDOWS}")
    return start, end


def sets_of(window: tuple[int, int], step: str) -> list[tuple[int, int]]:
    """The windows of the sets of allocations: steps backward from the end until all is covered, in order of time."""
    start, end = window
    if not step:
        return [window]
    found = _LENGTH.fullmatch(step)
    if not found or not int(found[1]):
        raise InvalidError("step", f"{step[:60]!r} is no length of time; expected one such as 1d")
    length = int(found[1]) * _UNITS[found[2]]
    if (end - start) / length > MOST_SETS:
        raise InvalidError("step", f"makes more than {MOST_SETS} sets; expected a longer one")
    ends = range(end, start, -length)
    return [(max(start, until - length), until) for until in reversed(ends)]


def parse_aggregate(text: str) -> tuple[str, ...]:
    """What to aggregate by, in OpenCost's spelling, the label of the team as `team`."""
    fields = []
    for given in (part.strip() for part in (text or DEFAULT).split(",")):
        name = next((field for field in FIELDS if field.lower() == given.lower()), "")
        if given.lower() in _TEAM_LABELS:
            name = "team"
        if not name:
            message = f"{given[:60]!r} is not kept in the books; expected some of {', '.join(FIELDS)}"
            raise InvalidError("aggregate", message)
        fields.append(name)
    return tuple(dict.fromkeys(fields))


@dataclass(frozen=True, slots=True)
class Work:
    """Whose cost it is, as far as the books know."""

    cluster: str
    namespace: str
    workload: str
    team: str

    @property
    def controller_kind(self) -> str:
        """In OpenCost's lower case; empty where the pod has no controller."""
        kind, _, _ = self.workload.partition("/")
        return "" if kind == "Pod" else kind.lower()

    @property
    def controller(self) -> str:
        kind, _, name = self.workload.partition("/")
        return "" if kind == "Pod" else name

    def value(self, field: str) -> str:
        """A field by OpenCost's name, as filters compare it."""
        match field:
            case "controllerKind":
                return self.controller_kind
            case "controllerName" | "controller":
                return self.controller
            case _:
                return str(getattr(self, field))

    def key(self, fields: Sequence[str]) -> str:
        """The name of the allocation that it belongs to."""
        return "/".join(self._part(field) for field in fields)

    def _part(self, field: str) -> str:
        if field in _KINDS:
            return self.controller if self.controller and self.controller_kind == field else UNALLOCATED
        if field == "controller" and self.controller:
            return f"{self.controller_kind}:{self.controller}"
        return self.value(field) or UNALLOCATED


# Filters ----------------------------------------------------------------------------------------------------------

_FILTERED: Final = {
    "cluster": "cluster",
    "namespace": "namespace",
    "controllerKind": "controllerKind",
    "controllerName": "controllerName",
    "label[farthing.dev/team]": "team",
    "label[farthing_dev_team]": "team",
    "label[team]": "team",
    "team": "team",
}
_CLAUSE: Final = re.compile(r'([A-Za-z]+(?:\[[A-Za-z0-9_./-]+\])?)(!?:)("[^"]*"(?:,"[^"]*")*)')


@dataclass(frozen=True, slots=True)
class Clause:
    """A field that is, or is not, one of some values."""

    field: str
    among: frozenset[str]
    wanted: bool

    def accepts(self, work: Work) -> bool:
        """Whether it lets somebody's cost through."""
        return (work.value(self.field) in self.among) is self.wanted


def parse_filter(text: str) -> tuple[Clause, ...]:
    """Clauses that must all hold: namespace:"a","b"+controllerKind!:"job"."""
    clauses = []
    rest = text.strip()
    while rest:
        found = _CLAUSE.match(rest)
        field = _FILTERED.get(found[1]) if found else None
        if found is None or field is None:
            message = (
                f'{rest[:60]!r} is not understood; expected such as namespace:"a","b"+cluster!:"c", of the fields '
            )
            raise InvalidError("filter", f"{message}{', '.join(_FILTERED)}")
        values = frozenset(value.strip('"') for value in re.findall(r'"[^"]*"', found[3]))
        clauses.append(Clause(field, values, found[2] == ":"))
        rest = rest[found.end() :].lstrip()
        if rest and not rest.startswith("+"):
            raise InvalidError("filter", f"{rest[:60]!r}: expected + and a further clause, or the end")
        rest = rest[1:].lstrip()
    return tuple(clauses)
