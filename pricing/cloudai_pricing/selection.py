"""Which price entries bill a line on a provider: exactly one base price and its add-ons, or the reason why none.

Two prices that fit equally well are an error that names both: the cheaper is never taken silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing.book import Book, candidates
from cloudai_pricing.entries import Price
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import ONE
from cloudai_pricing.overlay import NO_OVERLAY, Overlay
from cloudai_pricing.regions import GLOBAL, neighbours
from cloudai_pricing.units import convertible, plural

if TYPE_CHECKING:
    from cloudai_pricing.workload import Local

Capabilities = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Provider -> operation -> feature -> support (`yes`, `partial`, `preview`, `gated`, `retiring`, `no`).

The feature `""` is the operation itself.
"""
OFFERED = frozenset({"yes", "partial", "preview", "gated", "retiring"})


class Unpriced(Exception):
    """No price fits; `str()` is the reason in words."""


class Charge(NamedTuple):
    """One price that a line pays on each of its units; `factor` is what a discount leaves of it."""

    price: Price
    factor: Decimal = ONE

    @property
    def overridden(self) -> bool:
        """Not the book's list price."""
        return self.price.own or self.factor != ONE


class Wanted(NamedTuple):
    """What a line asks of a price."""

    operation: str
    unit: str
    features: tuple[str, ...] = ()
    variant: str | None = None
    sku: str | None = None


class Selection(NamedTuple):
    """The charges of one unit, the base first; `unpriced` features leave the cost a lower bound."""

    charges: tuple[Charge, ...]
    unpriced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Catalog(NamedTuple):
    """The prices an estimate sees: own prices over the book's."""

    book: Book
    overlay: Overlay = NO_OVERLAY
    capabilities: Capabilities | None = None
    local: Local | None = None
    """Machines of the user's own."""

    def layers(self, operation: str, provider: str, *regions: str) -> tuple[tuple[Price, ...], tuple[Price, ...]]:
        """A provider's own prices of an operation, then the book's; of these regions only, where any are named."""
        own = self.overlay.of(operation, provider) if self.overlay.prices else ()
        here = tuple(price for price in own if not regions or price.region in regions)
        return here, self.book.prices(operation, provider, *regions)

    def providers(self, operation: str) -> frozenset[str]:
        """Who prices an operation anywhere."""
        own = {price.provider for price in self.overlay.prices}
        return self.book.providers_of(operation).union(one for one in own if self.overlay.of(operation, one))

    def regions(self) -> dict[str, tuple[str, ...]]:
        """Provider -> all regions that its prices name."""
        found = {provider: set(regions) for provider, regions in self.book.regions.items()}
        for price in self.overlay.prices:
            found.setdefault(price.provider, set()).add(price.region)
        return {provider: tuple(sorted(regions)) for provider, regions in found.items()}

    def charge(self, price: Price) -> Charge:
        """A price with its discount; own prices are net already."""
        return Charge(price=price, factor=ONE if price.own else self.overlay.discount(price))

    def supports(self, provider: str, operation: str, feature: str = "") -> str | None:
        """What the capability data says of a feature; None: nothing."""
        if self.capabilities is None:
            return None
        return self.capabilities.get(provider, {}).get(operation, {}).get(feature)


def catalog_of(
    book: Book | None,
    overlay: Overlay | None,
    *,
    as_of: str | None = None,
    snapshot: str | None = None,
    capabilities: Capabilities | None = None,
    local: Local | None = None,
) -> Catalog:
    """The prices of a day; defaults: the shipped book on its newest day, no own prices.

    Raises `PlanError` where `snapshot` is not the id of these prices.
    """
    book = book or Book.shipped()
    seen = book.at(as_of) if as_of is not None else book
    if snapshot is not None and snapshot != seen.snapshot.id:
        fix = f"This version has {seen.snapshot.id!r} of {seen.snapshot.date}"
        raise PlanError(f"price snapshot {snapshot!r} is not here", fix=fix)
    own = (overlay or NO_OVERLAY).at(as_of)
    return Catalog(book=seen, overlay=own, capabilities=capabilities, local=local)


