"""What one call costs by the price book: exact, with the rows it came from, or `None` when a price is not known."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from cloudai.types.results import Money, PriceRef, Usage
from cloudai_pricing import callcost

Cost = tuple[Money | None, tuple[PriceRef, ...]]
UNKNOWN: Cost = (None, ())
NOTHING: Cost = (Money(amount=Decimal(0)), ())
"""Of what was found and not made."""


def cost_of(provider: str, region: str | None, usage: tuple[Usage, ...]) -> Cost:
    """List price before volume tiers and free allowances, rounded and with minimums as the provider bills a request.

    One meter without a price makes the whole cost unknown: a partial sum would be too low.
    """
    total, refs = Decimal(0), list[PriceRef]()
    for used in usage:
        priced = callcost.price_call(
            provider=provider,
            operation=used.meter,
            region=region,
            quantity=used.quantity,
            unit=used.unit,
            features=used.features,
            variant=used.variant,
        )
        if priced.amount is None:
            return UNKNOWN
        total += priced.amount
        refs.extend(_shown(ref) for ref in priced.refs)
    return (Money(amount=total), tuple(refs)) if usage else UNKNOWN


def add_costs(costs: Sequence[Cost]) -> Cost:
    """Of several requests: minimums and rounding are each one's own. One that is unknown makes the sum unknown."""
    if len(costs) == 1:
        return costs[0]
    total, refs = Decimal(0), dict[PriceRef, None]()
    for cost, of in costs:
        if cost is None:
            return UNKNOWN
        total += cost.amount
        refs |= dict.fromkeys(of)
    return Money(amount=total), tuple(refs)


@cache
def _shown(ref: callcost.PriceRef) -> PriceRef:
    """As a result carries it; there are as many as rows of the price book that calls have used."""
    return PriceRef(
        sku=ref.sku,
        service=ref.service,
        region=ref.region,
        source=ref.source,
        as_of=ref.as_of,
        confidence=ref.confidence,
    )
