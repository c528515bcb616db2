"""The objects that Farthing adds to a cluster, as types. CRDs and reference pages are printed from here.

A field's description, limits and rules are written once, on the field. Rules over several fields are CEL (`RULES`).
"""

from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from farthing.model.ask import TEAM_PATTERN, TEAM_REFUSED, VENDORS, Isolation
from farthing.model.budget import OnExhausted
from farthing.model.currency import CURRENCIES

GROUP: Final = "farthing.dev"
VERSION: Final = "v1"


class Rule(NamedTuple):
    """What must hold of an object, in CEL, and the sentence for the person whose object breaks it."""

    expression: str
    message: str

    def as_schema(self) -> dict[str, str]:
        """The rule as an entry of `x-kubernetes-validations`."""
        return {"rule": self.expression, "message": self.message}


class Column(NamedTuple):
    """One column of `kubectl get`."""

    name: str
    path: str


def ruled(*rules: Rule) -> dict[str, Any]:
    """What to give `Field(json_schema_extra=...)` so that a single field carries rules of its own."""
    return {"x-kubernetes-validations": [rule.as_schema() for rule in rules]}


class Part(BaseModel):
    """A part of an object: camelCase in YAML, nothing unknown, never changed in place."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()


class Kind(Part):
    """A kind of object. `RULES` may look at `self.metadata.name`."""

    PLURAL: ClassVar[str]
    SCOPE: ClassVar[Literal["Cluster", "Namespaced"]] = "Cluster"
    VERSION: ClassVar[str] = VERSION
    SHORT: ClassVar[tuple[str, ...]] = ()
    COLUMNS: ClassVar[tuple[Column, ...]] = ()


Capacity = Annotated[
    str,
    Field(min_length=1, max_length=96, pattern=r"^(?:[a-z0-9][a-z0-9.-]{0,61}[a-z0-9]/)?[A-Za-z_][A-Za-z0-9_]{0,31}$"),
]
"""The name of a capacity or attribute as a ResourceSlice spells it, with or without its domain."""

Vendor = Annotated[str, Field(json_schema_extra={"enum": ["", *VENDORS]})]


class DriverProfileSpec(Part):
    """How to read the devices of one DRA driver."""

    driver: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$",
        description="The driver's name, as its ResourceSlices say it in `spec.driver`.",
        json_schema_extra=ruled(Rule("self == oldSelf", "a profile keeps its driver; make a new profile instead")),
    )
    vendor: Vendor = Field(
        default="",
        description="Whose devices they are, for asks that come from a vendor's own resource name such as "
        "nvidia.com/gpu. Empty: such asks never land here. A device's own attribute `vendor` goes before it.",
    )
    memory: Capacity | None = Field(
        default=None,
        description="The capacity that is the device's memory in bytes. Absent: the driver publishes none.",
    )
    compute: Capacity | None = Field(
        default=None,
        description="The capacity that is the device's compute, in any unit; the device's full value is one whole "
        "device. Absent: compute is not counted by the driver. Without memory and compute only whole devices can be "
        "asked for.",
    )
    model_attribute: Capacity | None = Field(
        default=None,
        description="The attribute that holds the device's model, for farthing.dev/gpu-model. Absent: unknown, so "
        "asks that name a model never land here.",
    )
    profile_attribute: Capacity | None = Field(
        default=None,
        description="The attribute that holds a MIG profile such as 1g.10gb. Absent: the driver has no partitions.",
    )
    isolation: tuple[Isolation, ...] = Field(
        default=("shared",),
        min_length=1,
        max_length=4,
        description="Levels that every device of the driver can deliver, where the device's own attributes "
        "isolationShared, isolationSoft, isolationHard and isolationPartition do not say.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.memory) || !has(self.compute) || self.memory != self.compute",
            "memory and compute must be two different capacities",
        ),
        Rule(
            "!self.isolation.exists(level, level == 'partition') || has(self.profileAttribute)",
            "isolation partition needs profileAttribute, which says what a partition is called",
        ),
    )


class DriverProfile(Kind):
    """A DRA driver whose devices Farthing owns, and how to read them.

    While a profile stands, only Farthing allocates that driver's devices. Deleting it gives them back to
    kube-scheduler.
    """

    PLURAL: ClassVar[str] = "driverprofiles"
    SHORT: ClassVar[tuple[str, ...]] = ("dp",)
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Vendor", ".spec.vendor"),
        Column("Memory", ".spec.memory"),
        Column("Compute", ".spec.compute"),
        Column("Isolation", ".spec.isolation"),
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("self.metadata.name == self.spec.driver", "a profile is named after its driver, so that each has one"),
    )

    spec: DriverProfileSpec


Amount = Annotated[str, Field(pattern=r"^[0-9]{1,9}(?:\.[0-9]{1,6})?$", max_length=16)]
"""A decimal number of at most six decimals, as text, so that nobody rounds it."""


class BudgetSpec(Part):
    """What a team, with the teams below it, may spend in a period."""

    team: str = Field(
        pattern=TEAM_PATTERN,
        max_length=63,
        description=f"The team; what teams below it spend counts, too. Another text {TEAM_REFUSED}.",
    )
    money: Amount | None = Field(
        default=None, description='So much money, in the ledger\'s currency, such as "1000.00". Or else gpuHours.'
    )
    gpu_hours: Amount | None = Field(
        default=None, description='So many hours of whole GPUs, such as "500"; half a GPU for an hour is 0.5.'
    )
    period: Literal["Month", "Quarter", "Days"] = Field(
        default="Month", description="A calendar month or quarter in UTC, or so many days."
    )
    days: int | None = Field(default=None, ge=1, le=3660, description="The length of a period of days.")
    from_: str | None = Field(
        default=None,
        alias="from",
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        max_length=10,
        description="A day on which a period of days begins; 1970-01-01 where absent.",
    )
    on_exhausted: OnExhausted = Field(
        default="Hold",
        description="What happens once it is spent. Warn: it is said. Hold: new work waits as well. Stop: work that "
        "runs is evicted as well.",
    )
    forecast: bool = Field(
        default=True,
        description="Whether work waits, too, whose farthing.dev/duration says that it would cost more than is left. "
        "Means nothing with Warn.",
    )
    warn_at: Annotated[str, Field(pattern=r"^(?:0\.[0-9]{1,6}|1)$", max_length=8)] = Field(
        default="0.8", description="It warns once this part is spent."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.money) != has(self.gpuHours)", "expected either money or gpuHours"),
        Rule("(self.period == 'Days') == has(self.days)", "days goes with period: Days, and period: Days needs it"),
        Rule("!has(self.from) || self.period == 'Days'", "from goes with period: Days only"),
    )


class BudgetStatus(Part):
    """How the budget stands; only Farthing writes it, once a minute at most where its state stays the same.

    Amounts are decimals in `unit`: money of the ledger's currency, or GPU hours.
    """

    unit: str = Field(max_length=16, description="The ledger's currency, or GPU hours.")
    limit: str = Field(max_length=40, description="What may be spent in a period.")
    spent: str = Field(max_length=40, description="What is spent of it.")
    left: str = Field(max_length=40, description="What is left; 0 where more is spent.")
    forecast: str = Field(
        max_length=40, description="What will be spent when it resets, if the pace of the last six hours goes on."
    )
    state: Literal["ok", "warning", "exhausted"] = Field(description="warning: from the part on at which it warns.")
    burning: bool = Field(description="Whether it is being spent much faster than it would last.")
    resets_at: str = Field(max_length=32, description="When the period ends, in UTC.")
    as_of: str = Field(max_length=32, description="When it stood so, in UTC.")


class Budget(Kind):
    """What a team may spend in a period.

    It counts on clusters whose spoke keeps a ledger, and counts what the ledger has of all clusters.
    """

    PLURAL: ClassVar[str] = "budgets"
    VERSION: ClassVar[str] = "v1alpha1"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Team", ".spec.team"),
        Column("Money", ".spec.money"),
        Column("GPU hours", ".spec.gpuHours"),
        Column("Period", ".spec.period"),
        Column("On exhausted", ".spec.onExhausted"),
        Column("Spent", ".status.spent"),
        Column("Left", ".status.left"),
        Column("State", ".status.state"),
    )

    spec: BudgetSpec
    status: BudgetStatus | None = None


Name = Annotated[str, Field(max_length=253)]
Minute = Annotated[str, Field(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", max_length=5)]


class PriceWindow(Part):
    """Hours of some weekdays, in UTC."""

    from_: Minute = Field(default="00:00", alias="from", description="When it opens, such as 22:00, in UTC.")
    to: Minute = Field(
        default="24:00", description="When it closes; before `from`: on the next day. Not the same as `from`."
    )
    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        min_length=1,
        max_length=7,
        description="The days on which it opens.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    RULES: ClassVar[tuple[Rule, ...]] = (Rule("self.from != self.to", "the window is empty; leave it out for all day"),)


class PriceLine(Part):
    """What a device costs an hour. Of lines that speak of a device the narrowest counts."""

    per_hour: Amount = Field(description='What a whole device costs an hour, such as "2.50".')
    model: Name = Field(default="", description="Only devices of this model; every one where empty.")
    cluster: Name = Field(default="", description="Only devices of this cluster; every one where empty.")
    commitment: Name = Field(
        default="",
        description="Only devices of nodes with this label farthing.dev/commitment; those without where empty.",
    )
    window: PriceWindow | None = Field(default=None, description="Only within these hours; always where absent.")


class IsolationFactors(Part):
    """What a share is charged at a level of isolation, as a factor on its part of the device's price."""

    shared: Amount | None = Field(default=None, description="Of shares in time slices; 1 where absent.")
    soft: Amount | None = Field(default=None, description="Of shares with soft limits; 1 where absent.")
    hard: Amount | None = Field(default=None, description="Of shares with hard limits; 1 where absent.")
    partition: Amount | None = Field(default=None, description="Of partitions; 1 where absent.")


