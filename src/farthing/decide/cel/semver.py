"""Semantic versions in CEL. Source: pkg/cel/library/semverlib.go of k8s.io/apiserver, semver.org."""

import re
from typing import Any, Final

from farthing.decide.cel.values import EvaluationError, Semver, no_overload

_SHAPE: Final = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?", re.ASCII
)
_LARGEST: Final = (1 << 64) - 1
_LONGEST: Final = 1024


def parse(text: str, normalise: Any = False) -> Semver:
    """The version of a text; EvaluationError where it is none. `normalise`: "v1.2" is 1.2.0, "01.2.3" is 1.2.3."""
    match = _SHAPE.fullmatch(_normal(text) if normalise else text) if len(text) <= _LONGEST else None
    if match is None:
        raise EvaluationError(f"{text[:64]!r} is not a semantic version; expected major.minor.patch")
    major, minor, patch = (int(match[i]) for i in (1, 2, 3))
    before = match[4].split(".") if match[4] else []
    if max(major, minor, patch) > _LARGEST or "" in (match[5] or "0").split("."):
        raise EvaluationError(f"{text[:64]!r} is not a semantic version: a part is too large or empty")
    return Semver((major, minor, patch, tuple(_identifier(part) for part in before) or _RELEASE))


_RELEASE: Final = ((2, 0, ""),)
"""Sorts after every pre-release."""


def _identifier(part: str) -> tuple[int, int, str]:
    """Numbers sort before words."""
    if not part or (part.isdecimal() and len(part) > 1 and part[0] == "0"):
        raise EvaluationError(f"the pre-release part {part!r} of a semantic version is empty or starts with a zero")
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


def _normal(text: str) -> str:
    parts = [_stripped(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and re.search(r"[+-]", parts[-1]):
        raise EvaluationError("short version cannot contain PreRelease/Build meta data")
    return ".".join(parts + ["0"] * (3 - len(parts)))


def _stripped(part: str) -> str:
    """Without leading zeros."""
    bare = part.lstrip("0")
    return part if len(part) < 2 else bare if bare[:1] in set("0123456789") - {""} and bare else f"0{bare}"


def is_semver(text: str, normalise: Any = False) -> bool:
    try:
        parse(text, normalise)
    except EvaluationError:
        return False
    return True


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1."""
    left, right = _semver(one).order, _semver(other).order
    return int(left > right) - int(left < right)


def part(place: int) -> Any:
    """The function that answers the major (0), minor (1) or patch (2) number."""
    return lambda value: _semver(value).order[place]


def _semver(value: Any) -> Semver:
    if not isinstance(value, Semver):
        raise no_overload()
    return value
