"""How a month's units climb a ladder: marginal tiers, free units first, units beyond a known ladder unknown.

Positions are counted in base units (seconds, not hours) and turned into billed units only at the edges of a piece,
so that splitting a volume over several lines of one pool never changes what the pool costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from cloudai_pricing.entries import Price, Rounding, Tier
from cloudai_pricing.exact import ONE, ZERO, ceiling, cut
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Text


class Piece(NamedTuple):
    """Units of one price: on the ladder from `start` to `end` (None: no end). `price` None: not known.

    `free`: masked by an allowance. `fee`: not units of usage but months of a commitment's fee.
    """

    start: Decimal
    end: Decimal | None
    quantity: Decimal
    price: Decimal | None
    free: bool = False
    fee: bool = False


def climb(
    price: Price, position: Decimal, quantity: Decimal, free: Decimal, *, masked: Decimal = ZERO
) -> Iterator[Piece]:
    """The pieces of `quantity` base units that follow `position`, of which the first `free` cost nothing.

    `masked`: how many billed units of the ladder itself an allowance covers; paid tiers are shown from there on.
    """
    size = factor(price.unit)
    begin, paid, end = position, position + free, position + quantity
    if size != ONE:
        begin, paid, end = cut(begin / size), cut(paid / size), cut(end / size)
    if price.flat and not free:
        if end > begin:
            yield Piece(start=ZERO, end=None, quantity=end - begin, price=price.tiers[0].price)
        return
    if paid > begin:
        allowance = price.free.quantity if price.free else paid
        yield Piece(start=ZERO, end=allowance, quantity=paid - begin, price=ZERO, free=True)
    if price.commitment is not None:
        yield from _overage(price, paid, end)
        return
    start = ZERO
    for tier in price.tiers:
        upper = end if tier.up_to is None else min(end, tier.up_to)
        if upper > max(paid, start):
            quantity = upper - max(paid, start)
            yield Piece(start=max(start, masked), end=tier.up_to, quantity=quantity, price=tier.price)
        if tier.up_to is None or end <= tier.up_to:
            return
        start = tier.up_to
    yield Piece(start=start, end=None, quantity=end - max(paid, start), price=None)


def _overage(price: Price, paid: Decimal, end: Decimal) -> Iterator[Piece]:
    """Units of a commitment: those included cost nothing more, those above it the overage."""
    assert price.commitment is not None
    included = price.commitment.included
    if paid < min(end, included):
        yield Piece(start=ZERO, end=included, quantity=min(end, included) - paid, price=ZERO)
    if end > max(paid, included):
        above = end - max(paid, included)
        yield Piece(start=included, end=None, quantity=above, price=price.commitment.overage)


def next_price(price: Price, position: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """The price of the unit after `position` (base units), and where (billed units) the next tier starts."""
    reached = cut(position / factor(price.unit))
    for tier in _ladder(price):
        if tier.up_to is None or reached < tier.up_to:
            return tier.price, tier.up_to
    return None, None


def _ladder(price: Price) -> tuple[Tier, ...]:
    if price.commitment is None:
        return price.tiers
    included = Tier(up_to=price.commitment.included, price=ZERO)
    overage = price.commitment.overage
    return (included,) if overage is None else (included, Tier(up_to=None, price=overage))


def billed_of(rounding: Rounding | None, size: Decimal) -> Decimal:
    """What a request of `size` base units is billed as, in base units."""
    if rounding is None or not size:
        return size
    least = max(size, rounding.minimum)
    return ceiling(least, rounding.increment) if rounding.increment else least


def rounded(price: Price, quantity: Decimal, request: Decimal | None) -> Decimal:
    """Base units billed for `quantity` base units that come in requests of `request` base units each."""
    if price.rounding is None or request is None or not request:
        return quantity
    billed = billed_of(price.rounding, request)
    return quantity if billed == request else cut(quantity * billed / request)


def counted(price: Price, text: Text | None) -> Decimal:
    """As how many characters one of a text is billed, on the average."""
    if text is None or price.counts is None:
        return ONE
    tags = text.markup if price.counts.markup is False else ZERO
    return ONE - tags + text.chinese * (price.counts.chinese - ONE)


def multiplier(price: Price, channels: int, targets: int) -> int:
    """How often each unit is billed: per channel of audio, per target language."""
    if price.per is None:
        return 1
    return channels if price.per == "channel" else targets
