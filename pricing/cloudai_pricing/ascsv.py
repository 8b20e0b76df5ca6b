"""An estimate as CSV: one row per slice (for a spreadsheet), or FOCUS 1.2 rows (for a FinOps tool).

FOCUS 1.2: https://focus.finops.org/focus-specification/v1-2/
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from io import StringIO

from cloudai_pricing.exact import ZERO, exactly, plain
from cloudai_pricing.model import Estimate, LineCost, Slice
from cloudai_pricing.units import plural

_COLUMNS = (
    "provider", "region", "line", "operation", "complete", "sku", "service", "price_region", "from", "to", "quantity",
    "unit", "unit_price", "cost", "currency", "source", "as_of", "confidence", "overridden", "notes",
)  # fmt: skip
PUBLISHERS = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Microsoft"}
"""As FOCUS names the providers."""
_SUBCATEGORIES = {
    "vision": "Machine Learning",
    "speech": "Natural Language Processing",
    "translation": "Natural Language Processing",
    "custom": "AI Platforms",
}


def to_csv(estimate: Estimate) -> str:
    """All options; a line without slices keeps a row with an empty cost (unknown, not zero)."""
    rows: list[list[str]] = []
    for option in estimate.options:
        for line in option.lines:
            head = [option.provider, option.region, line.name, line.operation, str(line.complete).lower()]
            notes = "; ".join(line.notes)
            rows.extend([*head, *_slice(piece, estimate.currency), notes] for piece in line.slices)
            if not line.slices:
                rows.append([*head, *_no_slice(line, estimate.currency), notes])
    return csv_text(_COLUMNS, rows)


def _slice(piece: Slice, currency: str) -> list[str]:
    return [
        piece.sku,
        piece.service,
        piece.region,
        plain(piece.start),
        "" if piece.end is None else plain(piece.end),
        plain(piece.quantity),
        piece.unit,
        plain(piece.unit_price),
        plain(piece.cost),
        currency,
        piece.source,
        piece.as_of,
        piece.confidence,
        str(piece.overridden).lower(),
    ]


def _no_slice(line: LineCost, currency: str) -> list[str]:
    cost = "" if line.cost is None else plain(line.cost.likely)
    return ["", "", "", "", "", plain(line.quantity), line.unit, "", cost, currency, "", "", "", "false"]


FOCUS_COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
    "CommitmentDiscountId", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName", "ServiceCategory",
    "ServiceName", "ServiceSubcategory", "SkuId", "SkuPriceId", "SubAccountId", "Tags", "x_Line", "x_Operation",
    "x_Source", "x_AsOf", "x_Confidence", "x_Complete",
)  # fmt: skip


def _publisher(provider: str) -> str:
    """What nobody bills is at any provider."""
    return PUBLISHERS.get(provider, provider) or "any"


def focus_unit(unit: str) -> str:
    """As FOCUS writes units: `Images`, `GB`, `Instance-Hours`."""
    return "-".join(part[:1].upper() + part[1:] for part in plural(unit).split("-")) if unit else ""


def focus_service(operation: str) -> dict[str, str]:
    """Category and subcategory of an operation, in FOCUS's words."""
    if operation == "storage":
        return {"ServiceCategory": "Storage", "ServiceSubcategory": "Object Storage"}
    if operation == "egress":
        return {"ServiceCategory": "Networking", "ServiceSubcategory": "Network Connectivity"}
    found = _SUBCATEGORIES.get(operation.partition(".")[0], "Other (AI and Machine Learning)")
    return {"ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": found}


def to_focus(estimate: Estimate) -> str:
    """The mix (or the only option) as FOCUS rows, one per slice; unpriced lines have a row with empty costs.

    The plan begins on the first of the month after the newest price was read: there is no clock in it.
    """
    start = _after(estimate.snapshot_date, 1)
    end = _after(estimate.snapshot_date, 1 + estimate.months)
    period = {
        "BillingCurrency": estimate.currency,
        "PricingCurrency": estimate.currency,
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "BillingAccountId": "estimate",
    }
    rows: list[dict[str, str]] = []
    for provider, region, line in _answer(estimate):
        shared = (
            period
            | focus_service(line.operation)
            | {
                **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), _publisher(provider)),
                "RegionId": region,
                "ChargeDescription": line.name,
                "x_Line": line.name,
                "x_Operation": line.operation,
                "x_Complete": str(line.complete).lower(),
            }
        )
        with exactly():
            rows.extend(shared | _focus_slice(piece) for piece in line.slices)
        if not line.slices:
            rows.append(shared | _focus_none(line))
    return csv_text(FOCUS_COLUMNS, [[row.get(column, "") for column in FOCUS_COLUMNS] for row in rows])


def _answer(estimate: Estimate) -> Iterator[tuple[str, str, LineCost]]:
    if len(estimate.options) == 1 or estimate.mix is None:
        for option in estimate.options[:1]:
            yield from ((option.provider, option.region, line) for line in option.lines)
        return
    for number, choice in enumerate(estimate.mix.choices):
        yield choice.provider or "", choice.region or "", choice.line or estimate.options[0].lines[number]


def _focus_slice(piece: Slice) -> dict[str, str]:
    upper = "" if piece.end is None else plain(piece.end)
    fee = piece.unit == "month"
    return {
        "ChargeFrequency": "Recurring" if fee else "Usage-Based",
        "ChargeCategory": "Purchase" if fee else "Usage",
        "ConsumedQuantity": "" if fee else plain(piece.quantity),
        "ConsumedUnit": "" if fee else focus_unit(piece.unit),
        "PricingQuantity": plain(piece.quantity),
        "PricingUnit": focus_unit(piece.unit),
        "PricingCategory": "Committed" if fee else "Standard",
        "ListUnitPrice": plain(piece.list_unit_price),
        "ListCost": plain(piece.quantity * piece.list_unit_price),
        "ContractedUnitPrice": plain(piece.unit_price),
        "ContractedCost": plain(piece.cost),
        "EffectiveCost": plain(piece.cost),
        "BilledCost": plain(piece.cost),
        "RegionId": "" if piece.region == "global" else piece.region,
        "ServiceName": piece.service,
        "SkuId": piece.sku,
        "SkuPriceId": f"{piece.sku} from {plain(piece.start)}{f' to {upper}' if upper else ''}",
        "x_Source": piece.source,
        "x_AsOf": piece.as_of,
        "x_Confidence": piece.confidence,
    }


def _focus_none(line: LineCost) -> dict[str, str]:
    """Nobody bills it, or nobody knows its price: there is no entry to name but the operation itself."""
    known = "" if line.cost is None else plain(ZERO)
    money = (
        "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "ContractedUnitPrice"
    )  # fmt: skip
    return {
        **dict.fromkeys(money, known),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), plain(line.quantity)),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), focus_unit(line.unit)),
        **dict.fromkeys(("ServiceName", "SkuId", "SkuPriceId"), line.operation),
        "PricingCategory": "Standard",
    }


def _after(date: str, months: int) -> str:
    """The first of the month that is so many months after a day."""
    day = datetime.date.fromisoformat(date)
    count = day.year * 12 + day.month - 1 + months
    return f"{count // 12:04}-{count % 12 + 1:02}-01T00:00:00Z"


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A head and rows as CSV, safe for a spreadsheet."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _inert(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula is made text; numbers stay numbers."""
    if cell[:1] in ("=", "+", "-", "@", "\t") and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    try:
        return Decimal(cell).is_finite()
    except ArithmeticError:
        return False
