"""The mix: which provider each line goes to, so that the total is least.

Lines that share a ladder or an allowance pull each other along, so the cheapest provider of each line on its own is
not always part of the answer. Lines are first split into groups that can't influence each other (most stand alone);
each group is then searched exactly, by branch and bound. A group too large for that is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple, Protocol

from cloudai_pricing.billing import FreeTier, Plan, allowance, bill, total
from cloudai_pricing.entries import Price, Tier
from cloudai_pricing.exact import ZERO
from cloudai_pricing.pool import Pool, pool_of

Plans = Mapping[str, Mapping[str, Plan]]
"""Provider -> line name -> the plan, where the provider prices the line."""
Extra = Mapping[tuple[str, str], Decimal]
"""(provider, line) -> USD that come on top of what is billed."""
MOST_SEARCHED = 10
"""Lines of a group from which on a solver is asked first, where one may be."""
MOST_SUMS = 20_000
"""How many different sums one group may need before the search stops with the best it has."""
MOST_STEPS = 200_000
"""How many partial assignments of one group are looked at, sums known or not."""
SLOW_SUM = 50
"""What a sum that is no plain pool counts for."""
Place = tuple[str, int]
"""A provider, and which group of sharers it is there."""
Cost = tuple[int, Decimal]
"""Lines that are not wholly priced, then money: an unknown price never looks cheap."""


class Assignment(NamedTuple):
    """Line name -> provider. `exact`: proven least."""

    providers: Mapping[str, str]
    exact: bool = True


class Solver(Protocol):
    """Places the lines of one group. `homes`: (provider, line) -> where it shares what; None: no answer."""

    def __call__(
        self,
        homes: Mapping[tuple[str, str], Place],
        pools: Mapping[Place, Pool | None],
        names: Sequence[str],
        extra: Extra,
    ) -> Assignment | None: ...


def assign(
    plans: Plans,
    names: Sequence[str],
    months: int,
    free_tier: FreeTier,
    extra: Extra | None = None,
    *,
    solver: Solver | None = None,
) -> Assignment:
    """The assignment with the least likely total; lines that nobody prices are left out.

    `extra`: what a line adds on a provider beside its price, USD over all months. `solver` is asked first for groups
    that are large for the search (without one the answer is the same wherever it is asked for).
    """
    found: dict[str, str] = {}
    exact = True
    priced = [name for name in sorted(names) if any(name in lines for lines in plans.values())]
    groups = {provider: sharing(list(lines.values()), free_tier) for provider, lines in plans.items()}
    for group in _groups(groups, priced, months, free_tier):
        search = _Search(
            plans=plans, names=group, sharing=groups, months=months, free_tier=free_tier, extra=extra or {}
        )
        if solver is not None and len(group) > MOST_SEARCHED and search.solve(solver):
            found |= search.best
            continue
        search.run()
        found |= search.best
        exact = exact and not search.stopped
    return Assignment(providers=found, exact=exact)


def _groups(
    sharing: Mapping[str, list[list[Plan]]], names: Sequence[str], months: int, free_tier: FreeTier
) -> list[list[str]]:
    """Lines that may influence each other on some provider, together."""
    group = {name: {name} for name in names}
    for several in sharing.values():
        for members in several:
            if len(members) > 1 and not _separate(members, months, free_tier):
                merged = set[str]().union(*(group[plan.line.name] for plan in members))
                group |= dict.fromkeys(merged, merged)
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values())


def sharing(plans: Sequence[Plan], free_tier: FreeTier) -> list[list[Plan]]:
    """Plans of one provider by the ladders and the allowances (that count) they share."""
    groups: list[tuple[set[tuple[str, str, str]], list[Plan]]] = []
    for plan in plans:
        counters = {charge.price.counter for charge in plan.charges}
        counters |= {charge.price.free_counter for charge in plan.charges if allowance(charge.price, 1, free_tier)}
        touched = [one for one in groups if one[0] & counters]
        rest = [one for one in groups if not one[0] & counters]
        keys = counters.union(*(one[0] for one in touched))
        groups = [*rest, (keys, [*(other for one in touched for other in one[1]), plan])]
    return [members for _, members in groups]


def _separate(plans: Sequence[Plan], months: int, free_tier: FreeTier) -> bool:
    """All their units together stay on the first tier, with no allowance: then none changes what another costs."""
    pool = pool_of(plans, months, free_tier)
    if pool is not None:
        return pool.flat
    for one in bill(plans, months, free_tier).values():
        if one.unknown or any(start or free or fee for _, start, _, _, free, fee in one.pieces):
            return False
    return True


@dataclass(kw_only=True)
class _Search:
    """Branch and bound over one group. What a line must at least add, whatever else is there, bounds the rest."""

    plans: Plans
    names: Sequence[str]
    sharing: Mapping[str, list[list[Plan]]]
    months: int
    free_tier: FreeTier
    extra: Extra = field(default_factory=dict)
    best: dict[str, str] = field(default_factory=dict)
    best_cost: Cost | None = None
    stopped: bool = False
    _mixed: bool = False
    """Ladders that differ share a counter: a line may then make others cheaper, and nothing bounds the rest."""
    _effort: int = 0
    _steps: int = 0
    _sums: dict[tuple[str, int, frozenset[str]], Cost] = field(default_factory=dict)
    _rest: list[Decimal] = field(default_factory=list)
    _choices: list[list[str]] = field(default_factory=list)
    _home: dict[tuple[str, str], int] = field(default_factory=dict)
    """(provider, line) -> which group of sharers it is in there."""
    _pools: dict[tuple[str, int], Pool | None] = field(default_factory=dict)

    def solve(self, solver: Solver) -> bool:
        """Finds `best` by a solver; False: it has no proven answer."""
        self._prepare()
        homes = {(one, name): (one, number) for (one, name), number in self._home.items() if name in set(self.names)}
        found = solver(homes, self._pools, self.names, self.extra)
        if found is None or not found.exact:
            return False
        self.best = dict(found.providers)
        return True

    def run(self) -> None:
        """Finds `best`."""
        self._prepare()
        least = {}
        for name in self.names:
            offers = [provider for provider, lines in self.plans.items() if name in lines]
            least[name] = min(
                self._least(one, self.plans[one][name]) + self.extra.get((one, name), ZERO) for one in offers
            )
        self.names = sorted(self.names, key=lambda name: (-least[name], name))
        for name in self.names:
            offers = [provider for provider, lines in self.plans.items() if name in lines]
            self._choices.append(sorted(offers, key=lambda one: (self._alone(one, name), one)))
        self._rest = [sum((least[name] for name in self.names[at:]), ZERO) for at in range(len(self.names) + 1)]
        for provider in sorted(self.plans):
            self._try_alone(provider)
        self._descend(0, {}, {}, (0, ZERO))

    def _prepare(self) -> None:
        """Which lines share what on each provider."""
        wanted = set(self.names)
        for provider, groups in self.sharing.items():
            for number, members in enumerate(groups):
                mine = [plan for plan in members if plan.line.name in wanted]
                self._home |= {(provider, plan.line.name): number for plan in mine}
                self._mixed = self._mixed or _ladders_differ(mine)
                if mine:
                    self._pools[provider, number] = pool_of(mine, self.months, self.free_tier)

    def _alone(self, provider: str, name: str) -> Cost:
        unknown, cost = self._sum(provider, frozenset({name}))
        return unknown, cost + self.extra.get((provider, name), ZERO)

    def _try_alone(self, provider: str) -> None:
        """All lines on one provider: the mix is never dearer than that, however soon the search must stop."""
        if all(name in self.plans[provider] for name in self.names):
            homes: dict[int, set[str]] = {}
            for name in self.names:
                homes.setdefault(self._home[provider, name], set()).add(name)
            sums = [self._sum(provider, frozenset(names)) for names in homes.values()]
            more = sum((self.extra.get((provider, name), ZERO) for name in self.names), ZERO)
            cost = (sum(unknown for unknown, _ in sums), sum((one for _, one in sums), more))
            if self.best_cost is None or cost < self.best_cost:
                self.best_cost, self.best = cost, dict.fromkeys(self.names, provider)

    def _descend(self, at: int, taken: dict[str, str], sets: dict[tuple[str, int], frozenset[str]], cost: Cost) -> None:
        if self.best_cost is not None and not self._mixed and (cost[0], cost[1] + self._rest[at]) >= self.best_cost:
            return
        if at == len(self.names):
            if self.best_cost is None or cost < self.best_cost:
                self.best_cost, self.best = cost, taken
            return
        name = self.names[at]
        for provider in self._choices[at]:
            self._steps += 1
            if (self._effort > MOST_SUMS or self._steps > MOST_STEPS) and self.best_cost is not None:
                self.stopped = True
                return
            group = (provider, self._home[provider, name])
            before = sets.get(group, frozenset())
            old = self._sum(provider, before) if before else (0, ZERO)
            new = self._sum(provider, before | {name})
            more = self.extra.get((provider, name), ZERO)
            after = (cost[0] - old[0] + new[0], cost[1] - old[1] + new[1] + more)
            self._descend(at + 1, {**taken, name: provider}, {**sets, group: before | {name}}, after)

    def _sum(self, provider: str, names: frozenset[str]) -> Cost:
        """What lines of one group of sharers cost on a provider."""
        number = self._home[provider, next(iter(names))]
        key = (provider, number, names)
        found = self._sums.get(key)
        if found is None:
            pool = self._pools[provider, number]
            self._effort += 1 if pool is not None else SLOW_SUM
            if pool is not None:
                found = pool.cost(names)
            else:
                plans = [self.plans[provider][name] for name in sorted(names)]
                found = total(plans, self.months, self.free_tier)
            self._sums[key] = found
        return found

    def _least(self, provider: str, plan: Plan) -> Decimal:
        """The plan alone with all allowances to itself, each ladder flat at its lowest price.

        Nothing, where a fee may be shared or units may pass the end of a ladder (they add no known cost).
        """
        number = self._home[provider, plan.line.name]
        sharers = frozenset(name for name in self.names if self._home.get((provider, name)) == number)
        committed = any(charge.price.commitment is not None for charge in plan.charges)
        if committed or self._sum(provider, sharers)[0]:
            return ZERO
        charges = tuple(charge._replace(price=_flat(charge.price)) for charge in plan.charges)
        flat = [plan._replace(charges=charges)]
        pool = pool_of(flat, self.months, self.free_tier)
        return (pool.cost(frozenset({plan.line.name})) if pool else total(flat, self.months, self.free_tier))[1]


def _ladders_differ(plans: Sequence[Plan]) -> bool:
    """Whether entries with different tiers count on one counter."""
    ladders: dict[tuple[str, str, str], Price] = {}
    for plan in plans:
        for charge in plan.charges:
            first = ladders.setdefault(charge.price.counter, charge.price)
            if first.tiers != charge.price.tiers or first.unit != charge.price.unit:
                return True
    return False


def _flat(price: Price) -> Price:
    lowest = min((tier.price for tier in price.tiers), default=ZERO)
    return replace(price, tiers=(Tier(up_to=None, price=lowest),))
