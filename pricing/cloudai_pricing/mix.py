"""The mix: which provider each line goes to, so that the total is least.

Lines that share a ladder or an allowance pull each other along, so the cheapest provider of each line on its own is
not always part of the answer. Lines are first split into groups that can't influence each other (most stand alone);
each group is then searched exactly, by branch and bound. A group too large for that is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from cloudai_pricing.billing import FreeTier, Plan, bill, total
from cloudai_pricing.entries import Price, Tier
from cloudai_pricing.exact import ZERO

Plans = Mapping[str, Mapping[str, Plan]]
"""Provider -> line name -> the plan, where the provider prices the line."""
MOST_SUMS = 4000
"""How many different provider totals one group may need before the search stops with the best it has."""
Cost = tuple[int, Decimal]
"""Lines that are not wholly priced, then money: an unknown price never looks cheap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Line name -> provider. `exact`: proven least."""

    providers: Mapping[str, str]
    exact: bool = True


def assign(plans: Plans, names: Sequence[str], months: int, free_tier: FreeTier) -> Assignment:
    """The assignment with the least likely total; lines that nobody prices are left out."""
    found: dict[str, str] = {}
    exact = True
    priced = [name for name in sorted(names) if any(name in lines for lines in plans.values())]
    for group in _groups(plans, priced, months, free_tier):
        search = _Search(plans=plans, names=group, months=months, free_tier=free_tier)
        search.run()
        found |= search.best
        exact = exact and not search.stopped
    return Assignment(providers=found, exact=exact)


def _groups(plans: Plans, names: Sequence[str], months: int, free_tier: FreeTier) -> list[list[str]]:
    """Lines that may influence each other on some provider, together."""
    group = {name: {name} for name in names}
    for lines in plans.values():
        for members in _sharing([plan for plan in lines.values() if plan.line.name in group]):
            if len(members) > 1 and not _separate(members, months, free_tier):
                merged = set[str]().union(*(group[plan.line.name] for plan in members))
                group |= dict.fromkeys(merged, merged)
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values())


def _sharing(plans: Sequence[Plan]) -> list[list[Plan]]:
    """Plans of one provider by the counters they share."""
    groups: list[tuple[set[tuple[str, str, str]], list[Plan]]] = []
    for plan in plans:
        counters = {key for charge in plan.charges for key in (charge.price.counter, charge.price.free_counter)}
        touched = [one for one in groups if one[0] & counters]
        rest = [one for one in groups if not one[0] & counters]
        keys = counters.union(*(one[0] for one in touched))
        groups = [*rest, (keys, [*(other for one in touched for other in one[1]), plan])]
    return [members for _, members in groups]


def _separate(plans: Sequence[Plan], months: int, free_tier: FreeTier) -> bool:
    """All their units together stay on the first tier, with no allowance: then none changes what another costs."""
    for one in bill(plans, months, free_tier).values():
        if one.unknown or any(start or free or fee for _, start, _, _, free, fee in one.pieces):
            return False
    return True


@dataclass(kw_only=True, slots=True)
class _Search:
    """Branch and bound over one group. `bound`: the least a line can add on a provider, whatever else is there."""

    plans: Plans
    names: Sequence[str]
    months: int
    free_tier: FreeTier
    best: dict[str, str] = field(default_factory=dict)
    best_cost: Cost | None = None
    stopped: bool = False
    _sums: dict[tuple[str, frozenset[str]], Cost] = field(default_factory=dict)
    _rest: list[Decimal] = field(default_factory=list)
    _choices: list[list[str]] = field(default_factory=list)

    def run(self) -> None:
        """Finds `best`."""
        least = []
        for name in self.names:
            offers = [provider for provider, lines in self.plans.items() if name in lines]
            self._choices.append(sorted(offers, key=lambda one: (*self._sum(one, frozenset({name})), one)))
            least.append(min(self._least(self.plans[provider][name]) for provider in offers))
        self._rest = [sum(least[at:], ZERO) for at in range(len(least) + 1)]
        self._descend(0, {})

    def _descend(self, at: int, sets: dict[str, frozenset[str]]) -> None:
        unknown, cost = self._cost(sets)
        if self.best_cost is not None and (unknown, cost + self._rest[at]) >= self.best_cost:
            return
        if at == len(self.names):
            self.best_cost = (unknown, cost)
            self.best = {name: provider for provider, names in sets.items() for name in names}
            return
        for provider in self._choices[at]:
            if len(self._sums) > MOST_SUMS and self.best_cost is not None:
                self.stopped = True
                return
            taken = sets.get(provider, frozenset()) | {self.names[at]}
            self._descend(at + 1, {**sets, provider: taken})

    def _cost(self, sets: Mapping[str, frozenset[str]]) -> Cost:
        sums = [self._sum(provider, names) for provider, names in sets.items()]
        return sum(unknown for unknown, _ in sums), sum((cost for _, cost in sums), ZERO)

    def _sum(self, provider: str, names: frozenset[str]) -> Cost:
        key = (provider, names)
        if key not in self._sums:
            plans = [self.plans[provider][name] for name in sorted(names)]
            self._sums[key] = total(plans, self.months, self.free_tier)
        return self._sums[key]

    def _least(self, plan: Plan) -> Decimal:
        """The plan alone with all allowances to itself, each ladder flat at its lowest price."""
        if any(charge.price.commitment is not None for charge in plan.charges):
            return ZERO
        charges = tuple(replace(charge, price=_flat(charge.price)) for charge in plan.charges)
        return total([replace(plan, charges=charges)], self.months, self.free_tier)[1]


def _flat(price: Price) -> Price:
    lowest = min((tier.price for tier in price.tiers), default=ZERO)
    return replace(price, tiers=(Tier(up_to=None, price=lowest),))
