"""Charges as rows of FOCUS, the FinOps Open Cost and Usage Specification: version 1.2, and 1.3 with split costs.

Every movement of money is a row: what a share costs on a day, what is idle or stranded, adjustments. All rows of a
month together are what its devices cost, and the adjustments. What is about an earlier, closed month is a Correction.
Source: FOCUS 1.2 (2025-05-29) and 1.3 (2025-12-04), https://focus.finops.org.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from farthing.ledger.entry import Entry, Movement, Posting, movements
from farthing.ledger.interval import DAY
from farthing.ledger.money import apportion, format_exact
from farthing.ledger.period import first_day, last_day, period_of

VERSIONS: Final = ("1.2", "1.3")

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
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
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

METHOD: Final = "farthing.dev/dominant-share"
"""Documented in docs/explanation/ledger.md."""

_RATIO: Final = 10**9
_MILLI_GPU_HOUR: Final = 3_600_000
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
_NO_SPLIT: Final[Row] = {}


@dataclass(frozen=True, slots=True)
class Invoice:
    """What all rows of a month have in common. `issuer` is who runs the GPUs, and whom teams owe."""

    period: str
    currency: str
    issuer: str


def columns(version: str) -> tuple[str, ...]:
    """The columns of a version, in the order in which they are written."""
    return COLUMNS_1_3 if version == "1.3" else COLUMNS_1_2


def rows(entry: Entry, invoice: Invoice, version: str) -> Iterator[Row]:
    """The rows of one entry, with every column of the version."""
    common = _common(entry.day, invoice) | {
        "SkuId": entry.model or "gpu",
        "SkuPriceId": entry.model or "gpu",
        "x_Cluster": entry.cluster,
        "x_Device": entry.device,
        "x_Model": entry.model,
    }
    splits = [_split(entry, *part) for part in _parts(entry)] if version == "1.3" else [_NO_SPLIT] * len(entry.postings)
    for posting, split in zip(entry.postings, splits, strict=True):
        for moved in movements(posting):
            yield common | _row(entry, posting, moved) | split


@lru_cache(maxsize=64)
def _common(day: int, invoice: Invoice) -> Row:
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


def _row(entry: Entry, posting: Posting, moved: Movement) -> Row:
    usage = moved.kind not in ("adjustment", "idle-share") and posting.kind == moved.kind
    cost = format_exact(moved.amount)
    hours = _hours(moved.milli_gpu_seconds) if usage else ""
    name = moved.workload or moved.kind
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "ChargeCategory": "Usage" if usage else "Adjustment",
        "ChargeDescription": f"{_DESCRIPTIONS[moved.kind]}{f' ({entry.model})' if entry.model else ''}",
        "ConsumedQuantity": hours,
        "ConsumedUnit": "GPU-Hours" if usage else "",
        "PricingQuantity": hours,
        "PricingUnit": "GPU-Hours" if usage else "",
        "PricingCategory": "Standard" if usage else "",
        "ResourceId": f"{posting.claim}/{posting.share}" if posting.claim else entry.device or entry.subject,
        "ResourceName": name,
        "ResourceType": "GPU share" if posting.claim else "GPU",
        "SkuMeter": "GPU time",
        "SubAccountId": moved.team,
        "SubAccountName": moved.team,
        "SubAccountType": "Team" if moved.team else "",
        "Tags": _tags(
            posting.tags,
            entry.cluster,
            entry.model,
            moved.kind,
            moved.team,
            moved.namespace,
            moved.workload,
            moved.isolation,
        ),
        "x_Isolation": moved.isolation,
        "x_Kind": moved.kind,
        "x_Namespace": moved.namespace,
        "x_Workload": moved.workload,
    }


@lru_cache(maxsize=10_000)
def _tags(labels: str, *values: str) -> str:
    """As JSON, without those that are empty; labels of the pod before our own."""
    own = {f"farthing.dev/{key}": value for key, value in zip(_TAGS, values, strict=True) if value}
    return _json({**json.loads(labels), **own} if labels else own)


def _hours(milli_seconds: int) -> str:
    """GPU hours, exact to the ninth decimal."""
    sign = "-" if milli_seconds < 0 else ""
    nano = abs(milli_seconds) * 10**9 // _MILLI_GPU_HOUR
    return f"{sign}{nano // 10**9}.{nano % 10**9:09d}"


# Split costs ------------------------------------------------------------------------------------------------------


def _parts(entry: Entry) -> Iterator[tuple[Posting, int]]:
    """Each posting with the part that it is of the device's time, in billionths; together one."""
    times = [abs(posting.milli_gpu_seconds) for posting in entry.postings]
    return zip(entry.postings, apportion(_RATIO, times) if any(times) else times, strict=True)


def _split(entry: Entry, posting: Posting, ratio: int) -> Row:
    if not entry.device or not posting.milli_gpu_seconds:
        return {}
    element = {
        "AllocatedRatio": ratio / _RATIO,
        "UsageUnit": "GPU-Hours",
        "UsageQuantity": float(_hours(posting.milli_gpu_seconds)),
    }
    return {
        "AllocatedMethodId": METHOD,
        "AllocatedMethodDetails": _json({"Elements": [element]}),
        "AllocatedResourceId": f"{posting.claim}/{posting.share}" if posting.claim else posting.kind,
        "AllocatedResourceName": posting.workload or posting.kind,
        "AllocatedTags": _json({"farthing.dev/team": posting.team} if posting.team else {}),
    }


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
