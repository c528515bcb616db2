"""Charges as rows of FOCUS, the FinOps Open Cost and Usage Specification: 1.2, 1.3 with split costs, 1.4.

Every movement of money is a row: what a share costs on a day, what is idle or stranded, adjustments. All rows of a
month together are what its devices cost, and the adjustments. What is about an earlier, closed month is a Correction.
A month has millions of rows and few kinds of them, so a row is made in two parts: what all charges alike have in common
(`common_row`, as many as there are workloads and days), and what is a charge's own (`Own`).
Source: FOCUS 1.2 (2025-05-29) and 1.3 (2025-12-04), https://focus.finops.org.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from farthing.ledger.entry import Entry, movements
from farthing.ledger.interval import DAY
from farthing.ledger.money import apportion, format_exact
from farthing.ledger.period import first_day, last_day, period_of
from farthing.model.quantity import MILLI_GPU_HOUR

VERSIONS: Final = ("1.2", "1.3", "1.4")

COLUMNS_1_2: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_Cluster",
    "x_Device",
    "x_Isolation",
    "x_Kind",
    "x_Model",
    "x_Namespace",
    "x_Workload",
)
COLUMNS_1_3: Final = (
    *COLUMNS_1_2,
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "HostProviderName",
    "ServiceProviderName",
)
COLUMNS_1_4: Final = tuple(name for name in COLUMNS_1_3 if name not in ("ProviderName", "PublisherName"))
"""1.3 called the two deprecated, 1.4 has ServiceProviderName and HostProviderName in their place."""

METHOD: Final = "farthing.dev/dominant-share"
"""Documented in docs/explanation/ledger.md."""

_ADJUSTMENTS: Final = ("adjustment", "idle-share")
_RATIO: Final = 10**9
_DESCRIPTIONS: Final = {
    "share": "Part of a GPU",
    "reserved": "Reserved GPU capacity, not used",
    "stranded": "GPU capacity that nobody new can use",
    "idle": "GPU capacity that nobody had",
    "adjustment": "Factor for the level of isolation",
    "idle-share": "Part of the cost of idle GPUs",
}

_TAGS: Final = ("cluster", "model", "kind", "team", "namespace", "workload", "isolation")

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Invoice:
    """What all rows of a month have in common. `issuer` is who runs the GPUs, and whom teams owe."""

    period: str
    currency: str
    issuer: str


class Alike(NamedTuple):
    """What charges have in common that differ in nothing but `Own`.

    `usage`: it is for capacity, not an adjustment. `claimed`: somebody's claim is behind it. `split`: it is part of the
    cost of a device. `labels` are the pod's, as a JSON object, or empty.
    """

    day: int
    cluster: str
    model: str
    kind: str
    team: str
    namespace: str
    workload: str
    isolation: str
    usage: bool
    claimed: bool
    split: bool
    labels: str


class Own(NamedTuple):
    """What is a charge's own, as cells of CSV. Without use no `hours`, without a split no `method`, no `allocated`.

    `price` is what an hour cost on average over the row's time: `hours` times `price` is `cost`, but for what twelve
    decimals cannot say. Empty where there are no hours to spread a cost over.
    """

    cost: str
    hours: str
    price: str
    resource: str
    device: str
    method: str
    allocated: str


OWN_COLUMNS: Final = {
    "BilledCost": "cost",
    "EffectiveCost": "cost",
    "ListCost": "cost",
    "ContractedCost": "cost",
    "ConsumedQuantity": "hours",
    "PricingQuantity": "hours",
    "ListUnitPrice": "price",
    "ContractedUnitPrice": "price",
    "ResourceId": "resource",
    "x_Device": "device",
    "AllocatedMethodDetails": "method",
    "AllocatedResourceId": "allocated",
}
"""The columns that are a charge's own, and which part of `Own` they show."""

INSTANTS: Final = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
"""The columns that hold an instant."""


def columns(version: str) -> tuple[str, ...]:
    """The columns of a version, in the order in which they are written."""
    return {"1.2": COLUMNS_1_2, "1.3": COLUMNS_1_3, "1.4": COLUMNS_1_4}[version]


def charges(entry: Entry, version: str) -> Iterator[tuple[Alike, Own]]:
    """The charges of one entry, each a row; millions of them, so this is written to be quick."""
    day, cluster, model, device = entry.day, entry.cluster, entry.model, cell(entry.device)
    other = device or cell(entry.subject)
    ratios = _ratios(entry) if version != "1.2" else ()
    for i, posting in enumerate(entry.postings):
        claimed = posting.claim != ""
        resource = cell(f"{posting.claim}/{posting.share}") if claimed else other
        split = bool(ratios) and posting.milli_gpu_seconds != 0
        for kind, team, namespace, workload, isolation, amount, _, milli, _ in movements(posting):
            usage = posting.kind == kind and kind not in _ADJUSTMENTS
            hours, price = _priced(amount, milli) if usage else ("", "")
            method, allocated = "", ""
            if split:
                method, allocated = cell(_method(ratios[i], hours)), resource if claimed else kind
            yield (
                Alike(
                    day, cluster, model, kind, team, namespace, workload, isolation, usage, claimed, split, posting.tags
                ),
                Own(format_exact(amount), hours, price, resource, device, method, allocated),
            )


