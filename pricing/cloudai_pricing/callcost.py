"""What one call costs at list price, for the runtime client: fast, from the shipped book, and honest about gaps.

The price is that of the first paid tier, before volume tiers, free allowances and discounts; rounding and minimums
of a request are applied. An unknown price is `amount=None` with the reason; it is never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import ONE, PRICE_PLACES, ZERO, cut
from cloudai_pricing.operations import operations
from cloudai_pricing.regions import GLOBAL, region_of
from cloudai_pricing.selection import Catalog, Unpriced, Wanted, select
from cloudai_pricing.tiers import billed_of, next_price
from cloudai_pricing.units import UNITS, convertible, factor


@dataclass(frozen=True, kw_only=True)
class PriceRef:
    """Which row of the price book a cost comes from."""

    sku: str
    service: str
    region: str
    source: str
    as_of: str
    confidence: str


@dataclass(frozen=True, kw_only=True)
class CallPrice:
    """The cost of one call in `currency`; `amount` None: unknown, and `reason` says why."""

    amount: Decimal | None
    currency: str = "USD"
    refs: tuple[PriceRef, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnitPrice:
    """The list price of one unit: the first paid tier of the SKU that a call without features is billed by."""

    price: Decimal
    unit: str
    sku: str
    source: str
    as_of: str
    confidence: str


@dataclass(frozen=True)
class _Rate:
    """What a key comes to. `charges`: the entry, base units per billed unit, the price of one billed unit.

    `size`: base units per unit of the caller.
    """

    charges: tuple[tuple[Price, Decimal, Decimal], ...]
    refs: tuple[PriceRef, ...]
    reason: str | None
    size: Decimal = ONE


_rates: dict[tuple[str, str, str | None, str, tuple[str, ...], str | None], _Rate] = {}


def price_call(
    *,
    provider: str,
    operation: str,
    region: str | None,
    quantity: Decimal,
    unit: str,
    features: tuple[str, ...] = (),
    variant: str | None = None,
) -> CallPrice:
    """The list price of one request of `quantity` units. Never raises; an operation nobody bills costs 0."""
    key = (provider, operation, region, unit, features, variant)
    rate = _rates.get(key)
    if rate is None:
        rate = _rates[key] = _rate(*key)
    if rate.reason is not None and not rate.refs:
        known = operations().get(operation)
        return CallPrice(amount=ZERO if known is not None and known.free else None, reason=rate.reason)
    amount = ZERO
    base = quantity if rate.size == 1 else quantity * rate.size
    for price, size, each in rate.charges:
        units = billed_of(price.rounding, base)
        amount += units * each if size == 1 else cut(units * each / size, PRICE_PLACES)
    return CallPrice(amount=amount, refs=rate.refs)


def unit_price(
    *, provider: str, operation: str, region: str | None, features: tuple[str, ...] = (), variant: str | None = None
) -> UnitPrice | None:
    """The list price of one unit; None where no price is known (or the operation is free)."""
    known = operations().get(operation)
    if known is None or known.free:
        return None
    for unit in (known.unit, *(price.unit for price in Book.shipped().prices(operation))):
        rate = _rate(provider, operation, region, unit, features, variant)
        if rate.charges:
            price = rate.charges[0][0]
            return UnitPrice(
                price=sum((each for _, _, each in rate.charges), ZERO),
                unit=price.unit,
                sku=price.sku,
                source=price.source,
                as_of=price.as_of,
                confidence=price.confidence,
            )
    return None


def tier_ratio(*, provider: str, operation: str, region: str | None, used: Mapping[str, Decimal]) -> Decimal | None:
    """What the next unit costs, over what the first one did; `used`: units of each operation so far this month.

    Operations of one tier pool count together. None: no price is known, or none above that volume.
    """
    mine = _plain(provider, operation, region)
    if mine is None:
        return None
    total = ZERO
    for name, quantity in used.items():
        other = _plain(provider, name, region)
        if other is not None and other.counter == mine.counter:
            total += quantity * factor(operations()[name].unit)
    now, _ = next_price(mine, total)
    if now is None:
        return None
    return now / mine.first_price if mine.first_price else ONE


def _plain(provider: str, operation: str, region: str | None) -> Price | None:
    """The entry that a call without features is billed by."""
    known = operations().get(operation)
    if known is None or known.free:
        return None
    charges = _rate(provider, operation, region, known.unit, (), None).charges
    return charges[0][0] if charges else None


def _rate(
    provider: str, operation: str, region: str | None, unit: str, features: tuple[str, ...], variant: str | None
) -> _Rate:
    known = operations().get(operation)
    if known is not None and known.free:
        return _Rate((), (), f"{operation} is free")
    if unit not in UNITS:
        return _Rate((), (), f"no price is per {unit}")
    catalog = Catalog(book=Book.shipped())
    try:
        where = GLOBAL if region is None else region_of(region, provider, catalog.regions()) or region
        wanted = Wanted(operation=operation, unit=unit, features=features, variant=variant)
        selection = select(catalog, provider, where, wanted)
    except (Unpriced, PlanError) as error:
        return _Rate((), (), str(error))
    if selection.unpriced:
        return _Rate((), (), "; ".join(selection.notes))
    prices = [charge.price for charge in selection.charges]
    assert all(convertible(price.unit, unit) for price in prices)
    charges = tuple((price, factor(price.unit), price.first_price) for price in prices)
    return _Rate(charges, tuple(_ref(price) for price in prices), None, factor(unit))


def _ref(price: Price) -> PriceRef:
    return PriceRef(
        sku=price.sku,
        service=price.service,
        region=price.region,
        source=price.source,
        as_of=price.as_of,
        confidence=price.confidence,
    )
