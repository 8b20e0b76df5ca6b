"""In which month a line comes to another price: its volume passes the edge of a tier, or an allowance ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from cloudai_pricing.billing import FreeTier, Month, Plan, allowance
from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ZERO
from cloudai_pricing.model import Crossing
from cloudai_pricing.selection import Charge
from cloudai_pricing.tiers import next_price
from cloudai_pricing.units import factor


class _Stand(NamedTuple):
    """Where a ladder stands at the end of a month: the price of the next unit, the tier it lies in."""

    price: Decimal | None
    start: Decimal
    end: Decimal | None
    allowed: Decimal


def crossings(plan: Plan, ends: Sequence[Month], free_tier: FreeTier) -> tuple[Crossing, ...]:
    """The crossings of a line by month, of the likely case. `ends`: the counters at the end of each month."""
    if all(end is ends[0] for end in ends):
        return ()
    found = [one for charge in plan.charges if not _flat(charge.price) for one in _of(charge, ends, free_tier)]
    return tuple(sorted(found, key=lambda one: one.month))


def _flat(price: Price) -> bool:
    return price.free is None and len(price.tiers) == 1 and price.tiers[0].up_to is None


def _of(charge: Charge, ends: Sequence[Month], free_tier: FreeTier) -> Iterator[Crossing]:
    after = _stand(charge, ends[0], 1, free_tier)
    for month in range(2, len(ends) + 1):
        if ends[month - 1] is ends[month - 2]:
            continue
        before, after = after, _stand(charge, ends[month - 1], month, free_tier)
        if before.allowed != after.allowed:
            yield _allowance(charge, before, after, month)
        elif before.price != after.price:
            rising = after.start >= (before.start if before.end is None else before.end)
            at = after.start if rising else after.end
            yield _crossing(charge, month, before.price, after.price, at=at, rising=rising)


def _allowance(charge: Charge, before: _Stand, after: _Stand, month: int) -> Crossing:
    """What the first unit of a month costs with an allowance and without."""
    first = charge.price.first_price * charge.factor
    prices = (ZERO if stand.allowed else first for stand in (before, after))
    return _crossing(charge, month, *prices, at=None, rising=False)


def _crossing(
    charge: Charge, month: int, before: Decimal | None, after: Decimal | None, *, at: Decimal | None, rising: bool
) -> Crossing:
    price = charge.price
    return Crossing(month=month, sku=price.sku, unit=price.unit, at=at, rising=rising, before=before, after=after)


def _stand(charge: Charge, state: Month, month: int, free_tier: FreeTier) -> _Stand:
    price = charge.price
    allowed = allowance(price, month, free_tier)
    position = state.positions.get(price.counter, ZERO)
    masked = allowed / factor(price.unit) if price.free_counter == price.counter else ZERO
    if allowed > state.used.get(price.free_counter, ZERO):
        return _Stand(ZERO, ZERO, allowed / factor(price.unit), allowed)
    each, end = next_price(price, position)
    bounds = [ZERO, *(tier.up_to for tier in price.tiers if tier.up_to is not None)]
    if price.commitment is not None:
        bounds = [ZERO, price.commitment.included]
    reached = [bound for bound in bounds if bound * factor(price.unit) <= position]
    paid = None if each is None else each * charge.factor
    return _Stand(paid, max(reached[-1], masked), end, allowed)