def select(catalog: Catalog, provider: str, region: str, wanted: Wanted) -> Selection:
    """The charges of a line. Raises `Unpriced` with the reason, `PlanError` where two prices fit equally well."""
    for layer in catalog.layers(wanted.operation, provider, region, GLOBAL):
        bases = _bases(layer, region, wanted)
        if bases:
            return _with_addons(catalog, provider, region, wanted, bases)
    raise Unpriced(_why(catalog, provider, region, wanted))


def _is_base(price: Price, wanted: Wanted) -> bool:
    if wanted.sku is not None:
        return price.sku == wanted.sku and price.kind != "addon"
    if price.kind == "addon" or (price.kind == "commitment" and not price.own):
        return False
    if price.instance is not None:
        return False
    return wanted.variant is None or price.variant == wanted.variant


def _bases(prices: Iterable[Price], region: str, wanted: Wanted) -> list[Price]:
    """Base prices of the unit and variant that was asked for; those of the region before those of all regions."""
    fit = [price for price in prices if _is_base(price, wanted) and convertible(price.unit, wanted.unit)]
    return [price for price in fit if price.region == region] or [price for price in fit if price.region == GLOBAL]


def _with_addons(catalog: Catalog, provider: str, region: str, wanted: Wanted, bases: Sequence[Price]) -> Selection:
    """The base that covers the features: with the most of its own first, the rest by add-ons or included."""
    asked = frozenset(wanted.features)
    groups: dict[frozenset[str], list[Price]] = {}
    for price in bases:
        if asked >= frozenset(price.features):
            groups.setdefault(frozenset(price.features), []).append(price)
    if not groups:
        raise Unpriced(f"only priced with {_words(sorted({f for price in bases for f in price.features}))}")
    found = _resolved(groups, wanted)
    whole = [own for own in found if not _missing(catalog, region, wanted, found[own], asked - own)[1]]
    if len(whole) > 1 and len(whole[0]) == len(whole[1]) and not _alike(found[whole[0]], found[whole[1]]):
        raise PlanError(f"two prices fit: {candidates([found[own] for own in whole[:2]])}", fix="Choose by sku = ...")
    own = whole[0] if whole else list(found)[-1]
    base = found[own]
    addons, missing = _missing(catalog, region, wanted, base, asked - own)
    charges = tuple(catalog.charge(price) for price in (base, *addons))
    notes = tuple(f"no price for {feature}: the cost is without it" for feature in missing)
    return Selection(charges=charges, unpriced=tuple(missing), notes=notes)


def _resolved(groups: Mapping[frozenset[str], list[Price]], wanted: Wanted) -> dict[frozenset[str], Price]:
    """Features -> their base price, most features first. Raises `Unpriced` where no group has a default."""
    found: dict[frozenset[str], Price] = {}
    reason: Unpriced | None = None
    for own in sorted(groups, key=lambda own: (-len(own), sorted(own))):
        try:
            found[own] = _one(groups[own], wanted)
        except Unpriced as error:
            reason = error
    if not found and reason is not None:
        raise reason
    return found


def _alike(one: Price, other: Price) -> bool:
    """Two names of one meter: on one ladder, at one price."""
    same = one.counter == other.counter and one.free == other.free and one.rounding == other.rounding
    return same and (one.unit, one.tiers, one.per, one.counts) == (other.unit, other.tiers, other.per, other.counts)


def _one(prices: Sequence[Price], wanted: Wanted) -> Price:
    """The one that was named, the default one, or the only one that is no variant of another.

    A variant is never taken for the default: its price may be ten times another.
    """
    named = wanted.variant is not None or wanted.sku is not None or (len(prices) == 1 and prices[0].own)
    fit = prices if named else [p for p in prices if p.default] or [p for p in prices if p.variant is None]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise PlanError(
            f"{len(fit)} prices fit equally well: {candidates(fit)}", fix="Keep one, or choose by sku = ..."
        )
    variants = _words(sorted({price.variant for price in prices if price.variant}))
    raise Unpriced(f"no price of the default variant is known; there are {variants}: choose by variant = ...")


