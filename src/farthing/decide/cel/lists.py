"""Functions of lists: Kubernetes' own, the list extension and sets.

Source: pkg/cel/library/lists.go of k8s.io/apiserver; ext/lists.go and ext/sets.go of github.com/google/cel-go.
"""

from functools import cmp_to_key, reduce
from itertools import pairwise
from typing import Any

from farthing.decide.cel.values import EvaluationError, compare, equal, is_in, is_number, no_overload


def is_sorted(values: list[Any]) -> bool:
    return not any(_before(other, one) for one, other in pairwise(values))


def least(values: list[Any]) -> Any:
    """min()."""
    if not values:
        raise EvaluationError("min called on empty list")
    return reduce(lambda best, value: value if _before(value, best) else best, values)


def greatest(values: list[Any]) -> Any:
    """max()."""
    if not values:
        raise EvaluationError("max called on empty list")
    return reduce(lambda best, value: value if _before(best, value) else best, values)


def index_of(values: list[Any], wanted: Any) -> int:
    return next((i for i, value in enumerate(values) if _same(value, wanted)), -1)


def last_index_of(values: list[Any], wanted: Any) -> int:
    return next((i for i in reversed(range(len(values))) if _same(values[i], wanted)), -1)


def includes(values: Any, wanted: Any) -> bool:
    """A single value includes itself."""
    return is_in(wanted, values) if isinstance(values, list) else _same(values, wanted)


def slice_of(values: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvaluationError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(values):
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


def flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    if depth == 0:
        return values
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list):
            flat.extend(flatten(value, depth - 1))
        else:
            flat.append(value)
    return flat


def sort(values: list[Any]) -> list[Any]:
    return sort_by(values, values)


def sort_by(values: list[Any], keys: list[Any]) -> list[Any]:
    """Values in the order of their keys, which are all of one type."""
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")
    if keys and not (is_number(keys[0]) or isinstance(keys[0], bool | str | bytes)):
        raise no_overload()
    order = sorted(range(len(values)), key=lambda i: _KEY(keys[i]))
    return [values[i] for i in order]


def distinct(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not is_in(value, kept):
            kept.append(value)
    return kept


def contains(values: list[Any], wanted: list[Any]) -> bool:
    """sets.contains."""
    return all(is_in(value, values) for value in wanted)


def equivalent(one: list[Any], other: list[Any]) -> bool:
    """sets.equivalent."""
    return contains(one, other) and contains(other, one)


def intersects(one: list[Any], other: list[Any]) -> bool:
    """sets.intersects."""
    return any(is_in(value, other) for value in one)


def _before(one: Any, other: Any) -> bool:
    """Whether one is less; what cannot be compared is not."""
    try:
        return compare(one, other) < 0
    except EvaluationError:
        return False


def _same(one: Any, other: Any) -> bool:
    try:
        return equal(one, other)
    except EvaluationError:
        return False


_KEY = cmp_to_key(compare)
