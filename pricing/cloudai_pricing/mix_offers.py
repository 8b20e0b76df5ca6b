"""What the search of the mix need not look at: offers that no least assignment has, and what a line costs at the least.

An offer is a line on a provider. Moving a line away saves at least what its last units cost; taking it in costs at
most what the first tier does. Where the first is more than the second, whatever else goes where, the offer is out: the
usual elimination by bounds (https://doi.org/10.1287/opre.13.3.400), in exact numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from cloudai_pricing.billing import FreeTier, Plan, allowance, total
from cloudai_pricing.entries import Price, Tier
from cloudai_pricing.exact import ZERO
from cloudai_pricing.pool import Pool, pool_of

Plans = Mapping[str, Mapping[str, Plan]]
"""Provider -> line name -> the plan, where the provider prices the line."""
Extra = Mapping[tuple[str, str], Decimal]
"""(provider, line) -> USD that come on top of what is billed."""
Counter = tuple[str, str, str]
SLACK = Decimal("1e-6")
"""USD by which an offer must be the dearer: divisions are cut."""


class Sharers:
    """Plans of one provider that share ladders or allowances, by line."""

    def __init__(
        self,
        plans: Mapping[str, Plan],
        months: int,
        free_tier: FreeTier,
        pool: Pool | None = None,
        *,
        capped: bool = False,
    ) -> None:
        self.plans = plans
        self.capped = capped
        """No least assignment has units above the last known price."""
        self._saved: dict[str, Decimal | None] = {}
        self._added: dict[str, Decimal | None] = {}
        self._months = months
        self._free_tier: FreeTier = free_tier
        self.pool = pool or pool_of(list(plans.values()), months, free_tier)
        """Where one entry bills them all."""

    def only(self, names: Collection[str]) -> Sharers:
        """Those of some lines."""
        if all(name in names for name in self.plans):
            return self
        kept = {name: plan for name, plan in self.plans.items() if name in names}
        pool = self.pool.only(kept) if self.pool is not None else None
        return Sharers(kept, self._months, self._free_tier, pool, capped=self.capped)

    @cached_property
    def within_prices(self) -> Sharers:
        """With bounds for sets of lines that have a known price alone."""
        pool = None if self.pool is None else replace(self.pool, capped=True)
        return Sharers(self.plans, self._months, self._free_tier, pool, capped=True)

    @cached_property
    def mixed(self) -> bool:
        """Entries with different tiers count on one counter: a line may then make others cheaper."""
        return self.pool is None and ladders_differ(list(self.plans.values()))

    def saves(self, name: str) -> Decimal | None:
        """What a line adds at the least, whatever else is there; None: without it others may cost more."""
        if name not in self._saved:
            self._saved[name] = self._saves(name)
        return self._saved[name]

    def _saves(self, name: str) -> Decimal | None:
        if self.mixed:
            return None
        if self.pool is not None:
            return self.pool.saves(name)
        plan = self.plans[name]
        committed = any(charge.price.commitment is not None for charge in plan.charges)
        if committed or (not self.capped and self.cost(self.plans)[0]):
            return ZERO
        return total([_flat(plan, highest=False)], self._months, self._free_tier)[1]

    def adds(self, name: str) -> Decimal | None:
        """What a line adds at the most, whatever else is there; None: that has no bound."""
        if name not in self._added:
            self._added[name] = self._adds(name)
        return self._added[name]

    def _adds(self, name: str) -> Decimal | None:
        if self.pool is not None:
            return self.pool.adds(name)
        if len(self.plans) == 1:
            unknown, cost = self.cost(self.plans)
            return None if unknown else cost
        charges = [charge for plan in self.plans.values() for charge in plan.charges]
        bound = any(charge.price.commitment or allowance(charge.price, 1, self._free_tier) for charge in charges)
        if self.mixed or bound or self.cost(self.plans)[0]:
            return None
        return total([_flat(self.plans[name], highest=True)], self._months, self._free_tier)[1]

    def least(self, name: str) -> Decimal:
        """A part of the bill for each line, such that no set of lines costs less than its parts."""
        return (self.saves(name) or ZERO) if self.pool is None else self.pool.least(name)

    def cost(self, names: Collection[str]) -> tuple[int, Decimal]:
        """How many of the lines are not wholly priced, and what all months cost."""
        if self.pool is not None:
            return self.pool.cost(names)
        return total([self.plans[name] for name in sorted(names)], self._months, self._free_tier)


Shared = Mapping[str, Sequence[Sharers]]
"""Provider -> its plans by what they share."""


def shared(plans: Plans, months: int, free_tier: FreeTier) -> Shared:
    """All plans by what they share."""
    return {
        provider: [
            Sharers({plan.line.name: plan for plan in members}, months, free_tier)
            for members in sharing(list(lines.values()), free_tier)
        ]
        for provider, lines in plans.items()
    }


def sharing(plans: Sequence[Plan], free_tier: FreeTier) -> list[list[Plan]]:
    """Plans of one provider by the ladders and the allowances (that count) they share."""
    groups: list[tuple[set[Counter], list[Plan]]] = []
    for plan in plans:
        counters = {charge.price.counter for charge in plan.charges}
        counters |= {charge.price.free_counter for charge in plan.charges if allowance(charge.price, 1, free_tier)}
        touched = [one for one in groups if one[0] & counters]
        if len(touched) == 1:
            touched[0][0].update(counters)
            touched[0][1].append(plan)
            continue
        rest = [one for one in groups if not one[0] & counters]
        keys = counters.union(*(one[0] for one in touched))
        groups = [*rest, (keys, [*(other for one in touched for other in one[1]), plan])]
    return [members for _, members in groups]


def ladders_differ(plans: Sequence[Plan]) -> bool:
    """Whether entries with different tiers count on one counter."""
    ladders: dict[Counter, Price] = {}
    for plan in plans:
        for charge in plan.charges:
            first = ladders.setdefault(charge.price.counter, charge.price)
            if first.tiers != charge.price.tiers or first.unit != charge.price.unit:
                return True
    return False


def worthwhile(several: Shared, extra: Extra) -> Shared:
    """Without the offers that no least assignment needs; each line keeps one where it has any.

    Where each line has an offer whose cost is known however much comes to it, none of a least assignment is unknown.
    """
    names = {name for _, _, name in _offers(several)}
    if names == {name for _, one, name in _offers(several) if one.adds(name) is not None}:
        several = {provider: [one.within_prices for one in all_] for provider, all_ in several.items()}
    while True:
        fewer = _without_dearer(_without_copies(several, extra), extra)
        if sum(map(_size, fewer.values())) == sum(map(_size, several.values())):
            return several
        several = fewer


def _size(several: Sequence[Sharers]) -> int:
    return sum(len(one.plans) for one in several)


def _without_dearer(several: Shared, extra: Extra) -> Shared:
    """Each line's offers that save more by leaving than another costs at the most."""
    bounds: dict[str, tuple[Decimal, str]] = {}
    for provider, one, name in _offers(several):
        most = one.adds(name)
        if most is not None:
            here = (most + extra.get((provider, name), ZERO), provider)
            bounds[name] = min(bounds.get(name, here), here)
    dear = set()
    for provider, one, name in _offers(several):
        bound = bounds.get(name)
        saved = None if bound is None or bound[1] == provider else one.saves(name)
        if saved is not None and bound is not None and saved + extra.get((provider, name), ZERO) > bound[0] + SLACK:
            dear.add((provider, name))
    return _but(several, dear) if dear else several


