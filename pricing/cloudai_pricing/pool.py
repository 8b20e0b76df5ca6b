"""The common case made quick: lines billed by one and the same entry, whose cost hangs on their sum alone.

For the search of the mix, which asks for the cost of many subsets. Gives exactly what `billing.bill` gives.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from cloudai_pricing.billing import FreeTier, Plan, allowance
from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ONE, ZERO, cut
from cloudai_pricing.units import factor

_CUTS = Decimal("1e-8")
"""What cutting seconds into hours may move a month's cost by, in USD."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Plans of one entry. Months of equal volume are one, `weights` says how many."""

    weights: tuple[int, ...]
    units: Mapping[str, tuple[Decimal, ...]]
    """Line name -> base units per kind of month."""
    unpriced: frozenset[str]
    """Lines of which a part has no price."""
    free: tuple[Decimal, ...]
    """Base units that are free, per kind of month."""
    ladder: _Ladder
    share: Decimal
    """What a discount leaves."""
    capped: bool = False
    """Only sums that have a known price are asked for."""

    @property
    def flat(self) -> bool:
        """All lines together stay on the first tier and nothing is free: no line changes what another costs."""
        top = max(self._sums(self.units))
        return not any(self.free) and (not self.ladder.bounds or self.ladder.billed(top) <= self.ladder.bounds[0])

    def cost(self, names: Iterable[str]) -> tuple[int, Decimal]:
        """How many of the lines are not wholly priced, and what all months cost."""
        chosen = sorted(names)
        unknown = self.unpriced.intersection(chosen)
        cost = ZERO
        for month, (units, free, weight) in enumerate(zip(self._sums(chosen), self.free, self.weights, strict=True)):
            one, known = self.ladder.cost(units, free)
            cost += one * weight
            if not known:
                unknown |= self._above(chosen, month, free)
        return len(unknown), cost * self.share

    def only(self, names: Collection[str]) -> Pool:
        """Without the other lines."""
        return replace(
            self,
            units={name: units for name, units in self.units.items() if name in names},
            unpriced=self.unpriced.intersection(names),
        )

    def saves(self, name: str) -> Decimal:
        """What a line's units add at the least, whatever else is there: at the lowest price that may be reached."""
        cost = ZERO
        for units, free, (least, _), weight in zip(
            self.units[name], self.free, self._reached, self.weights, strict=True
        ):
            if least is not None and units > free:
                cost += (self.ladder.billed(units) - self.ladder.billed(free)) * least * weight
        return cost * self.share

    def adds(self, name: str) -> Decimal | None:
        """What they add at the most, at the highest price; None: a part may have no price."""
        if not self._priced:
            return None
        cost = ZERO
        for units, (_, most), weight in zip(self.units[name], self._reached, self.weights, strict=True):
            if most is None:
                return None
            cost += self.ladder.billed(units) * most * weight
        return cost * self.share

    def least(self, name: str) -> Decimal:
        """A part of the bill: no set of lines costs less than the parts of its lines.

        It is the line's units at the lowest average price of any sum that it may be part of. An average over a
        straight piece is least at one of its ends.
        """
        cost = ZERO
        for month, (units, free, whole, weight) in enumerate(
            zip(self.units[name], self.free, self._wholes, self.weights, strict=True)
        ):
            if not units or self._reached[month][0] is None:
                continue
            bounds = (bound * self.ladder.size for bound in self.ladder.bounds)
            ends = {units, whole, *(end for end in (*bounds, free) if units < end < whole)}
            cost += units * min(self.ladder.cost(end, free)[0] / end for end in ends) * weight
            cost -= ZERO if self.ladder.size == ONE else _CUTS * weight
        return max(cost, ZERO) * self.share

    @cached_property
    def _priced(self) -> bool:
        """All lines together have a known price."""
        sums = zip(self._sums(self.units), self.free, strict=True)
        return not self.unpriced and all(self.ladder.cost(whole, free)[1] for whole, free in sums)

    @cached_property
    def _wholes(self) -> tuple[Decimal, ...]:
        """Units of all lines together, per kind of month; capped, no more than have a price."""
        wholes = self._sums(self.units)
        if not self.capped or len(self.ladder.prices) > len(self.ladder.bounds) or not self.ladder.bounds:
            return tuple(wholes)
        end = self.ladder.bounds[-1] * self.ladder.size
        return tuple(min(whole, max(end, free)) for whole, free in zip(wholes, self.free, strict=True))

    @cached_property
    def _reached(self) -> tuple[tuple[Decimal | None, Decimal | None], ...]:
        """The lowest and the highest price up to all lines together, per kind of month; None: its end is passed."""
        found = []
        for whole, free in zip(self._wholes, self.free, strict=True):
            known = self.capped or (self.ladder.cost(whole, free)[1] and not self.unpriced)
            prices = self.ladder.prices[: bisect_left(self.ladder.bounds, self.ladder.billed(whole)) + 1]
            found.append((min(prices), max(prices)) if known and prices else (None, None))
        return tuple(found)

    def _above(self, names: Iterable[str], month: int, free: Decimal) -> set[str]:
        """Lines that reach above the ladder when they are counted by name."""
        found, reached = set(), ZERO
        for name in names:
            units = self.units[name][month]
            reached += units
            if units and not self.ladder.cost(reached, free)[1]:
                found.add(name)
        return found

    def _sums(self, names: Iterable[str]) -> list[Decimal]:
        return [sum(several, ZERO) for several in zip(*(self.units[name] for name in names), strict=True)]