def _missing(
    catalog: Catalog, region: str, wanted: Wanted, base: Price, features: Iterable[str]
) -> tuple[list[Price], list[str]]:
    """The add-ons for features that the base does not include, and the features that nothing prices."""
    addons: dict[tuple[str, ...], Price] = {}
    missing = []
    for feature in sorted(features):
        if feature in base.includes:
            continue
        addon = _addon(catalog, base, region, wanted, feature)
        if addon is not None:
            addons[addon.key] = addon
        elif not _included(catalog, base.provider, wanted.operation, feature):
            missing.append(feature)
    return list(addons.values()), missing


def _included(catalog: Catalog, provider: str, operation: str, feature: str) -> bool:
    """Offered, by the capability data, and charged for nowhere: then it is in the price."""
    if any(feature in price.features for layer in catalog.layers(operation, provider) for price in layer):
        return False
    return catalog.supports(provider, operation, feature) in ("yes", "partial")


def _addon(catalog: Catalog, base: Price, region: str, wanted: Wanted, feature: str) -> Price | None:
    """The add-on for a feature; one with a variant goes with a base of that variant only."""
    for layer in catalog.layers(wanted.operation, base.provider, region, GLOBAL):
        fit = [
            price
            for price in layer
            if price.kind == "addon"
            and feature in price.features
            and convertible(price.unit, wanted.unit)
            and price.variant in (None, base.variant)
        ]
        if fit:
            nearest = max((price.variant is not None, price.region != GLOBAL) for price in fit)
            best = [price for price in fit if (price.variant is not None, price.region != GLOBAL) == nearest]
            return _one(best, wanted._replace(variant=base.variant))
    return None


def _why(catalog: Catalog, provider: str, region: str, wanted: Wanted) -> str:
    """The nearest reason why nothing fits, from the widest to the narrowest."""
    prices = [price for layer in catalog.layers(wanted.operation, provider) for price in layer]
    if not prices:
        if catalog.supports(provider, wanted.operation) == "no":
            return f"{provider} does not offer {wanted.operation}"
        return f"no price of {provider} for {wanted.operation} is known"
    steps: Sequence[tuple[Callable[[Price], bool], Callable[[list[Price]], str]]] = (
        (
            lambda price: convertible(price.unit, wanted.unit),
            lambda left: (
                f"priced per {_words(sorted({p.unit for p in left}))}: say how many {plural(left[0].unit)}, "
                f"not {plural(wanted.unit)}"
            ),
        ),
        (
            lambda price: wanted.sku is None or price.sku == wanted.sku,
            lambda left: f"no sku {wanted.sku!r}; there are {_words(sorted({repr(p.sku) for p in left}))}",
        ),
        (
            lambda price: wanted.sku is not None or price.instance is None,
            lambda left: (
                'priced by instance: give the line accelerator = "L4" or instance = "..." (--set LINE.accelerator=L4)'
            ),
        ),
        (
            lambda price: price.kind not in ("addon", *(() if wanted.sku else ("commitment",))),
            lambda left: f"only priced by commitment: sku {_words(sorted({repr(p.sku) for p in left}))}",
        ),
        (
            lambda price: wanted.variant is None or wanted.sku is not None or price.variant == wanted.variant,
            lambda left: f"no variant {wanted.variant!r}; there are {_words(sorted({p.variant or '-' for p in left}))}",
        ),
    )
    for keep, reason in steps:
        left = [price for price in prices if keep(price)]
        if not left:
            return reason(prices)
        prices = left
    return no_price_in(region, prices)


def no_price_in(region: str, prices: Iterable[Price]) -> str:
    """That a region has no price, and where there is one, the nearest first."""
    return f"no price in {region} is known; there is one in {_words(neighbours(region, {p.region for p in prices}))}"


def _words(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
