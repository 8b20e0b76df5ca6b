"""What was spent as FOCUS 1.2 rows, in the columns of `cloudai estimate --format focus`: one row a day, operation,
backend, region and tag. https://focus.finops.org/focus-specification/v1-2/"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from cloudai.ledger.entries import State, dollars
from cloudai.ledger.periods import moment
from cloudai.ledger.store import Group, UsedGroup
from cloudai_pricing.ascsv import FOCUS_COLUMNS, PUBLISHERS, csv_text
from cloudai_pricing.exact import plain

DAY = 86_400_000_000
_Key = tuple[int, str, str, str, str, str]


def to_focus(groups: Sequence[Group], used: Sequence[UsedGroup]) -> str:
    """CSV. Attempts of unknown price have empty costs; those of unknown outcome count at their bound."""
    units = _units(used)
    rows = [_row(key, mine, units.get(key, {})) for key, mine in _by_key(groups).items()]
    return csv_text(FOCUS_COLUMNS, [[row.get(column, "") for column in FOCUS_COLUMNS] for row in rows])


def _by_key(groups: Sequence[Group]) -> dict[_Key, list[Group]]:
    found: dict[_Key, list[Group]] = {}
    for group in groups:
        if group.state in (State.SETTLED, State.UNKNOWN):
            key = (group.day, group.operation, group.backend, group.provider, group.region, group.tag)
            found.setdefault(key, []).append(group)
    return found


def _units(used: Sequence[UsedGroup]) -> dict[_Key, dict[str, Decimal]]:
    """Units of the operation's own meter, by unit."""
    found: dict[_Key, dict[str, Decimal]] = {}
    for one in used:
        key = (one.day, one.operation, one.backend, one.provider, one.region, one.tag)
        mine = found.setdefault(key, {})
        mine[one.unit] = mine.get(one.unit, Decimal(0)) + one.quantity
    return found


def _row(key: _Key, groups: Sequence[Group], units: Mapping[str, Decimal]) -> dict[str, str]:
    day, operation, backend, provider, region, tag = key
    start = moment(day * DAY)
    amount, unpriced = sum(group.amount for group in groups), sum(group.unpriced for group in groups)
    cost = "" if unpriced else plain(dollars(amount))
    quantity, unit = (plain(next(iter(units.values()))), next(iter(units))) if len(units) == 1 else ("", "")
    following = moment((day + 1) * DAY)
    billing = start.replace(day=1), (start.replace(day=28) + (following - start) * 4).replace(day=1)
    publisher = PUBLISHERS.get(provider, provider)
    return {
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), cost),
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), publisher),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), quantity),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
        "BillingCurrency": "USD",
        "PricingCurrency": "USD",
        "BillingPeriodStart": f"{billing[0]:%Y-%m-%dT%H:%M:%SZ}",
        "BillingPeriodEnd": f"{billing[1]:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{following:%Y-%m-%dT%H:%M:%SZ}",
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"{operation} at {backend}",
        "PricingCategory": "Standard",
        "RegionId": region,
        "ServiceCategory": "AI and Machine Learning",
        "Tags": json.dumps({"tag": tag}) if tag else "",
        "x_Line": backend,
        "x_Operation": operation,
        "x_Complete": str(not unpriced).lower(),
    }