def _offers(several: Shared) -> list[tuple[str, Sharers, str]]:
    return [(provider, one, name) for provider, all_ in several.items() for one in all_ for name in one.plans]


def _but(several: Shared, dropped: Collection[tuple[str, str]]) -> Shared:
    found: dict[str, list[Sharers]] = {}
    for provider, all_ in several.items():
        found[provider] = []
        for one in all_:
            if kept := {name for name in one.plans if (provider, name) not in dropped}:
                found[provider].append(one.only(kept))
    return found


def _without_copies(several: Shared, extra: Extra) -> Shared:
    """Sharers that an earlier provider bills alike, without allowances and ever cheaper: together they cost no more."""
    seen: set[object] = set()
    copies: set[tuple[str, str]] = set()
    for provider in sorted(several):
        for one in several[provider]:
            terms = _terms(provider, one, extra)
            if terms is not None and terms in seen:
                copies |= {(provider, name) for name in one.plans}
            seen.add(terms)
    return _but(several, copies) if copies else several


def _terms(provider: str, one: Sharers, extra: Extra) -> object | None:
    """All that decides what the lines cost there; None: putting two such together could cost more."""
    pool = one.pool
    if pool is None or any(pool.free) or pool.unpriced:
        return None
    ladder = pool.ladder
    if any(after > before for before, after in pairwise(ladder.prices)) or len(ladder.prices) == len(ladder.bounds):
        return None
    names = tuple(sorted(one.plans))
    units = tuple(pool.units[name] for name in names)
    beside = tuple(extra.get((provider, name), ZERO) for name in names)
    return names, units, beside, tuple(ladder.bounds), tuple(ladder.prices), ladder.size, pool.share, pool.weights


def _flat(plan: Plan, *, highest: bool) -> Plan:
    """At the lowest price of each ladder, or at the highest."""
    return plan._replace(
        charges=tuple(charge._replace(price=_level(charge.price, highest=highest)) for charge in plan.charges)
    )


def _level(price: Price, *, highest: bool) -> Price:
    prices = [tier.price for tier in price.tiers] or [ZERO]
    return replace(price, tiers=(Tier(up_to=None, price=max(prices) if highest else min(prices)),))
