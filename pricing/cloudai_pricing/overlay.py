"""The user's own prices: `[[price]]` in the book's form (the key may be short) and `[[discount]]` in percent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ONE

if TYPE_CHECKING:
    from cloudai_pricing.savings import SavingsPlan


class Discount(NamedTuple):
    """`percent` off the book's list prices of a provider's service (`*`: of all its services)."""

    provider: str
    service: str
    percent: Decimal

    @property
    def factor(self) -> Decimal:
        """What is left to pay of 1."""
        return ONE - self.percent / 100


class Overlay(NamedTuple):
    """Own prices, which take the place of the book's; discounts on the book's, and savings plans for them."""

    name: str = ""
    prices: tuple[Price, ...] = ()
    discounts: tuple[Discount, ...] = ()
    savings: tuple[SavingsPlan, ...] = ()

    def at(self, as_of: str | None) -> Overlay:
        """With the prices in force on a day; None: with the latest of each."""
        newest: dict[tuple[str, ...], Price] = {}
        for price in sorted(self.prices, key=lambda price: price.effective_from):
            if as_of is None or price.effective_from <= as_of:
                newest[price.key] = price
        kept = tuple(price for price in self.prices if newest.get(price.key) is price)
        return self._replace(prices=kept)

    def of(self, operation: str, provider: str) -> tuple[Price, ...]:
        """A provider's own prices that name an operation; else those for all of its service (`other.*`)."""
        mine = [price for price in self.prices if price.provider == provider]
        every = f"{operation.partition('.')[0]}.*"
        named = tuple(price for price in mine if operation in price.operations)
        return named or tuple(price for price in mine if every in price.operations)

    def discount(self, price: Price) -> Decimal:
        """The factor on a book price: the discount of its service, else that of all services of its provider."""
        for service in (price.service, "*"):
            for discount in self.discounts:
                if (discount.provider, discount.service) == (price.provider, service):
                    return discount.factor
        return ONE


NO_OVERLAY = Overlay()
