"""The mix: which provider each line goes to, so that the total is least.

Lines that share a ladder or an allowance pull each other along, so the cheapest provider of each line on its own is
not always part of the answer. Lines are first split into groups that can't influence each other (most stand alone);
each group is then searched exactly, by branch and bound. A group too large for that is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

from cloudai_pricing.billing import FreeTier, bill
from cloudai_pricing.exact import ZERO
from cloudai_pricing.mix_offers import Extra, Plans, Shared, Sharers, shared, worthwhile
from cloudai_pricing.pool import Pool

MOST_SEARCHED = 10
"""Lines of a group from which on a solver is asked first, where one may be."""
MOST_SUMS = 20_000
"""How many different sums one group may need before the search stops with the best it has."""
MOST_STEPS = 200_000
"""How many partial assignments of one group are looked at, sums known or not."""
_NOTHING = Decimal("1e-30")
"""USD: averages are rounded in their eightieth digit."""
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
    several: Shared | None = None,
    thorough: bool = True,
) -> Assignment:
    """The assignment with the least likely total; lines that nobody prices are left out.

    `extra`: what a line adds on a provider beside its price, USD over all months. `solver` is asked first for groups
    that are large for the search (without one the answer is the same wherever it is asked for). `several`: the plans
    by what they share, where they are known from before. Not `thorough`: a large group that no bound settles
    gets a guess.
    """
    beside = extra or {}
    offered = worthwhile(shared(plans, months, free_tier) if several is None else several, beside)
    priced = sorted({name for all_ in offered.values() for one in all_ for name in one.plans}.intersection(names))
    found: dict[str, str] = {}
    exact = True
    for group in _groups(offered, priced, months, free_tier):
        search = _Search(names=group, offered=_among(offered, group), extra=beside)
        search.run(solver, thorough=thorough)
        found |= search.best
        exact = exact and not search.stopped
    return Assignment(providers=found, exact=exact)


def _groups(offered: Shared, names: Sequence[str], months: int, free_tier: FreeTier) -> list[list[str]]:
    """Lines that may influence each other on some provider, together."""
    group = {name: {name} for name in names}
    for several in offered.values():
        for one in several:
            if len(one.plans) > 1 and not _separate(one, months, free_tier):
                merged = set[str]().union(*(group[name] for name in one.plans))
                group |= dict.fromkeys(merged, merged)
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values())


def _separate(one: Sharers, months: int, free_tier: FreeTier) -> bool:
    """All their units together stay on the first tier, with no allowance: then none changes what another costs."""
    if one.pool is not None:
        return one.pool.flat
    for found in bill(list(one.plans.values()), months, free_tier).values():
        if found.unknown or any(start or free or fee for _, start, _, _, free, fee in found.pieces):
            return False
    return True


def _among(offered: Shared, names: Sequence[str]) -> dict[Place, Sharers]:
    wanted = set(names)
    return {
        (provider, number): one.only(wanted)
        for provider, several in offered.items()
        for number, one in enumerate(several)
        if not wanted.isdisjoint(one.plans)
    }


@dataclass(kw_only=True)
class _Search:
    """Branch and bound over one group, by two bounds.

    What is placed so far, and what each other line must at least add to it; and the sum of each line's least part of
    the bill it is in. The first is the better one deep in the search, the second at its start.
    """

    names: Sequence[str]
    offered: Mapping[Place, Sharers]
    extra: Extra
    best: dict[str, str] = field(default_factory=dict)
    best_cost: Cost | None = None
    stopped: bool = False
    _effort: int = 0
    _steps: int = 0
    _sums: dict[tuple[Place, frozenset[str]], Cost] = field(default_factory=dict)
    _part: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(provider, line) -> its least part of the bill it is in there."""
    _adds: list[Decimal] = field(default_factory=list)
    """From a line on: what it and the following ones must at least add."""
    _parts: list[Decimal] = field(default_factory=list)
    """From a line on: the least parts of it and the following ones."""
    _choices: list[list[str]] = field(default_factory=list)
    _home: dict[tuple[str, str], Place] = field(default_factory=dict)
    """(provider, line) -> the group of sharers it is in there."""
    _mixed: bool = False

    def run(self, solver: Solver | None, *, thorough: bool = True) -> None:
        """Finds `best`: at once where a guess is no dearer than the bound, by the solver, or by search."""
        self._home = {(place[0], name): place for place, one in self.offered.items() for name in one.plans}
        self._mixed = any(one.mixed for one in self.offered.values())
        self._order()
        for provider in sorted({provider for provider, _ in self.offered}):
            if all((provider, name) in self._home for name in self.names):
                self._try(dict.fromkeys(self.names, provider))
        self._try({name: min(self._choices[at], key=lambda one: self._part[one, name])  # called at once
                   for at, name in enumerate(self.names)})  # fmt: skip
        if self._proven():
            return
        if len(self.names) > MOST_SEARCHED:
            if not thorough:
                self.stopped = True
                return
            if solver is not None and self._solved(solver):
                return
        self._descend(0, {}, {}, (0, ZERO), ZERO)

    def _order(self) -> None:
        """Lines by what they cost at the least, the dearest first; their offers by what they cost alone."""
        offers: dict[str, list[str]] = {name: [] for name in self.names}
        for provider, name in self._home:
            offers[name].append(provider)
        self._part = {
            (one, name): self.offered[place].least(name) + self._beside(one, name)
            for (one, name), place in self._home.items()
        }
        least = {name: min(self._part[one, name] for one in offers[name]) for name in self.names}
        self.names = sorted(self.names, key=lambda name: (-least[name], name))
        self._parts = _sums_from([least[name] for name in self.names])
        self._adds = _sums_from([min(self._saves(one, name) for one in offers[name]) for name in self.names])
        self._choices = [sorted(offers[name], key=lambda one: (self._alone(one, name), one)) for name in self.names]

    def _saves(self, provider: str, name: str) -> Decimal:
        return (self.offered[self._home[provider, name]].saves(name) or ZERO) + self._beside(provider, name)

    def _proven(self) -> bool:
        """The best so far costs no more than the bound of all."""
        return self.best_cost is not None and not self._mixed and (0, self._parts[0] + _NOTHING) >= self.best_cost

    def _solved(self, solver: Solver) -> bool:
        """Finds `best` by a solver; False: it has no proven answer."""
        pools = {place: one.pool for place, one in self.offered.items()}
        found = solver(self._home, pools, self.names, self.extra)
        if found is None or not found.exact:
            return False
        self.best = dict(found.providers)
        return True

    def _beside(self, provider: str, name: str) -> Decimal:
        return self.extra.get((provider, name), ZERO)

    def _alone(self, provider: str, name: str) -> Cost:
        unknown, cost = self._sum(self._home[provider, name], frozenset({name}))
        return unknown, cost + self._beside(provider, name)

    def _try(self, placed: dict[str, str]) -> None:
        """A guess: all lines on one provider (the mix is never dearer than that), or each where its part is least."""
        homes: dict[Place, set[str]] = {}
        for name, provider in placed.items():
            homes.setdefault(self._home[provider, name], set()).add(name)
        sums = [self._sum(place, frozenset(names)) for place, names in homes.items()]
        more = sum((self._beside(provider, name) for name, provider in placed.items()), ZERO)
        cost = (sum(unknown for unknown, _ in sums), sum((one for _, one in sums), more))
        if self.best_cost is None or cost < self.best_cost:
            self.best_cost, self.best = cost, placed

    def _descend(
        self, at: int, taken: dict[str, str], sets: dict[Place, frozenset[str]], cost: Cost, parts: Decimal
    ) -> None:
        bound = (cost[0], max(cost[1] + self._adds[at], parts + self._parts[at]) + _NOTHING)
        if self.best_cost is not None and not self._mixed and bound >= self.best_cost:
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
            place = self._home[provider, name]
            before = sets.get(place, frozenset())
            old = self._sum(place, before) if before else (0, ZERO)
            new = self._sum(place, before | {name})
            after = (cost[0] - old[0] + new[0], cost[1] - old[1] + new[1] + self._beside(provider, name))
            there = {**sets, place: before | {name}}
            self._descend(at + 1, {**taken, name: provider}, there, after, parts + self._part[provider, name])

    def _sum(self, place: Place, names: frozenset[str]) -> Cost:
        """What lines of one group of sharers cost on a provider."""
        key = (place, names)
        found = self._sums.get(key)
        if found is None:
            one = self.offered[place]
            self._effort += 1 if one.pool is not None else SLOW_SUM
            found = self._sums[key] = one.cost(names)
        return found


def _sums_from(numbers: Sequence[Decimal]) -> list[Decimal]:
    """The sum from each place on; nothing at the end."""
    found = [ZERO]
    for number in reversed(numbers):
        found.append(found[-1] + number)
    return found[::-1]
