"""Prints the reference of the cost API from its OpenAPI description, which is printed beside it."""

from collections.abc import Iterator
from typing import Any, Final

from farthing.server.app import openapi

SIGN: Final = "% Printed by `make print`; edits here are overwritten.\n"


def cost_api() -> str:
    """The page, as Markdown."""
    described = openapi()
    head = ["# The cost API\n", SIGN, described["info"]["description"], "\n{download}`As OpenAPI <cost-api.json>`."]
    schemas = sorted(described["components"]["schemas"].items())
    return "\n".join([*head, *_operations(described["paths"]), *_shapes(schemas), ""])


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, operations in paths.items():
        for verb, operation in operations.items():
            yield f"\n## {verb.upper()} {path}\n"
            yield operation.get("description") or operation["summary"]
            if parameters := operation.get("parameters"):
                yield "\n| parameter | says |\n|---|---|"
                yield from map(_parameter, parameters)


def _parameter(parameter: dict[str, Any]) -> str:
    needed = ", needed" if parameter["required"] else ""
    return f"| `{parameter['name']}`{needed} | {cell(parameter.get('description', ''))} |"


def _shapes(schemas: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    for name, schema in schemas:
        if fields := schema.get("properties"):
            said = " ".join(schema.get("description", "").split())
            yield f"\n**{name}** — {said}\n\n| key | value |\n|---|---|"
            yield from (f"| `{key}` | {_value(field)} |" for key, field in fields.items())


def _value(field: dict[str, Any]) -> str:
    """A field's type and what it says."""
    said = field.get("description", "")
    kind = _kind(field)
    return cell(f"{kind}; {said}" if said else kind)


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(field['items'])}"
    return {"string": "text", "integer": "number", "boolean": "true or false"}.get(kind, kind)


def cell(text: str) -> str:
    """A text inside a table, where a bar would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")
