"""A Team, and what Farthing makes of all Teams together, as types.

What one object cannot say about another is CEL in `templates/18-teams.yaml` and beside it.
"""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, WithJsonSchema

from farthing.api.types import Column, Kind, Part, Rule
from farthing.model.ask import TEAM_PATTERN, Isolation
from farthing.model.team import Queueing

TREE: Final = "farthing"
"""The name of the one TeamTree."""

_DEVICES_MOST: Final = 1_000_000
_DEVICES: Final = r"^[0-9]{1,6}(\.[0-9]{1,3})?$"
_BYTES: Final = "^[0-9]{1,9}(Mi|Gi|Ti|Pi)?$"


def _number(pattern: str, most: int) -> WithJsonSchema:
    """A number, or a text that is one."""
    return WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "minimum": 0, "maximum": most, "maxLength": 16, "pattern": pattern}
    )


Devices = Annotated[int | str, _number(_DEVICES, _DEVICES_MOST)]
"""Devices, in thousandths: `16` or `"0.25"`."""

Memory = Annotated[int | str, _number(_BYTES, 1 << 50)]
"""Memory: `640Gi`, or a number of bytes."""

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=TEAM_PATTERN)]
_Model = Annotated[str, Field(min_length=1, max_length=40, pattern="^[A-Za-z0-9](?:-?[A-Za-z0-9]){0,39}$")]

_Order = Annotated[Queueing, WithJsonSchema({"type": "string", "enum": [order.value for order in Queueing]})]
_Class = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^(\*|[A-Za-z0-9](?:-?[A-Za-z0-9]){0,39})$")]
_SORTED_OUT: Final[dict[str, Any]] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["deviceClass"]}
_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}

_LENDS_ITS_OWN: Final = Rule(
    "!has(self.lending) || quantity(string(self.lending)).compareTo(quantity(string(self.amount))) <= 0",
    "lending is a part of amount, so it cannot be more",
)


class ComputeQuota(Part):
    """What a team has of the devices of one class."""

    device_class: _Class = Field(
        description="A model of devices, as farthing.dev/gpu-model has it, or `*` for all models that no team names."
    )
    amount: Devices = Field(
        description='Guaranteed, in devices: `16` or `"0.25"`. Shares and partitions count in part.'
    )
    borrowing: Devices | None = Field(
        default=None, description="How much more it may use while others leave it idle. Absent: without limit."
    )
    lending: Devices | None = Field(
        default=None, description="How much of its own others may use while it leaves it idle. Absent: all of it."
    )
    RULES: ClassVar[tuple[Rule, ...]] = (_LENDS_ITS_OWN,)


class MemoryQuota(Part):
    """What a team has of the memory of devices of one class."""

    device_class: _Class = Field(description="As in compute.")
    amount: Memory = Field(description="Guaranteed device memory: `640Gi`.")
    borrowing: Memory | None = Field(
        default=None, description="How much more it may use while others leave it idle. Absent: without limit."
    )
    lending: Memory | None = Field(
        default=None, description="How much of its own others may use while it leaves it idle. Absent: all of it."
    )
    RULES: ClassVar[tuple[Rule, ...]] = (_LENDS_ITS_OWN,)


class TeamSpec(Part):
    """What a team has of the pool, and who belongs to it."""

    parent: Name | None = Field(
        default=None, description="The team that it is a part of. Absent: it is right under the pool."
    )
    compute: tuple[ComputeQuota, ...] = Field(
        default=(),
        max_length=32,
        description="Its quota of devices, by device class, its child teams' included. Nothing is guaranteed of a "
        "class that is not named.",
        json_schema_extra=_SORTED_OUT,
    )
    memory: tuple[MemoryQuota, ...] = Field(
        default=(),
        max_length=32,
        description="Its quota of device memory, by device class, besides that of devices. Absent: not counted.",
        json_schema_extra=_SORTED_OUT,
    )
    weight: Devices = Field(
        default=1, description="Its part, among its siblings, of what is guaranteed to nobody or left idle."
    )
    maximum: Devices | None = Field(
        default=None,
        description="Devices of all classes that it may use at most, its child teams included. Absent: without limit.",
    )
    namespaces: tuple[Name, ...] = Field(
        default=(),
        max_length=500,
        description="The namespaces whose pods count for it. A namespace belongs to one team; its label "
        "farthing.dev/team counts where no team names it here.",
        json_schema_extra=_SET,
    )
    members: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        default=(),
        max_length=500,
        description="Who may use it and its child teams: users as RBAC spells them, and groups as `group:NAME`. "
        "RBAC's verb `use` on the team says the same.",
        json_schema_extra=_SET,
    )
    priority: int = Field(
        default=0, ge=-999_999_999, le=999_999_999, description="That of its pods which name none, higher first."
    )
    isolation: tuple[Isolation, ...] = Field(
        default=(), max_length=4, description="Levels that its pods may declare. Empty: all.", json_schema_extra=_SET
    )
    models: tuple[_Model, ...] = Field(
        default=(), max_length=32, description="Models that its pods may be on. Empty: all.", json_schema_extra=_SET
    )
    queueing: _Order = Field(
        default=Queueing.BEST_EFFORT,
        description="How its pods wait for each other. Strict: nobody passes the oldest. BestEffort: one that does "
        "not fit lets smaller ones pass, until it has waited too long.",
    )


