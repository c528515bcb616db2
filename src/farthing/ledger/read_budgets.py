"""Reading budgets: from what YAML, or an object of Kubernetes, holds to values, or a refusal that names the field."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from farthing.ledger.budget import LENGTHS, Budget, Length
from farthing.ledger.interval import DAY
from farthing.ledger.money import MICRO, parse_micro
from farthing.ledger.read_prices import mapping, parse_instant
from farthing.model.ask import TEAM_PATTERN, TEAM_REFUSED
from farthing.model.budget import ON_EXHAUSTED
from farthing.model.errors import InvalidError
from farthing.model.quantity import MILLI_GPU_HOUR

LARGEST: Final = 1_000_000_000 * MICRO
"""Of money and of hours: 64 bits hold the sums of many."""

MOST: Final = 10_000
LONGEST_DAYS: Final = 3_660

_KEYS: Final = ("team", "money", "gpuHours", "period", "days", "from", "onExhausted", "forecast", "warnAt")
_NAME: Final = "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"


def parse_budgets(data: object) -> tuple[Budget, ...]:
    """The budgets of a YAML file: a list under `budgets`, each with its name; InvalidError names the field's path."""
    listed = mapping("", data, ("budgets",), required=("budgets",), what="budgets")["budgets"]
    if not isinstance(listed, list) or len(listed) > MOST:
        raise InvalidError("budgets", f"expected a list of at most {MOST:,} budgets")
    found: dict[str, Budget] = {}
    for i, entry in enumerate(listed):
        path = f"budgets[{i}]"
        name = mapping(path, entry, ("name", *_KEYS), required=("name",))["name"]
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise InvalidError(f"{path}.name", f"{str(name)[:60]!r} is no name; expected one such as vision-gpus")
        if name in found:
            raise InvalidError(f"{path}.name", f"{name} is there twice")
        found[name] = parse_budget(path, name, {key: value for key, value in entry.items() if key != "name"})
    return tuple(found.values())


def parse_budget(path: str, name: str, data: object) -> Budget:
    """One budget; `path` is where it stands, for the refusal."""
    raw = mapping(path, data, _KEYS, required=("team",), what=f"budget {name}")
    team = raw["team"]
    if not isinstance(team, str) or not re.fullmatch(TEAM_PATTERN, team):
        raise InvalidError(f"{path}.team", f"{str(team)[:60]!r} {TEAM_REFUSED}")
    length, days, since = _parse_period(path, raw)
    of_time, limit = _parse_limit(path, raw)
    warn_at = parse_micro(f"{path}.warnAt", raw.get("warnAt", "0.8"))
    if not 0 < warn_at <= MICRO:
        raise InvalidError(f"{path}.warnAt", f"{raw['warnAt']} is no part of a whole; expected one such as 0.8")
    forecast = raw.get("forecast", True)
    if not isinstance(forecast, bool):
        raise InvalidError(f"{path}.forecast", f"{forecast!r} is neither true nor false")
    return Budget(
        name=name,
        team=team,
        limit=limit,
        of_time=of_time,
        length=length,
        days=days,
        since=since,
        on_exhausted=_one_of(f"{path}.onExhausted", raw.get("onExhausted", "Hold"), ON_EXHAUSTED),
        forecast=forecast,
        warn_at=warn_at,
    )


def _parse_limit(path: str, raw: Mapping[str, Any]) -> tuple[bool, int]:
    """Whether it is GPU time, and how much of it, or of money."""
    if ("money" in raw) == ("gpuHours" in raw):
        raise InvalidError(f"{path}.money", "expected either money, in the ledger's currency, or gpuHours")
    if "money" in raw:
        return False, parse_micro(f"{path}.money", raw["money"], LARGEST)
    return True, parse_micro(f"{path}.gpuHours", raw["gpuHours"], LARGEST) * MILLI_GPU_HOUR // MICRO


def _parse_period(path: str, raw: Mapping[str, Any]) -> tuple[Length, int, int]:
    length = cast("Length", _one_of(f"{path}.period", raw.get("period", "Month"), LENGTHS))
    if length != "Days":
        for key in ("days", "from"):
            if key in raw:
                raise InvalidError(f"{path}.{key}", "goes with period: Days only")
        return length, 0, 0
    days = raw.get("days")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        raise InvalidError(f"{path}.days", f"{days!r} is no number of days; expected 1 to {LONGEST_DAYS:,}")
    return length, days, parse_instant(f"{path}.from", raw.get("from", "1970-01-01")) // DAY


def _one_of(path: str, text: object, words: tuple[Any, ...]) -> Any:
    if text not in words:
        raise InvalidError(path, f"{str(text)[:60]!r} is none of {', '.join(words)}")
    return text
