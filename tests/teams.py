"""Small builders for teams: amounts in devices, classes by name."""

import itertools
from typing import Any

from farthing.model.team import Quota, Team

_versions = itertools.count(1)


def quota(amount: float, borrowing: float | None = None, lending: float | None = None) -> Quota:
    """A quota of compute, in devices."""
    return Quota(
        _milli(amount), None if borrowing is None else _milli(borrowing), None if lending is None else _milli(lending)
    )


def team(name: str, parent: str = "", *, weight: float = 1, maximum: float | None = None, **more: Any) -> Team:
    """A team that owns the namespace of its name; `H100=4` or `H100=quota(4, borrowing=2)` is its quota of a class."""
    kinds = [key for key in more if key[0].isupper()]
    compute = tuple((kind, q if isinstance(q := more.pop(kind), Quota) else quota(q)) for kind in kinds)
    fields: dict[str, Any] = {"compute": compute, "namespaces": (name,), **more}
    most = None if maximum is None else _milli(maximum)
    return Team(name, next(_versions), parent, weight=round(weight * 1000), maximum=most, **fields)


def _milli(devices: float) -> int:
    return round(devices * 1000)
