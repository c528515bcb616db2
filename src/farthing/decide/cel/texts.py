"""Functions of texts: CEL's own, the string extension (version 2) and Kubernetes' `find` and `findAll`.

Patterns are RE2's, which cannot be slow; they go to the library, because Python's own can. So do `format` and `quote`.
Source: ext/strings.go of github.com/google/cel-go, pkg/cel/library/regex.go of k8s.io/apiserver.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from farthing.decide.cel.values import EvaluationError, Null, type_of

_LIBRARY: Final = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml("extensions: [{name: strings, version: 2}, {name: optional}, {name: regex}]"),
    variables={"a": cel.Type.DYN, "b": cel.Type.DYN},
)


@lru_cache(maxsize=16)
def _program(call: str) -> Any:
    return _LIBRARY.compile(call)


def _library(call: str, one: Any, other: Any = "") -> Any:
    """What the library answers to a call of a and b."""
    result = _program(call).eval(data={"a": one, "b": other})
    if result.type() == cel.Type.ERROR:
        raise EvaluationError(str(result.value()).split(" [", 1)[0].removeprefix("INVALID_ARGUMENT: "))
    return result.plain_value()


def matches(text: str, pattern: str) -> bool:
    return bool(_library("a.matches(b)", text, pattern))


def find(text: str, pattern: str) -> str:
    """The first match; empty where there is none."""
    return next(iter(find_all(text, pattern, 1)), "")


def find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    """All matches, or the first so many. The library marks them in the text with two signs that are not in it."""
    matches("", pattern)
    opening, closing = _unused(text)
    marked = str(_library("regex.replace(a, b[0], b[1])", text, [f"({pattern})", f"{opening}\\1{closing}"]))
    found = [piece.partition(closing)[0] for piece in marked.split(opening)[1:]]
    return found if most < 0 else found[:most]


def _unused(text: str) -> tuple[str, str]:
    """Two characters of the private use area that a text does not have."""
    signs = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    return next(signs), next(signs)


def quote(text: str) -> str:
    return str(_library("strings.quote(a)", text))


def format_text(template: str, values: list[Any]) -> str:
    return str(_library("a.format(b)", template, [_plain(value) for value in values]))


def _plain(value: Any) -> Any:
    """A value as the library takes it; quantities, versions and the like have no text."""
    if isinstance(value, Null):
        return None
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {_plain(key): _plain(part) for key, part in value.items()}
    if isinstance(value, bool | int | float | str | bytes):
        return value
    raise EvaluationError(f"cannot write a value of type {type_of(value)} as text")


def char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise EvaluationError(f"index out of range: {at}")
    return text[at : at + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    _not_negative(start)
    if not part:
        return min(start, len(text))
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """`start` is the last place at which the part may begin."""
    if start is None:
        return text.rfind(part)
    _not_negative(start)
    if not part:
        return min(start, len(text))
    return text.rfind(part, 0, start + len(part)) if start < len(text) else -1


def _not_negative(at: int) -> None:
    if at < 0:
        raise EvaluationError(f"index out of range: {at}")


def replace(text: str, old: str, new: str, most: int = -1) -> str:
    return text.replace(old, new, most)


def split(text: str, separator: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if separator:
        return text.split(separator, most - 1 if most > 0 else -1)
    if most < 0 or most >= len(text):
        return list(text)
    return [*text[: most - 1], text[most - 1 :]]


def substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if end is not None and start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for at in (start, stop):
        if not 0 <= at <= len(text):
            raise EvaluationError(f"index out of range: {at}")
    return text[start:stop]


def lower_ascii(text: str) -> str:
    return text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    return text.translate(_UPPER)


def trim(text: str) -> str:
    return text.strip(_SPACES)


def join(texts: list[str], separator: str = "") -> str:
    if not all(isinstance(text, str) for text in texts):
        raise EvaluationError("no such overload")
    return separator.join(texts)


_SPACES: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
