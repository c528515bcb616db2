"""When a waiting pod would start, in words: a range, and what it rests on."""

from dataclasses import dataclass
from typing import Final

from farthing.cli.look import Look
from farthing.cli.render import age, counted
from farthing.decide.needs import Need
from farthing.decide.when import PASSING, Forecast, forecast
from farthing.model.reason import Reason
from farthing.state.snapshot import Waiting


@dataclass(frozen=True)
class Expected:
    """When a waiting pod would start, in seconds from now; null where it is not known.

    Of the running pods on devices that would do for it, the ends of `by_hint` are known from what they say, of
    `by_history` from `earlier_pods` of their teams, of `unknown` not at all: these are taken to run on.
    """

    earliest_seconds: float | None
    likely_seconds: float | None
    latest_seconds: float | None
    by_hint: int
    by_history: int
    earlier_pods: int
    unknown: int
    sentence: str


def expected(seen: Look, waiting: Waiting, needs: tuple[Need, ...], reason: Reason) -> Expected | None:
    """When it would start; None where its reason to wait is none that passes when others end."""
    if reason.why not in PASSING or not waiting.complete or not needs:
        return None
    found = forecast(seen.world, waiting.pod.key, needs, seen.at)
    return Expected(
        earliest_seconds=_from(found.earliest, seen.at),
        likely_seconds=_from(found.likely, seen.at),
        latest_seconds=_from(found.latest, seen.at),
        by_hint=found.hints,
        by_history=found.history,
        earlier_pods=found.samples,
        unknown=found.unknown,
        sentence=_sentence(found, seen.at),
    )


def _from(instant: float | None, at: float) -> float | None:
    return None if instant is None else round(max(0.0, instant - at), 1)


_NOBODY: Final = "unknown: nothing runs on devices that would do, so nobody's end would help"


def _sentence(found: Forecast, at: float) -> str:
    if not found.hints + found.history + found.unknown:
        return _NOBODY
    rest = f"; this rests on {_basis(found)}" if found.hints or found.history else ""
    open_ended = _open_ended(found)
    if found.earliest is None:
        known = found.hints + found.history
        if not known:
            return f"unknown: {open_ended}"
        also = f"; {open_ended}" if open_ended else ""
        return f"unknown: even when all have ended whose end is known, it has no place{rest}{also}"
    return f"{_range(found, at)}{rest}" + (
        f"; {open_ended}, and it may start sooner when one of them ends" if open_ended else ""
    )


def _range(found: Forecast, at: float) -> str:
    earliest, likely, latest = (
        None if instant is None else age(instant - at) for instant in (found.earliest, found.likely, found.latest)
    )
    if earliest == latest:
        return f"in about {earliest}, if nobody new goes before it"
    middle = f", likely {likely}" if likely is not None and likely not in (earliest, latest) else ""
    until = f"at the latest {latest}" if latest is not None else "the latest is unknown"
    return f"in {earliest} at the earliest{middle}, {until}, if nobody new goes before it"


def _basis(found: Forecast) -> str:
    parts = []
    if found.hints:
        says = "says" if found.hints == 1 else "say"
        parts.append(f"what {counted(found.hints, 'running pod')} {says} (farthing.dev/duration)")
    if found.history:
        running, earlier = counted(found.history, "running pod"), counted(found.samples, "earlier pod")
        parts.append(f"how long {earlier} of the teams of {running} ran")
    return " and ".join(parts)


def _open_ended(found: Forecast) -> str:
    if not found.unknown:
        return ""
    return f"of {counted(found.unknown, 'running pod')} nobody knows the end"
