"""From text to a checked tree: what Kubernetes' API server would refuse is refused here.

The library parses, expands macros and checks types against the declarations below, which are those of Kubernetes 1.37
(`sign` is no method there, numbers of different types have an order, lists of mixed types are no lists). What has no
use in a selector is not declared: times, and the ip, cidr, url, format and authorizer functions.

The library's parser gives up on more than 32 levels. What may grow faster than the text is bounded before it is
parsed: each optMap doubles what is before it.
Source: pkg/cel/environment/base.go of k8s.io/apiserver.
"""

import re
from typing import Any, Final

from cel_expr_python import cel

from farthing.decide.cel.evaluate import Evaluation
from farthing.decide.cel.functions import FUNCTIONS
from farthing.decide.cel.tree import Call, Const, Fold, ListOf, MapOf, Mixed, Node, Reader, Select
from farthing.decide.cel.values import EvaluationError
from farthing.model.errors import InvalidError

LONGEST: Final = 10 * 1024
"""Bytes of an expression; Kubernetes' own limit."""

MOST_DOUBLING: Final = 8

_DOUBLING: Final = re.compile(r"opt(?:Flat)?Map")
_WHERE: Final = "selector"

_T = cel.Type
_DYN, _BOOL, _INT, _UINT, _DOUBLE, _STRING, _BYTES = (
    _T.DYN, _T.BOOL, _T.INT, _T.UINT, _T.DOUBLE, _T.STRING, _T.BYTES,
)  # fmt: skip
_QUANTITY: Final = _T.AbstractType("kubernetes.Quantity")
_SEMVER: Final = _T.AbstractType("kubernetes.Semver")

_CONFIG: Final = """
stdlib:
  exclude_functions: [{name: _<_}, {name: _<=_}, {name: _>_}, {name: _>=_}, {name: timestamp}, {name: duration}]
extensions:
  - {name: bindings}
  - {name: optional}
  - {name: sets}
  - {name: lists, version: 2}
  - {name: two-var-comprehensions}
"""


def _function(name: str, *overloads: tuple[Any, list[Any]], member: bool = True) -> Any:
    """A declaration: overloads are (type of the result, types of the arguments)."""
    made = [
        cel.Overload(f"k8s_{name}_{i}", return_type=result, parameters=parameters, is_member=member)
        for i, (result, parameters) in enumerate(overloads)
    ]
    return cel.FunctionDecl(name, made)


def _orders() -> list[Any]:
    numbers = (_INT, _UINT, _DOUBLE)
    pairs = [[one, other] for one in numbers for other in numbers] + [[t, t] for t in (_BOOL, _STRING, _BYTES)]
    return [
        _function(name, *((_BOOL, pair) for pair in pairs), member=False) for name in ("_<_", "_<=_", "_>_", "_>=_")
    ]


def _lists() -> list[Any]:
    ordered = (_INT, _UINT, _DOUBLE, _BOOL, _STRING, _BYTES)
    return [
        _function("isSorted", *((_BOOL, [_T.List(t)]) for t in ordered)),
        _function("sum", *((t, [_T.List(t)]) for t in (_INT, _UINT, _DOUBLE))),
        _function("min", *((t, [_T.List(t)]) for t in ordered)),
        _function("max", *((t, [_T.List(t)]) for t in ordered)),
        _function("includes", (_BOOL, [_DYN, _DYN])),
    ]


def _texts() -> list[Any]:
    places = [(_INT, [_STRING, _STRING]), (_INT, [_STRING, _STRING, _INT]), (_INT, [_T.List(_DYN), _DYN])]
    texts = _T.List(_STRING)
    return [
        _function("charAt", (_STRING, [_STRING, _INT])),
        _function("indexOf", *places),
        _function("lastIndexOf", *places),
        *(_function(name, (_STRING, [_STRING])) for name in ("lowerAscii", "upperAscii", "trim")),
        _function("replace", (_STRING, [_STRING] * 3), (_STRING, [*[_STRING] * 3, _INT])),
        _function("split", (texts, [_STRING, _STRING]), (texts, [_STRING, _STRING, _INT])),
        _function("substring", (_STRING, [_STRING, _INT]), (_STRING, [_STRING, _INT, _INT])),
        _function("format", (_STRING, [_STRING, _T.List(_DYN)])),
        _function("strings.quote", (_STRING, [_STRING]), member=False),
        _function("join", (_STRING, [texts]), (_STRING, [texts, _STRING])),
        _function("find", (_STRING, [_STRING, _STRING])),
        _function("findAll", (texts, [_STRING, _STRING]), (texts, [_STRING, _STRING, _INT])),
    ]