class Condition(Part):
    """What Farthing makes of the team."""

    type: Literal["Valid"] = Field(description="What is judged.")
    status: Literal["True", "False"] = Field(description="Whether it is so. A team that is not valid is left out.")
    reason: str = Field(min_length=1, max_length=60, description="Why, for machines.")
    message: str = Field(max_length=1000, description="Why, for people.")
    last_transition_time: str = Field(max_length=40, description="Since when.")


class Borrowed(Part):
    """What a team borrowed lately of one device class."""

    what: Literal["compute", "memory"] = Field(description="What is counted.")
    device_class: str = Field(max_length=40, description="The class.")
    amount: int = Field(ge=0, description="In thousandths of devices, or in bytes.")


class Lately(Part):
    """What a team borrowed lately, half forgotten after each half-life (`farthing spoke --half-life`)."""

    as_of: str = Field(max_length=40, description="The instant that this is as of, in RFC 3339.")
    borrowed: tuple[Borrowed, ...] = Field(
        default=(), max_length=100, description="By device class; of a class that is missing, nothing."
    )


class TeamStatus(Part):
    """What Farthing makes of the team; only Farthing writes it."""

    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=4,
        description="`Valid`: whether the team is governed as it is written.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    lately: Lately | None = Field(
        default=None,
        description="What it borrowed lately, for a spoke that starts anew; written rarely. Absent: without a "
        "half-life, and while it always borrowed what it does now.",
    )


class Team(Kind):
    """Who shares the pool: a team, or a team of teams, with its quota.

    While no Team exists nothing is governed: whoever comes first gets what there is.
    """

    PLURAL: ClassVar[str] = "teams"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Parent", ".spec.parent"),
        Column("Weight", ".spec.weight"),
        Column("Valid", '.status.conditions[?(@.type=="Valid")].status'),
        Column("Because", '.status.conditions[?(@.type=="Valid")].message'),
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.metadata.name.matches('{TEAM_PATTERN}')",
            "a team's name is lower-case letters, digits and dashes, at most 63 characters, so that it fits a label",
        ),
        Rule(
            "!has(self.spec.parent) || self.spec.parent != self.metadata.name",
            "a team cannot be its own parent",
        ),
    )

    spec: TeamSpec
    status: TeamStatus | None = Field(default=None, description="What Farthing makes of the team.")


class Guaranteed(Part):
    """What a team is guaranteed of one device class."""

    what: Literal["compute", "memory"] = Field(description="What is counted.")
    device_class: str = Field(max_length=40, description="The class.")
    amount: int = Field(description="In thousandths of devices, or in bytes.")


class Branch(Part):
    """One valid team, as admission looks it up."""

    path: tuple[str, ...] = Field(description="The team, its parent, and so on up to the pool.")
    children: tuple[str, ...] = Field(default=(), description="The teams right below it.")
    members: tuple[str, ...] = Field(default=(), description="As in the Team.")
    quota: tuple[Guaranteed, ...] = Field(default=(), description="What it is guaranteed, by class.")


class TeamTree(Kind):
    """What Farthing makes of all Teams together, for admission to look up. There is one; only Farthing writes it."""

    PLURAL: ClassVar[str] = "teamtrees"
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(f"self.metadata.name == '{TREE}'", f"there is one tree of teams, and it is called {TREE}"),
    )

    teams: dict[str, Branch] = Field(default={}, description="Every valid team by its name.")
    namespaces: dict[str, str] = Field(default={}, description="The team of each namespace that a team names.")


class Usable(Part):
    """A team that may be used from a namespace."""

    path: tuple[str, ...] = Field(description="The team, its parent, and so on up to the pool.")
    members: tuple[str, ...] = Field(default=(), description="The members of all of these.")


class Tenancy(Kind):
    """What may be used from a namespace, for admission to look up. Each has one, while there are teams.

    Only Farthing writes it.
    """

    PLURAL: ClassVar[str] = "tenancies"
    SCOPE: ClassVar[Literal["Cluster", "Namespaced"]] = "Namespaced"

    team: str = Field(default="", max_length=63, description="The namespace's team. Empty: it belongs to none.")
    teams: dict[str, Usable] = Field(default={}, description="That team and all those below it, by name.")