class _Ladder:
    """A ladder with the cost at each of its bounds."""

    def __init__(self, price: Price) -> None:
        self.size = factor(price.unit)
        self.bounds = [tier.up_to for tier in price.tiers if tier.up_to is not None]
        self.prices = [tier.price for tier in price.tiers]
        self.starts = [ZERO, *self.bounds]
        self.sums = [ZERO]
        for start, bound, each in zip(self.starts, self.bounds, self.prices, strict=False):
            self.sums.append(self.sums[-1] + (bound - start) * each)

    def billed(self, units: Decimal) -> Decimal:
        return units if self.size == ONE else cut(units / self.size)

    def cost(self, units: Decimal, free: Decimal) -> tuple[Decimal, bool]:
        """Of so many base units in a month, the first ones free; False: a part of them has no known price."""
        whole, known = self._upto(self.billed(units))
        masked = self._upto(self.billed(min(units, free)))[0] if free else ZERO
        return whole - masked, known or units <= free

    def _upto(self, billed: Decimal) -> tuple[Decimal, bool]:
        at = bisect_left(self.bounds, billed)
        if at == len(self.prices):
            return self.sums[at], billed <= self.bounds[-1]
        return self.sums[at] + (billed - self.starts[at]) * self.prices[at], True


def pool_of(plans: Sequence[Plan], months: int, free_tier: FreeTier) -> Pool | None:
    """The pool of plans that one entry bills, each by that entry alone; None where they are not such plans."""
    charge = plans[0].charges[0]
    price = charge.price
    if price.commitment is not None or any(len(plan.charges) != 1 or plan.charges[0] != charge for plan in plans):
        return None
    columns: dict[tuple[Decimal, ...], int] = {}
    for month in range(1, months + 1):
        volumes = [plan.units(charge, plan.volumes[month - 1][1]) for plan in plans]
        column = (allowance(price, month, free_tier), *volumes)
        columns[column] = columns.get(column, 0) + 1
    return Pool(
        weights=tuple(columns.values()),
        units={plan.line.name: tuple(column[at] for column in columns) for at, plan in enumerate(plans, start=1)},
        unpriced=frozenset(plan.line.name for plan in plans if not plan.known),
        free=tuple(column[0] for column in columns),
        ladder=_Ladder(price),
        share=charge.factor,
    )