_BOTH: Final = (_QUANTITY, _SEMVER)
_DECLARED: Final = [
    *_orders(),
    *_lists(),
    *_texts(),
    _function("optional.unwrap", (_T.List(_DYN), [_T.List(_DYN)]), member=False),
    _function("unwrapOpt", (_T.List(_DYN), [_T.List(_DYN)])),
    _function("quantity", (_QUANTITY, [_STRING]), member=False),
    _function("isQuantity", (_BOOL, [_STRING]), member=False),
    _function("sign", (_INT, [_QUANTITY]), member=False),
    _function("semver", (_SEMVER, [_STRING]), (_SEMVER, [_STRING, _BOOL]), member=False),
    _function("isSemver", (_BOOL, [_STRING]), (_BOOL, [_STRING, _BOOL]), member=False),
    _function("isGreaterThan", *((_BOOL, [t, t]) for t in _BOTH)),
    _function("isLessThan", *((_BOOL, [t, t]) for t in _BOTH)),
    _function("compareTo", *((_INT, [t, t]) for t in _BOTH)),
    _function("asApproximateFloat", (_DOUBLE, [_QUANTITY])),
    _function("asInteger", (_INT, [_QUANTITY])),
    _function("isInteger", (_BOOL, [_QUANTITY])),
    _function("add", (_QUANTITY, [_QUANTITY, _QUANTITY]), (_QUANTITY, [_QUANTITY, _INT])),
    _function("sub", (_QUANTITY, [_QUANTITY, _QUANTITY]), (_QUANTITY, [_QUANTITY, _INT])),
    *(_function(name, (_INT, [_SEMVER])) for name in ("major", "minor", "patch")),
]

_ENVIRONMENT: Final = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(_CONFIG),
    variables={
        "device.driver": _STRING,
        "device.allowMultipleAllocations": _BOOL,
        "device.attributes": _T.Map(_STRING, _T.Map(_STRING, _DYN)),
        "device.capacity": _T.Map(_STRING, _T.Map(_STRING, _QUANTITY)),
    },
    functions=_DECLARED,
)


def check(expression: str) -> Node:
    """The tree of an expression that answers a bool, or what only its evaluation can tell; InvalidError otherwise."""
    try:
        size = len(expression.encode())
    except UnicodeEncodeError as error:
        raise InvalidError(_WHERE, f"{shown(expression)} has characters that are no text") from error
    if size > LONGEST:
        raise InvalidError(_WHERE, f"has {size} bytes; at most {LONGEST} are allowed")
    if len(_DOUBLING.findall(expression)) > MOST_DOUBLING:
        raise InvalidError(_WHERE, f"{shown(expression)} uses optMap too often; at most {MOST_DOUBLING} are allowed")
    try:
        checked = _ENVIRONMENT.compile(expression)
        answer = checked.return_type()
    except RuntimeError as error:
        raise InvalidError(_WHERE, f"{shown(expression)} does not compile: {_said(error)}") from error
    if answer not in (_BOOL, _DYN):
        raise InvalidError(_WHERE, f"{shown(expression)} is of type {answer.name().lower()}; expected bool")
    try:
        root = Reader(checked.serialize()).root
        _check_constants(root, expression)
    except Mixed as error:
        raise InvalidError(_WHERE, f"{shown(expression)} mixes types within one list or map") from error
    except RecursionError as error:
        raise InvalidError(_WHERE, f"{shown(expression)} nests too deep") from error
    return root


def shown(expression: str) -> str:
    """An expression for a sentence, shortened."""
    return repr(expression) if len(expression) <= 80 else f"{expression[:70]!r}..."


def _said(error: Exception) -> str:
    first = str(error).split("\n", 1)[0]
    return first.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").removeprefix("<input>:")


def _check_constants(node: Node, expression: str) -> None:
    """Kubernetes converts, formats and reads as patterns what is constant before it evaluates anything."""
    match node:
        case Call("matches" | "find" | "findAll", (_, Const(str(pattern)), *_)):
            _try("matches", expression, "", pattern)
        case Call("int" | "uint" | "double" | "bool" | "string" | "bytes", (Const(value),)):
            _try(node.function, expression, value)
        case Call("format", (Const(str(template)), ListOf(elements))) if all(isinstance(e, Const) for e in elements):
            _try("format", expression, template, [e.value for e in elements if isinstance(e, Const)])
    if isinstance(node, Call) and node.function not in FUNCTIONS and node.function not in Evaluation.LAZY:
        raise InvalidError(_WHERE, f"{shown(expression)} uses {node.function}, which is not offered to selectors")
    for child in _children(node):
        _check_constants(child, expression)


def _try(function: str, expression: str, *arguments: Any) -> None:
    try:
        FUNCTIONS[function](*arguments)
    except EvaluationError as error:
        raise InvalidError(_WHERE, f"{shown(expression)} has a constant that is wrong: {error}") from error


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args
        case ListOf():
            return node.elements
        case MapOf():
            return tuple(part for key, value, _ in node.entries for part in (key, value))
        case Fold():
            return (node.range, node.init, node.condition, node.step, node.result)
    return ()
