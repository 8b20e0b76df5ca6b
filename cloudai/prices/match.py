"""Feed prices as entries of the price book: which SKU each is, and what has to be held back.

The book owns what a SKU *means* (operations, variant, pool, rounding); a feed changes what it costs. So a SKU that
the book does not have is never made up, and what is doubtful is left out with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from cloudai.prices.entry import Found, Remark, entry
from cloudai.prices.feed import FeedPrice
from cloudai.prices.mapping import Meters
from cloudai_pricing.entries import Row
from cloudai_pricing.regions import GLOBAL, own_regions

Sku = tuple[str, str, str]
"""Provider, service, SKU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """What became of a feed: entries, remarks on what was held back, and prices that are no SKU of the book."""

    rows: tuple[Row, ...] = ()
    remarks: tuple[Remark, ...] = ()
    unmapped: tuple[FeedPrice, ...] = ()
    unused: int = 0
    """Prices of SKUs of the book that were left out: regions nobody asked for, meters known and not used."""


def match(
    prices: Iterable[FeedPrice], meters: Meters, known: Sequence[Row], *, regions: frozenset[str] | None = None
) -> Matched:
    """Entries for all feed prices that are a SKU of `known`, the rows in force. `regions`: only these."""
    book = _by_sku(known)
    sorting = _Sorting(book=book, meters=meters, regions=regions)
    for price in prices:
        sorting.take(price)
    rows: list[Row] = []
    remarks = sorting.remarks
    for (sku, region), group in sorting.found.items():
        made = _entry(sku, region, group, book[sku])
        if isinstance(made, Remark):
            remarks.append(made)
        else:
            rows.append(made)
    whole, lacking = _with_defaults(rows, known)
    return Matched(
        rows=tuple(whole), remarks=(*remarks, *lacking), unmapped=tuple(sorting.unmapped), unused=sorting.unused
    )


@dataclass(kw_only=True, slots=True)
class _Sorting:
    """Feed prices by what they are: found for a SKU and region, of no SKU, not used, or at odds with the mapping."""

    book: Mapping[Sku, Sequence[Row]]
    meters: Meters
    regions: frozenset[str] | None
    found: dict[tuple[Sku, str], list[Found]] = field(default_factory=dict)
    unmapped: list[FeedPrice] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    unused: int = 0

    def take(self, price: FeedPrice) -> None:
        """Sorts one price in."""
        targets = self.meters.targets(price.provider, price.product, price.meter)
        fit = [target for target in targets if target.unit in (None, price.unit)]
        skus = [((price.provider, target.service, target.sku), target) for target in fit]
        mine = [(sku, target) for sku, target in skus if sku in self.book]
        if targets and not fit:
            self.remarks.append(_other_unit(price, {str(target.unit) for target in targets}))
        elif not mine and all(target.sku for target in fit):
            self.unmapped.append(price)
        elif not mine or not _wanted(price, self.regions):
            self.unused += 1
        else:
            for sku, target in mine:
                self._find(sku, (price, target))

    def _find(self, sku: Sku, found: Found) -> None:
        """A SKU that the book has by region never becomes one for all regions; one for all stays one."""
        region = found[0].region
        if all(row["region"] == GLOBAL for row in self.book[sku]):
            self.found.setdefault((sku, GLOBAL), []).append(found)
        elif region == GLOBAL:
            self.unused += 1
        else:
            self.found.setdefault((sku, region), []).append(found)


def _by_sku(known: Sequence[Row]) -> dict[Sku, list[Row]]:
    book: dict[Sku, list[Row]] = {}
    for row in known:
        book.setdefault((str(row["provider"]), str(row["service"]), str(row["sku"])), []).append(row)
    return book


def _wanted(price: FeedPrice, regions: frozenset[str] | None) -> bool:
    """A region that was asked for; else one that the planner knows (government clouds it does not)."""
    if price.region == GLOBAL:
        return True
    return price.region in (own_regions(price.provider) if regions is None else regions)


def _entry(sku: Sku, region: str, group: Sequence[Found], known: Sequence[Row]) -> Row | Remark:
    """A SKU that the book has for all regions gets the feed's price for all, else the one price of every region."""
    provider, service, name = sku
    if region == GLOBAL:
        group = [pair for pair in group if pair[0].region == GLOBAL] or group
    return entry(f"{provider} {service} {name!r} in {region}", region, group, known)


def _other_unit(price: FeedPrice, units: set[str]) -> Remark:
    expected = " or ".join(map(repr, sorted(units)))
    return Remark(f"{price} is per {price.unit!r}, the mapping expects {expected}", wrong=True)


# A line that names no variant gets the default one. Where only other variants were read it would get the wrong one.

Group = tuple[str, str, str, frozenset[str]]


def _with_defaults(rows: Sequence[Row], known: Sequence[Row]) -> tuple[list[Row], list[Remark]]:
    """Without entries that would bring an operation into a region without its default variant."""
    there = {_identity(row) for row in known}
    defaults = {group for row in (*known, *rows) if row.get("default") for group in _groups(row)}
    kept: list[Row] = []
    held: dict[str, list[str]] = {}
    for row in rows:
        lacking = sorted({group[1] for group in _groups(row) if group not in defaults})
        if lacking and _identity(row) not in there:
            name = f"{row['provider']} {row['service']} {row['sku']!r} without the default of {', '.join(lacking)}"
            held.setdefault(name, []).append(str(row["region"]))
        else:
            kept.append(row)
    return kept, [Remark(f"{name} in {', '.join(sorted(regions))}") for name, regions in held.items()]


def _groups(row: Mapping[str, object]) -> list[Group]:
    if row["kind"] != "usage" or "commitment" in row:
        return []
    features = frozenset(cast("Sequence[str]", row.get("features") or ()))
    return [
        (str(row["provider"]), operation, str(row["region"]), features)
        for operation in cast("Sequence[str]", row["operations"])
        if not operation.startswith("other.")
    ]


def _identity(row: Row) -> tuple[str, ...]:
    return tuple(str(row[key]) for key in ("provider", "service", "sku", "region"))
