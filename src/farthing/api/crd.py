"""Prints a pydantic type as a CustomResourceDefinition with a structural schema.

pydantic writes JSON schema; Kubernetes takes a part of it. What differs is translated here, and a keyword that
Kubernetes would refuse or ignore stops the printer, so that no rule of a type is silently lost.
"""

from collections.abc import Mapping
from typing import Any, Final

from farthing.api.types import GROUP, Column, Kind, Part

_RULES: Final = "x-kubernetes-validations"
_KEPT: Final = {
    "type", "description", "default", "enum", "format", "pattern", "items", "required",
    "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
    _RULES, "x-kubernetes-list-type",
}  # fmt: skip
_DROPPED: Final = {"title", "additionalProperties", "$defs", "properties"}
"""Noise, what pruning does already, and what is taken apart elsewhere."""


def custom_resource_definition(kind: type[Kind]) -> dict[str, Any]:
    """The CRD of a kind, ready to be applied. Cluster-scoped."""
    name = kind.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.PLURAL,
                "singular": name.lower(),
                "shortNames": list(kind.SHORT),
                "categories": ["farthing"],
            },
            "scope": "Cluster",
            "versions": [
                {
                    "name": kind.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural(kind)},
                    "additionalPrinterColumns": [_column(column) for column in kind.COLUMNS],
                }
            ],
        },
    }


def structural(part: type[Part]) -> dict[str, Any]:
    """The type as Kubernetes' structural schema: no references, no null, no titles, rules as CEL."""
    raw = part.model_json_schema(by_alias=True)
    shapes = raw.get("$defs", {})
    definitions = {name: (shapes[name], cls) for name, cls in _parts_in(part).items()}
    return _object(raw, part, definitions)


def _column(column: Column) -> dict[str, str]:
    return {"name": column.name, "type": "string", "jsonPath": column.path}


def _parts_in(part: type[Part]) -> dict[str, type[Part]]:
    """Every part that is a field of `part` or of one of its parts, by the name pydantic refers to it with."""
    found: dict[str, type[Part]] = {}
    for field in part.model_fields.values():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Part):
                found |= {candidate.__name__: candidate, **_parts_in(candidate)}
    return found


_Definitions = Mapping[str, tuple[dict[str, Any], type[Part]]]


def _object(raw: Mapping[str, Any], part: type[Part], definitions: _Definitions) -> dict[str, Any]:
    schema = _keywords(raw, part.__name__, definitions)
    schema["properties"] = {
        name: _value(value, f"{part.__name__}.{name}", definitions) for name, value in raw["properties"].items()
    }
    if part.RULES:
        schema[_RULES] = [rule.as_schema() for rule in part.RULES]
    return schema


def _value(raw: Mapping[str, Any], where: str, definitions: _Definitions) -> dict[str, Any]:
    if "$ref" in raw:
        definition, part = definitions[raw["$ref"].rpartition("/")[2]]
        return _with(_object(definition, part, definitions), raw)
    if "anyOf" in raw:
        return _optional(raw, where, definitions)
    if raw.get("type") == "object":
        raise TypeError(f"{where}: a map of free keys cannot be printed; make it a list of Parts")
    return _keywords(raw, where, definitions)


def _with(schema: dict[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
    """A part's schema with the description of the field that holds it, and the field's rules after the part's own."""
    rules = [*schema.get(_RULES, ()), *field.get(_RULES, ())]
    return schema | {k: v for k, v in field.items() if k == "description"} | ({_RULES: rules} if rules else {})


def _optional(raw: Mapping[str, Any], where: str, definitions: _Definitions) -> dict[str, Any]:
    """`X | None` is X that may be left out; any other union has no structural schema."""
    choices = [choice for choice in raw["anyOf"] if choice != {"type": "null"}]
    if len(choices) != 1:
        raise TypeError(f"{where}: a field of several types cannot be printed; give it one type")
    rest = {k: v for k, v in raw.items() if k != "anyOf" and not (k == "default" and v is None)}
    return _value(choices[0] | rest, where, definitions)


def _keywords(raw: Mapping[str, Any], where: str, definitions: _Definitions) -> dict[str, Any]:
    raw = dict(raw)
    if "const" in raw:
        raw["enum"] = [raw.pop("const")]
    if raw.pop("uniqueItems", False):
        raw["x-kubernetes-list-type"] = "set"
    unknown = raw.keys() - _KEPT - _DROPPED
    if unknown:
        raise TypeError(f"{where}: Kubernetes has no {', '.join(sorted(unknown))} in a structural schema")
    schema = {key: value for key, value in raw.items() if key in _KEPT}
    if "items" in schema:
        schema["items"] = _value(schema["items"], f"{where}[]", definitions)
    return schema