_ALIKE: Final = "a.model == b.model && a.cluster == b.cluster && a.commitment == b.commitment"
_BY_DAY: Final = (
    "(a.window.from < a.window.to && b.window.from < b.window.to"
    " ? a.window.from < b.window.to && b.window.from < a.window.to : a.window == b.window)"
)


class PriceBookSpec(Part):
    """What devices cost from some day on."""

    version: int = Field(ge=1, le=1_000_000, description="The number of the book; of those begun the highest counts.")
    since: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$",
        max_length=32,
        description="The day, or the instant, from which on it counts. It may lie in the past: what that changes is "
        "charged anew. It may not lie in a month that is closed.",
    )
    currency: Annotated[str, Field(json_schema_extra={"enum": sorted(CURRENCIES)})] = Field(
        description="The currency, of ISO 4217; a ledger is kept in one."
    )
    lines: tuple[PriceLine, ...] = Field(
        min_length=1,
        max_length=100,
        description="Prices. A file for `farthing ledger prices` may hold more.",
        json_schema_extra=ruled(
            Rule(
                f"self.all(a, has(a.window) || self.exists_one(b, !has(b.window) && {_ALIKE}))",
                "two lines without a window speak of the same devices",
            ),
            Rule(
                f"self.all(a, !has(a.window) || self.exists_one(b, has(b.window) && {_ALIKE} && {_BY_DAY}"
                " && a.window.weekdays.exists(day, day in b.window.weekdays)))",
                "two lines with windows speak of the same devices and times",
            ),
        ),
    )
    spot_discount: Annotated[str, Field(pattern=r"^(?:0(?:\.[0-9]{1,6})?|1)$", max_length=8)] = Field(
        default="0", description="Devices of nodes that their cloud marks as spot cost so much less: 0.6 is 60 % less."
    )
    isolation: IsolationFactors | None = Field(default=None, description="Factors by level of isolation.")


class PriceBook(Kind):
    """What devices cost. A book is never edited: other prices are a new object with the next version.

    The ledger of the cluster's spoke takes books over, and keeps them when an object is deleted.
    """

    PLURAL: ClassVar[str] = "pricebooks"
    VERSION: ClassVar[str] = "v1alpha1"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Version", ".spec.version"),
        Column("Since", ".spec.since"),
        Column("Currency", ".spec.currency"),
    )

    spec: PriceBookSpec = Field(
        json_schema_extra=ruled(
            Rule("self == oldSelf", "a price book is never edited; make a new one with the next version")
        )
    )
