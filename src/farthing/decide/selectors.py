"""Device selectors: CEL expressions over one device, as Kubernetes evaluates them.

`device.driver`, `device.attributes["domain"].name`, `device.capacity["domain"].name` and
`device.allowMultipleAllocations`, with Kubernetes' `quantity` and `semver`, the string extension, optionals and
`cel.bind`. A name without a domain is in the driver's own; a domain that a device does not have is an empty map. As in
kube-scheduler, an expression that fails on one device fails the request, with a sentence.

Kubernetes' `find`, `findAll`, `sets`, `ip`, `cidr` and `url` functions are not there: such an expression does not
compile, and the pod is told so. Kubernetes bounds the cost of an evaluation as it runs; here the text is bounded before
it runs: its length, how deep comprehensions nest, and how many operations may make values grow.

Source: k8s.io/dynamic-resource-allocation/cel.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

from farthing.decide.celtypes import LIBRARY, quantity_value, semver_value
from farthing.model.cluster import Attribute, Device, DeviceId, Version
from farthing.model.errors import InvalidError
from farthing.state.fleet import Bools

LONGEST: Final = 10 * 1024
"""Characters of an expression; Kubernetes' own limit."""

LONGEST_GROWING: Final = 2 * 1024
"""Characters of an expression in which something may grow."""

MOST_GROWING: Final = 8
DEEPEST: Final = 2

_COMPREHENSION: Final = r"(?:all|exists|exists_one|existsOne|filter|map|transformList|transformMap|transformMapEntry)"
_GROWING: Final = re.compile(rf"\b(?:{_COMPREHENSION}|bind|replace|join|format|split|lowerAscii|upperAscii)\s*\(")
_OPENING: Final = re.compile(rf"(\b{_COMPREHENSION}\s*)?\(|\)")
_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_DYNAMIC: Final = re.compile(rf"\[\s*[^\"'\s]|\b{_COMPREHENSION}\s*\(|\bbind\s*\(|\b[rR][\"']|\"\"\"|'''")

_ENVIRONMENT: Final = cel.NewEnv(
    variables={"device": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)},
    extensions=[
        ext_strings.ExtStrings(),
        ext_bindings.ExtBindings(),
        ext_optional.ExtOptional(),
        ext_math.ExtMath(),
        LIBRARY,
    ],
)


class Selector:
    """One compiled expression. Devices that look the same to it are evaluated once."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._program = _compile(expression)
        self._words = (
            None
            if _DYNAMIC.search(expression)
            else set(re.findall(r"\w[\w.-]*", expression)) | set(re.findall(r"\w+", expression))
        )
        self._domains = sorted({text[1:-1] for text in _TEXT.findall(expression)})
        self._known: dict[object, bool | str] = {}

    def select(self, ids: tuple[DeviceId, ...], devices: tuple[Device, ...]) -> tuple[Bools, str]:
        """For each device whether it matches; and a sentence where that cannot be told of one of them."""
        outcome = np.zeros(len(devices), dtype=bool)
        for i, (name, device) in enumerate(zip(ids, devices, strict=True)):
            answer = self.matches(name.driver, device)
            if isinstance(answer, str):
                return outcome, f"the selector {_shown(self._expression)} fails on device {name}: {answer}"
            outcome[i] = answer
        return outcome, ""

    def matches(self, driver: str, device: Device) -> bool | str:
        """Whether one device matches; a sentence where that cannot be told."""
        seen = self._seen(driver, device)
        if seen not in self._known:
            try:
                self._known[seen] = self._evaluate(driver, device)
            except InvalidError as error:
                self._known[seen] = error.message
        return self._known[seen]

    def _seen(self, driver: str, device: Device) -> object:
        """What the expression can tell of a device: all that its text names, or everything where names are computed."""
        if self._words is None:
            return driver, device.multi, device.attributes, device.capacity
        attributes = tuple(a for a in device.attributes if a[0].rpartition("/")[2] in self._words)
        capacity = tuple(c for c in device.capacity if c[0].rpartition("/")[2] in self._words)
        return driver, device.multi, attributes, capacity

    def _evaluate(self, driver: str, device: Device) -> bool | str:
        attributes = _by_domain(self._domains, driver, ((name, _value(value)) for name, value in device.attributes))
        capacity = _by_domain(self._domains, driver, ((name, quantity_value(c.value)) for name, c in device.capacity))
        seen = {"driver": driver, "attributes": attributes, "capacity": capacity}
        result = self._program.eval(data={"device": {**seen, "allowMultipleAllocations": device.multi}})
        if result.type() == cel.Type.BOOL:
            return bool(result.value())
        if result.type() == cel.Type.ERROR:
            return str(result.value()).split(" [", 1)[0]
        return f"its result is of type {result.type().name()}, not bool"


@lru_cache(maxsize=1024)
def compile_selector(expression: str) -> Selector:
    """A selector; InvalidError with a sentence where the expression is none."""
    return Selector(expression)


def _compile(expression: str) -> Any:
    where = "selector"
    if len(expression) > LONGEST:
        raise InvalidError(where, f"has {len(expression)} characters; at most {LONGEST} are allowed")
    bare = _TEXT.sub('""', expression)
    growing = len(_GROWING.findall(bare))
    if growing and (growing > MOST_GROWING or len(expression) > LONGEST_GROWING or _depth(bare) > DEEPEST):
        raise InvalidError(
            where,
            f"{_shown(expression)} may cost too much: with comprehensions and text operations at most "
            f"{LONGEST_GROWING} characters, {MOST_GROWING} such operations and {DEEPEST} nested comprehensions are "
            f"allowed",
        )
    try:
        program = _ENVIRONMENT.compile(expression)
    except Exception as error:
        said = str(error).split("\n", 1)[0]
        raise InvalidError(where, f"{_shown(expression)} does not compile: {said}") from error
    if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        kind = program.return_type().name()
        raise InvalidError(where, f"{_shown(expression)} is of type {kind}; expected bool")
    return program


def _depth(text: str) -> int:
    """How deep comprehensions nest."""
    stack: list[bool] = []
    deepest = 0
    for match in _OPENING.finditer(text):
        if match[0] == ")":
            if stack:
                stack.pop()
        else:
            stack.append(match[1] is not None)
            deepest = max(deepest, sum(stack))
    return deepest


def _by_domain(domains: list[str], driver: str, named: Iterator[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """Values by domain and short name; domains that the expression names are there even when empty."""
    found: dict[str, dict[str, Any]] = {domain: {} for domain in domains}
    for name, value in named:
        domain, slash, short = name.rpartition("/")
        found.setdefault(domain if slash else driver, {})[short] = value
    return found


def _value(attribute: Attribute) -> Any:
    return semver_value(attribute.text) if isinstance(attribute, Version) else attribute


def _shown(expression: str) -> str:
    return repr(expression) if len(expression) <= 80 else f"{expression[:70]!r}..."
