"""The reference page of the public contract, printed from the types and from the grammar of asks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from farthing.api.crd import structural
from farthing.api.names import GATE, MANAGED, REPACKER
from farthing.api.profiles import BUILT_IN
from farthing.api.types import GROUP, KINDS, Kind
from farthing.model import ask
from farthing.model.keep import KEPT, KEPT_EXPECTED

_HEAD: Final = """\
# What users and administrators write

% Printed by `make print` from farthing.api.types and farthing.model.ask; edits here are overwritten.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD, *_asks(), *(line for kind in KINDS for line in _kind(kind)), *_profiles()]
    return "\n".join(parts) + "\n"


def _asks() -> Iterator[str]:
    yield "## On pods\n"
    yield (
        "Annotations of a pod, or of the pod template of any workload. A wrong text is refused at the door with "
        "the sentence that ends the line.\n"
    )
    rows = [
        (ask.GPU, "how much: `0.25`, `2`, `4x0.5`, `10Gi` or `1g.10gb`", ask.AMOUNT_EXPECTED),
        (ask.GPU_MODEL, "which models will do: `H100` or `A100|H100`; any, where absent", ask.MODELS_EXPECTED),
        (ask.ISOLATION, "how well protected from neighbours; `shared`, where absent", ask.ISOLATION_EXPECTED),
        (ask.DURATION, "how long it will run, a hint: `2h`", ask.DURATION_EXPECTED),
        (ask.PRIORITY, "its place among its team's pods, higher first: `100`", ask.PRIORITY_EXPECTED),
        (ask.MOVE, "whether a repack may restart it elsewhere; `never`, where absent", ask.MOVE_EXPECTED),
    ]
    yield from _table(("annotation", "says", "refused otherwise"), rows)
    yield "## Labels\n"
    resources = " and ".join(f"`{name}`" for name in ask.VENDORS.values())
    yield from _table(
        ("label", "on", "says"),
        [
            (ask.TEAM, "namespaces, pods", "the team that is billed; a DNS label, such as `vision`"),
            (MANAGED, "namespaces", f"`true`: limits of {resources} and pods' own claims are planned by Farthing, too"),
        ],
    )
    yield (
        f"`{KEPT}` on a waiting pod says which devices `farthing repack` is freeing for it, and until when they "
        f"are kept; only who is bound to the ClusterRole `{REPACKER}` may write it. Otherwise refused: "
        f"{KEPT_EXPECTED}.\n"
    )
    yield f"A pod that waits carries the scheduling gate `{GATE}`.\n"


def _kind(kind: type[Kind]) -> Iterator[str]:
    schema = structural(kind)
    yield f"## {kind.__name__}\n"
    yield f"`{GROUP}/{kind.VERSION}`, cluster-wide; `kubectl get {kind.PLURAL}`.\n"
    yield schema["description"] + "\n"
    yield from _table(("field", "type", "where absent", "meaning"), list(_fields(schema, "")))
    yield from _rules(schema)


def _fields(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema["properties"].items():
        path = f"{prefix}{name}"
        if "properties" in field:
            yield from _fields(field, f"{path}.")
        else:
            yield f"`{path}`", _type(field), _absent(field, name in schema.get("required", ())), field["description"]


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f'`"{value}"`' for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return str(field["type"])


def _absent(field: dict[str, Any], required: bool) -> str:
    if required:
        return "refused"
    default = field.get("default")
    if isinstance(default, list):
        return ", ".join(f"`{value}`" for value in default)
    return f"`{default}`" if default else ""


def _rules(schema: dict[str, Any]) -> Iterator[str]:
    found = list(_messages(schema))
    if found:
        yield "Refused with these sentences:\n"
        yield from (f"* {message}" for message in found)
        yield ""


def _messages(schema: dict[str, Any]) -> Iterator[str]:
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    for field in schema.get("properties", {}).values():
        yield from _messages(field)


def _profiles() -> Iterator[str]:
    yield "### Profiles that come with Farthing\n"
    rows = [
        (spec.driver, spec.vendor, spec.memory or "", spec.compute or "", spec.model_attribute or "")
        for spec in BUILT_IN.values()
    ]
    yield from _table(("driver", "vendor", "memory", "compute", "modelAttribute"), rows)
    yield "Any other driver gets a profile without capacities: its devices are given out whole."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row(row) for row in rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
