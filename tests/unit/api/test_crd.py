"""The printer: what pydantic says and Kubernetes wants said otherwise."""

from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field

from farthing.api.crd import custom_resource_definition, structural
from farthing.api.types import DriverProfile, Kind, Part, Rule, ruled


class Inner(Part):
    """Something inside."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule("self.size > 0", "a size is positive"),)
    size: int = Field(ge=1, le=9, description="How big.")


class Outer(Part):
    """A part with one field of every sort."""

    inner_part: Inner = Field(description="The part inside.")
    maybe_part: Inner | None = Field(default=None, description="Perhaps another.")
    maybe: str | None = Field(default=None, max_length=9)
    one: Literal["only"] = "only"
    some: set[Annotated[str, Field(min_length=1)]] = Field(default_factory=set)
    ruled_part: Inner = Field(
        default=Inner(size=1), json_schema_extra=ruled(Rule("self == oldSelf", "it stays as it is"))
    )
    many: tuple[Inner, ...] = ()
    fixed: str = Field(default="x", json_schema_extra=ruled(Rule("self == oldSelf", "it stays")))


@pytest.fixture
def printed():
    return structural(Outer)


def test_names_are_camel_case_and_titles_are_gone(printed):
    assert set(printed["properties"]) == {
        "innerPart",
        "maybePart",
        "ruledPart",
        "maybe",
        "one",
        "some",
        "many",
        "fixed",
    }
    assert "title" not in str(printed)
    assert printed["description"] == "A part with one field of every sort."


def test_references_are_put_in_place_with_their_rules(printed):
    inner = printed["properties"]["innerPart"]
    assert inner["properties"]["size"] == {"type": "integer", "minimum": 1, "maximum": 9, "description": "How big."}
    assert inner["required"] == ["size"]
    assert inner["x-kubernetes-validations"] == [{"rule": "self.size > 0", "message": "a size is positive"}]
    assert inner["description"] == "The part inside."
    assert printed["properties"]["many"]["items"]["properties"] == inner["properties"]
    assert "$" not in str(printed)


def test_a_field_adds_its_rules_to_those_of_the_part_that_it_holds(printed):
    messages = [rule["message"] for rule in printed["properties"]["ruledPart"]["x-kubernetes-validations"]]
    assert messages == ["a size is positive", "it stays as it is"]


def test_optional_is_left_out_rather_than_null(printed):
    assert printed["required"] == ["innerPart"]
    assert printed["properties"]["maybe"] == {"type": "string", "maxLength": 9}
    assert printed["properties"]["maybePart"]["properties"]["size"]["type"] == "integer"
    assert "null" not in str(printed)


def test_one_value_is_an_enum_of_one(printed):
    assert printed["properties"]["one"] == {"type": "string", "enum": ["only"], "default": "only"}


def test_a_set_is_a_list_that_kubernetes_keeps_unique(printed):
    some = printed["properties"]["some"]
    assert some["x-kubernetes-list-type"] == "set"
    assert "uniqueItems" not in some
    assert some["items"] == {"type": "string", "minLength": 1}


def test_pruning_does_what_additional_properties_would(printed):
    assert "additionalProperties" not in str(printed)


def test_a_field_s_own_rule_is_on_the_field(printed):
    assert printed["properties"]["fixed"]["x-kubernetes-validations"] == [
        {"rule": "self == oldSelf", "message": "it stays"}
    ]


class Union(Part):
    either: int | str = 1


class Exclusive(Part):
    above: int = Field(default=1, gt=0)


class Pair(Part):
    both: tuple[int, str] = (1, "x")


class Free(Part):
    anything: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (Union, "Union.either: a field of several types cannot be printed; give it one type"),
        (Exclusive, "Exclusive.above: Kubernetes has no exclusiveMinimum in a structural schema"),
        (Pair, "Pair.both: Kubernetes has no prefixItems in a structural schema"),
        (Free, "Free.anything: a map of free keys cannot be printed; make it a list of Parts"),
    ],
)
def test_what_would_be_lost_stops_the_printer(part, sentence):
    with pytest.raises(TypeError) as stopped:
        structural(part)
    assert str(stopped.value) == sentence


def test_a_kind_becomes_a_definition():
    definition = custom_resource_definition(DriverProfile)
    assert definition["metadata"]["name"] == "driverprofiles.farthing.dev"
    assert definition["spec"]["scope"] == "Cluster"
    (version,) = definition["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1", True, True)
    assert [column["name"] for column in version["additionalPrinterColumns"]] == [
        "Vendor",
        "Memory",
        "Compute",
        "Isolation",
    ]
    assert issubclass(DriverProfile, Kind)
