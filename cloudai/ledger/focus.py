"""What was spent as FOCUS 1.2 rows, in the columns of `cloudai estimate --format focus`: one row a day, operation,
backend, region, tag and entry of the price book. https://focus.finops.org/focus-specification/v1-2/

`SkuId` is the entry's name, `SkuPriceId` its first tier: the ledger counts list prices. Where several entries make one
price (tables and forms of a page) they are one SKU, `a + b`. The rows add up to what the ledger says is spent: what no
recorded call explains (attempts of unknown outcome, which count at their bound) is of the operation's usual entry.

In one thing they differ from FOCUS: a cost that is not known is empty, not zero, and `x_Complete` is false.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cloudai.ledger.entries import CallRecord, State, Used, dollars, micro
from cloudai.ledger.periods import moment
from cloudai.ledger.store import Group
from cloudai_pricing.ascsv import FOCUS_COLUMNS, PUBLISHERS, csv_text, focus_service, focus_unit
from cloudai_pricing.exact import plain

if TYPE_CHECKING:
    from cloudai_pricing.entries import Price

DAY = 86_400_000_000
_PLACES = 12
"""Decimals of a quantity that is worked out from a cost."""


class Charge(NamedTuple):
    """What one call used of one operation."""

    day: int
    operation: str
    backend: str
    provider: str
    region: str
    tag: str
    sku: str
    unit: str
    quantity: Decimal
    cost: int
    """Micro-USD."""

    @property
    def place(self) -> _Place:
        return (self.day, self.backend, self.provider, self.region, self.tag)


_Place = tuple[int, str, str, str, str]
"""Day, backend, provider, region, tag."""


@dataclass(slots=True)
class _Sum:
    """Of one row: micro-USD, units by name, attempts without a known cost."""

    cost: int = 0
    units: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0


def charges(calls: Iterable[CallRecord]) -> Iterator[Charge]:
    """What calls used, each meter by itself. An answer out of the cache used nothing."""
    for call in calls:
        for used in () if call.cached else call.usage:
            alone = len(call.usage) == 1 and call.cost is not None
            cost = call.cost if alone else _priced(call, used)
            yield Charge(
                day=call.at // DAY,
                operation=used.meter,
                backend=call.backend,
                provider=call.provider,
                region=call.region or "",
                tag=call.tag or "",
                sku=used.sku,
                unit=used.unit,
                quantity=used.quantity,
                cost=cost or 0,
            )


def to_focus(groups: Sequence[Group], found: Iterable[Charge]) -> str:
    """CSV. `groups`: the attempts of the period; `found`: the `charges` of its calls."""
    sums: dict[_Place, dict[tuple[str, str], _Sum]] = {}
    for one in found:
        mine = sums.setdefault(one.place, {}).setdefault((one.operation, one.sku), _Sum())
        mine.cost += one.cost
        mine.units[one.unit] = mine.units.get(one.unit, Decimal(0)) + one.quantity
    spent = _spent(groups)
    rows = [
        _row(place, operation, sku, mine)
        for place in sorted({*sums, *spent})
        for (operation, sku), mine in sorted(_evened(place, sums.get(place, {}), spent.get(place, {})).items())
    ]
    return csv_text(FOCUS_COLUMNS, [[row.get(column, "") for column in FOCUS_COLUMNS] for row in rows])


def _spent(groups: Sequence[Group]) -> dict[_Place, dict[str, Group]]:
    """What the ledger counts as spent, by operation."""
    found: dict[_Place, dict[str, Group]] = {}
    for group in groups:
        if group.state in (State.SETTLED, State.UNKNOWN):
            place = (group.day, group.backend, group.provider, group.region, group.tag)
            before = found.setdefault(place, {}).get(group.operation)
            both = group if before is None else _both(before, group)
            found[place][group.operation] = both
    return found


def _both(one: Group, other: Group) -> Group:
    return one._replace(
        attempts=one.attempts + other.attempts,
        unpriced=one.unpriced + other.unpriced,
        amount=one.amount + other.amount,
    )


def _evened(
    place: _Place, sums: dict[tuple[str, str], _Sum], spent: Mapping[str, Group]
) -> dict[tuple[str, str], _Sum]:
    """The rows of one place, made to add up to what the ledger says."""
    rest = sum(group.amount for group in spent.values()) - sum(one.cost for one in sums.values())
    for operation, group in spent.items():
        told = sum(one.cost for (name, _), one in sums.items() if name == operation)
        more = min(rest, group.amount - told)
        if more > 0 or group.unpriced:
            usual = sums.setdefault((operation, _usual(place, operation)), _Sum())
            usual.cost += max(0, more)
            usual.unpriced += group.unpriced
            rest -= max(0, more)
    for one in sorted(sums.values(), key=lambda each: each.cost, reverse=True):
        less = min(one.cost, max(0, -rest))
        one.cost -= less
        rest += less
    return sums


def _row(place: _Place, operation: str, sku: str, mine: _Sum) -> dict[str, str]:
    day, backend, provider, region, tag = place
    start, following = moment(day * DAY), moment((day + 1) * DAY)
    billing = start.replace(day=1), (start.replace(day=28) + (following - start) * 4).replace(day=1)
    publisher = PUBLISHERS.get(provider, provider)
    entries = _entries(provider, operation, region or None, sku)
    return {
        **_costs(mine, entries),
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), publisher),
        **focus_service(operation),
        "BillingAccountId": backend,
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
        "ServiceName": " + ".join(dict.fromkeys(entry.service for entry in entries)) or operation,
        "SkuId": sku or operation,
        "SkuPriceId": " + ".join(_price_id(entry) for entry in entries) or sku or operation,
        "Tags": json.dumps({"tag": tag}) if tag else "",
        "x_Line": backend,
        "x_Operation": operation,
        "x_Source": entries[0].source if entries else "",
        "x_AsOf": entries[0].as_of if entries else "",
        "x_Confidence": entries[0].confidence if entries else "",
        "x_Complete": str(not mine.unpriced).lower(),
    }


def _costs(mine: _Sum, entries: Sequence[Price]) -> dict[str, str]:
    """Costs, quantities and unit prices, whose product is the cost."""
    unit, quantity = next(iter(mine.units.items())) if len(mine.units) == 1 else ("", Decimal(0))
    price, priced = _list_price(entries)
    cost = dollars(mine.cost)
    if not price:
        priced, price = unit or "request", cost / quantity if quantity else cost
        billed = quantity or Decimal(1)
    else:
        billed = round(cost / price, _PLACES)
    each = "" if mine.unpriced else plain(price)
    return {
        **dict.fromkeys(
            ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "" if mine.unpriced else plain(cost)
        ),
        **dict.fromkeys(("ListUnitPrice", "ContractedUnitPrice"), each),
        "PricingQuantity": plain(billed),
        "PricingUnit": focus_unit(priced),
        "ConsumedQuantity": plain(quantity if unit else billed),
        "ConsumedUnit": focus_unit(unit or priced),
    }


# --- the price book ----------------------------------------------------------------------------------


def _priced(call: CallRecord, used: Used) -> int:
    """Micro-USD of one of several meters, as its entries bill it."""
    from cloudai_pricing.tiers import billed_of
    from cloudai_pricing.units import factor

    total = Decimal(0)
    for entry in _entries(call.provider, used.meter, call.region, used.sku):
        base = used.quantity * factor(used.unit)
        billed = base if entry.rounding is None else billed_of(entry.rounding, base)
        total += billed * entry.first_price / factor(entry.unit)
    return micro(total)


@lru_cache(maxsize=1000)
def _entries(provider: str, operation: str, region: str | None, sku: str) -> tuple[Price, ...]:
    """Those that a SKU names, of the region where there are such."""
    found = (_entry(provider, operation, region, name) for name in sku.split(" + ") if name)
    return tuple(entry for entry in found if entry is not None)


def _entry(provider: str, operation: str, region: str | None, sku: str) -> Price | None:
    from cloudai_pricing.book import Book

    near = [price for price in Book.shipped().prices(operation, provider) if price.sku == sku]
    return next((price for price in near if price.region == region), near[0] if near else None)


def _usual(place: _Place, operation: str) -> str:
    """The SKU that a plain call is billed by; empty: none is known."""
    from cloudai_pricing.callcost import price_call
    from cloudai_pricing.operations import operations

    _, _, provider, region, _ = place
    known = operations().get(operation)
    if known is None:
        return ""
    found = price_call(
        provider=provider, operation=operation, region=region or None, quantity=Decimal(1), unit=known.unit
    )
    return " + ".join(ref.sku for ref in found.refs)


def _list_price(entries: Sequence[Price]) -> tuple[Decimal, str]:
    """Of one unit of all entries together, and the unit; 0: they have no unit in common."""
    units = {entry.unit for entry in entries}
    if len(units) != 1:
        return Decimal(0), ""
    return sum((entry.first_price for entry in entries), Decimal(0)), units.pop()


def _price_id(entry: Price) -> str:
    """The first tier, as `cloudai estimate` names it."""
    upper = next((tier.up_to for tier in entry.tiers), None)
    return f"{entry.sku} from 0{f' to {plain(upper)}' if upper is not None else ''}"
