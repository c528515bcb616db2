"""The evaluation of a checked tree, which ends whatever the expression is: every step costs, and the budget is finite.

A step costs 1, and calls that do more have their price (`prices`). The limit is that of Kubernetes; the prices are
close to its, not the same. Source: interpreter of github.com/google/cel-go, CELSelectorExpressionMaxCost of k8s.io/api.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from farthing.decide.cel.functions import FUNCTIONS
from farthing.decide.cel.operators import has, has_value, index
from farthing.decide.cel.prices import price
from farthing.decide.cel.sight import Look
from farthing.decide.cel.tree import Call, Const, Fold, Ident, ListOf, MapOf, Node, Select
from farthing.decide.cel.values import EvaluationError, Semver, TypeName, no_overload, type_of

MOST_COST: Final = 1_000_000
"""What one evaluation may cost."""

Scope = Mapping[str, Any]
Nodes = tuple[Node, ...]


class OutOfBudgetError(Exception):
    """The evaluation costs too much; nothing in the expression can absorb that."""


class Evaluation:
    """One evaluation over one device. `cost` is what it has cost so far."""

    def __init__(self, look: Look, most: int = MOST_COST) -> None:
        self._look = look
        self._most = most
        self.cost = 0

    def outcome(self, root: Node) -> bool | str:
        """Whether the expression matches; a sentence where that cannot be told."""
        try:
            value = self._value(root, {})
        except EvaluationError as error:
            return _explained(str(error))
        except OutOfBudgetError:
            return f"its evaluation costs more than {self._most} steps"
        except RecursionError:
            return "its values nest too deep"
        if not isinstance(value, bool):
            return f"its result is of type {type_of(value)}; expected bool"
        return value

    def _spend(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self._most:
            raise OutOfBudgetError

    def _value(self, node: Node, scope: Scope) -> Any:
        self._spend(1)
        match node:
            case Const():
                return node.value
            case Ident():
                return self._variable(node.name, scope)
            case Call():
                return self._call(node, scope)
            case Select():
                operand = self._value(node.operand, scope)
                return has(operand, node.field) if node.test else index(operand, node.field)
        return self._made(node, scope)

    def _made(self, node: ListOf | MapOf | Fold, scope: Scope) -> Any:
        if isinstance(node, ListOf):
            return self._list(node, scope)
        return self._map(node, scope) if isinstance(node, MapOf) else self._fold(node, scope)

    def _variable(self, name: str, scope: Scope) -> Any:
        if name in scope:
            return _raised(scope[name])
        if name.startswith("device."):
            return self._look.variable(name)
        return TypeName(name)

    def _list(self, node: ListOf, scope: Scope) -> list[Any]:
        made = []
        for i, element in enumerate(node.elements):
            value = self._value(element, scope)
            if i not in node.optional:
                made.append(value)
            elif has_value(value):
                made.append(value.value)
        return made

    def _map(self, node: MapOf, scope: Scope) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key_node, value_node, optional in node.entries:
            key, value = self._value(key_node, scope), self._value(value_node, scope)
            if not isinstance(key, bool | int | float | str):
                raise EvaluationError(f"unsupported key type: {type_of(key)}")
            if not optional:
                made[key] = value
            elif has_value(value):
                made[key] = value.value
        return made

    def _fold(self, node: Fold, scope: Scope) -> Any:
        inner = {**scope, node.accu: self._value(node.init, scope)}
        values = self._value(node.range, scope)
        for first, second in _items(values, two=bool(node.second)):
            inner[node.item] = first
            if node.second:
                inner[node.second] = second
            if self._value(node.condition, inner) is False:
                break
            inner[node.accu] = self._tried(node.step, inner)
        outer = {**scope, node.accu: inner[node.accu]}
        return self._value(node.result, outer)

    def _call(self, node: Call, scope: Scope) -> Any:
        if lazy := self.LAZY.get(node.function):
            return lazy(self, node.args, scope)
        arguments = [self._value(argument, scope) for argument in node.args]
        if node.function == "@in" and isinstance(arguments[0], Semver) and _is_constant_list(node.args[1]):
            raise EvaluationError("a version cannot be looked up in a list of constants; use semver() for its elements")
        self._spend(price(node.function, arguments, self._most))
        return FUNCTIONS[node.function](*arguments)

    def _and(self, nodes: Nodes, scope: Scope) -> bool:
        return self._decided(nodes, scope, by=False)

    def _or(self, nodes: Nodes, scope: Scope) -> bool:
        return self._decided(nodes, scope, by=True)

    def _decided(self, nodes: Nodes, scope: Scope, *, by: bool) -> bool:
        """`&&` is decided by False and `||` by True on either side, whatever goes wrong on the other."""
        first: object = self._tried(nodes[0], scope)
        if first is by:
            return by
        second: object = self._tried(nodes[1], scope)
        if second is by:
            return by
        for value in (first, second):
            if not isinstance(_raised(value), bool):
                raise no_overload()
        return not by

    def _tried(self, node: Node, scope: Scope) -> Any:
        """A value, or what went wrong as a value: the next step of a comprehension may not need it."""
        try:
            return self._value(node, scope)
        except EvaluationError as error:
            return error

    def _choice(self, nodes: Nodes, scope: Scope) -> Any:
        decided = self._value(nodes[0], scope)
        if not isinstance(decided, bool):
            raise no_overload()
        return self._value(nodes[1] if decided else nodes[2], scope)

    def _not_false(self, nodes: Nodes, scope: Scope) -> bool:
        return self._tried(nodes[0], scope) is not False

    def _or_optional(self, nodes: Nodes, scope: Scope) -> Any:
        found = self._value(nodes[0], scope)
        return found if has_value(found) else self._value(nodes[1], scope)

    def _or_value(self, nodes: Nodes, scope: Scope) -> Any:
        found = self._value(nodes[0], scope)
        return found.value if has_value(found) else self._value(nodes[1], scope)

    LAZY: Final[Mapping[str, Callable[["Evaluation", Nodes, Scope], Any]]] = {
        "_&&_": _and,
        "_||_": _or,
        "_?_:_": _choice,
        "@not_strictly_false": _not_false,
        "or": _or_optional,
        "orValue": _or_value,
    }
    """Functions that look at an argument only when they need it."""


def _raised(value: Any) -> Any:
    if isinstance(value, EvaluationError):
        raise value
    return value


def _is_constant_list(node: Node) -> bool:
    return isinstance(node, ListOf) and bool(node.elements) and all(isinstance(e, Const) for e in node.elements)


def _items(values: Any, *, two: bool) -> list[tuple[Any, Any]]:
    """What a comprehension runs over: elements or keys; with two variables, places and elements or keys and values."""
    if isinstance(values, list):
        return list(enumerate(values)) if two else [(value, None) for value in values]
    if isinstance(values, Mapping):
        return list(values.items()) if two else [(key, None) for key in values]
    raise no_overload()


def _explained(problem: str) -> str:
    if "no such key" not in problem:
        return problem
    return f"{problem}; guard it with has(), or with .? and orValue()"