def cell(text: str) -> str:
    """A cell of CSV, in quotes where it needs them."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if '"' in text or "," in text else text


def common_row(alike: Alike, invoice: Invoice) -> Row:
    """Every column of every version, without what is in `OWN_COLUMNS`."""
    return _of_day(alike.day, invoice) | {
        "ChargeCategory": "Usage" if alike.usage else "Adjustment",
        "ChargeDescription": f"{_DESCRIPTIONS[alike.kind]}{f' ({alike.model})' if alike.model else ''}",
        "ConsumedUnit": "GPU-Hours" if alike.usage else "",
        "PricingUnit": "GPU-Hours" if alike.usage else "",
        "PricingCategory": "Standard" if alike.usage else "",
        "ResourceName": alike.workload or alike.kind,
        "ResourceType": "GPU share" if alike.claimed else "GPU",
        "SkuId": alike.model or "gpu",
        "SkuMeter": "GPU time",
        "SkuPriceId": alike.model or "gpu",
        "SubAccountId": alike.team,
        "SubAccountName": alike.team,
        "SubAccountType": "Team" if alike.team else "",
        "Tags": _tags(alike),
        "x_Cluster": alike.cluster,
        "x_Isolation": alike.isolation,
        "x_Kind": alike.kind,
        "x_Model": alike.model,
        "x_Namespace": alike.namespace,
        "x_Workload": alike.workload,
        **(_split(alike) if alike.split else {}),
    }


@lru_cache(maxsize=64)
def _of_day(day: int, invoice: Invoice) -> Row:
    """What the charges of one day have in common."""
    return dict.fromkeys(COLUMNS_1_3, "") | {
        "BillingAccountId": invoice.issuer,
        "BillingAccountName": invoice.issuer,
        "BillingAccountType": "GPU pool",
        "BillingCurrency": invoice.currency,
        "BillingPeriodStart": _midnight(first_day(invoice.period)),
        "BillingPeriodEnd": _midnight(last_day(invoice.period) + 1),
        "ChargeClass": "" if period_of(day) == invoice.period else "Correction",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _midnight(day),
        "ChargePeriodEnd": _midnight(day + 1),
        "InvoiceId": f"{invoice.issuer}/{invoice.period}",
        "InvoiceIssuerName": invoice.issuer,
        "ProviderName": invoice.issuer,
        "PublisherName": invoice.issuer,
        "HostProviderName": invoice.issuer,
        "ServiceProviderName": invoice.issuer,
        "ServiceCategory": "Compute",
        "ServiceName": "GPU",
        "ServiceSubcategory": "Containers",
    }


def _midnight(day: int) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tags(alike: Alike) -> str:
    """As JSON, without those that are empty; labels of the pod before our own."""
    own = {f"farthing.dev/{key}": value for key in _TAGS if (value := getattr(alike, key))}
    return _json({**json.loads(alike.labels), **own} if alike.labels else own)


def _priced(amount: int, milli_seconds: int) -> tuple[str, str]:
    """GPU hours, exact to the ninth decimal, and what one of them costs for this amount, to the twelfth."""
    sign = "-" if milli_seconds < 0 else ""
    nano = abs(milli_seconds) * 10**9 // MILLI_GPU_HOUR
    hours = f"{sign}{nano // 10**9}.{nano % 10**9:09d}"
    if nano == 0:
        return hours, "" if amount else "0.000000000000"
    pico = (abs(amount) * 10**15 + nano // 2) // nano
    return hours, f"{pico // 10**12}.{pico % 10**12:012d}"


# Split costs ------------------------------------------------------------------------------------------------------


def _ratios(entry: Entry) -> list[int]:
    """The part that each posting is of its device's time, in billionths, together one; empty where nothing is split."""
    times = [abs(posting.milli_gpu_seconds) for posting in entry.postings]
    return apportion(_RATIO, times) if entry.device and any(times) else []


def _method(ratio: int, hours: str) -> str:
    element = {"AllocatedRatio": ratio / _RATIO, "UsageUnit": "GPU-Hours", "UsageQuantity": float(hours)}
    return _json({"Elements": [element]})


def _split(alike: Alike) -> Row:
    return {
        "AllocatedMethodId": METHOD,
        "AllocatedResourceName": alike.workload or alike.kind,
        "AllocatedTags": _json({"farthing.dev/team": alike.team} if alike.team else {}),
    }


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
