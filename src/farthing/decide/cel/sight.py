"""What an expression sees of a device, and the record of what it looked at.

Two devices that answer alike to everything an evaluation asked of the first cannot differ in its outcome: that is why
`uuid`, which differs from device to device, costs nothing unless the expression looks at it.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from farthing.decide.cel import semver
from farthing.decide.cel.values import Quantity
from farthing.model.cluster import Capacity, Device, Version

Kind = Literal["attributes", "capacity"]
Values = Mapping[str, Mapping[str, Any]]


class Question(NamedTuple):
    """Something asked of a device: one value, the names of a domain (no `name`), or the domains (no `domain`)."""

    what: Literal["driver", "multi", "attributes", "capacity"]
    domain: str | None = None
    name: str | None = None


Answer = Any
"""Hashable, and different where an expression could tell a difference: 1 is not True."""


class Sight:
    """One device of a driver."""

    def __init__(self, driver: str, device: Device) -> None:
        self._driver = driver
        self._device = device
        self._found: dict[str, dict[str, dict[str, Any]]] = {}

    def answer(self, question: Question) -> Answer:
        """What the device says."""
        match question.what:
            case "driver":
                return self._driver
            case "multi":
                return self._device.multi
        domains = self.domains(question.what)
        if question.domain is None:
            return tuple(sorted(domains))
        named = domains.get(question.domain, {})
        if question.name is None:
            return tuple(sorted(named))
        value = named.get(question.name)
        return type(value).__name__, value

    def domains(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """The device's own values by domain and name; a name without a domain is in the driver's."""
        if kind not in self._found:
            found: dict[str, dict[str, Any]] = {}
            for name, value in self._device.attributes if kind == "attributes" else self._device.capacity:
                domain, slash, short = name.partition("/")
                found.setdefault(domain if slash else self._driver, {})[short if slash else name] = value
            self._found[kind] = found
        return self._found[kind]


class Look:
    """One evaluation's eyes on a device: what it asks is kept, in order and once, in `asked`."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self.asked: dict[Question, Answer] = {}

    def ask(self, question: Question) -> Answer:
        if question not in self.asked:
            self.asked[question] = self._sight.answer(question)
        return self.asked[question]

    def variable(self, name: str) -> Any:
        """The value of `device.driver` and the like."""
        match name:
            case "device.driver":
                return self.ask(Question("driver"))
            case "device.allowMultipleAllocations":
                return self.ask(Question("multi"))
            case "device.attributes":
                return Domains(self, "attributes")
        return Domains(self, "capacity")


class Domains(Mapping[str, Mapping[str, Any]]):
    """All attributes, or all capacity, of a device by domain."""

    def __init__(self, look: Look, kind: Kind) -> None:
        self._look = look
        self._kind: Kind = kind

    def __getitem__(self, domain: str) -> "Names":
        if domain not in self:
            raise KeyError(domain)
        return self.reach(domain)

    def __contains__(self, domain: object) -> bool:
        return isinstance(domain, str) and bool(self._look.ask(Question(self._kind, domain)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._look.ask(Question(self._kind)))

    def __len__(self) -> int:
        return len(self._look.ask(Question(self._kind)))

    def reach(self, domain: str) -> "Names":
        """The values of a domain: none where the device has no such domain."""
        return Names(self._look, self._kind, domain)


class Names(Mapping[str, Any]):
    """The attributes, or the capacity, of one domain by name."""

    def __init__(self, look: Look, kind: Kind, domain: str) -> None:
        self._look = look
        self._kind: Kind = kind
        self._domain = domain

    def __getitem__(self, name: str) -> Any:
        _, value = self._look.ask(Question(self._kind, self._domain, name)) if isinstance(name, str) else ("", None)
        if value is None:
            raise KeyError(name)
        return _as_cel(value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._look.ask(Question(self._kind, self._domain, name))[1] is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._look.ask(Question(self._kind, self._domain)))

    def __len__(self) -> int:
        return len(self._look.ask(Question(self._kind, self._domain)))


def _as_cel(value: Any) -> Any:
    if isinstance(value, Version):
        return semver.parse(value.text)
    if isinstance(value, Capacity):
        return Quantity(Fraction(value.value), whole=True)
    return value
