"""One month of one line alone, by volume, on every provider: where prices change and where another is cheapest.

Between the edges of its tiers a cost is a straight line, so the edges and the crossings between them are all there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations, pairwise
from typing import NamedTuple

from cloudai.report.charts import Curve, Mark
from cloudai.report.tables import ratios
from cloudai_pricing.billing import FreeTier, Plan, allowance, month_of
from cloudai_pricing.exact import ONE, ZERO, cut, exactly
from cloudai_pricing.plans import Planned
from cloudai_pricing.tiers import multiplier
from cloudai_pricing.units import factor, plural

TIMES = 3
"""How far past the planned volume the curves go."""
_STEP = Decimal("1e-9")


class Stated(NamedTuple):
    """The unit of a line in words, and its planned volume in it."""

    unit: str
    now: Decimal


def curves_of(
    several: Planned, name: str
) -> tuple[Stated, tuple[Curve, ...], tuple[Mark, ...], tuple[Mark, ...]] | None:
    """The curves of a line up to `TIMES` its volume, edges of tiers and crossings; None: nobody prices it."""
    plans = {one.provider: plan for one in several.providers for plan in one.plans if plan.line.name == name}
    if not plans:
        return None
    line = next(iter(plans.values())).line
    size = factor(line.unit)
    with exactly():
        top = line.likely * TIMES or size * 1000
        edges = {provider: _edges(plan, several.free_tier, top) for provider, plan in plans.items()}
        marks = sorted({ZERO, _STEP, line.likely, top, *(edge for each in edges.values() for edge in each)})
        costs = {
            provider: {mark: _cost(plan, mark, several.free_tier) for mark in marks} for provider, plan in plans.items()
        }
        curves = tuple(
            Curve(provider, tuple((cut(at / size), cost) for at, cost in costs[provider].items() if cost is not None))
            for provider in plans
        )
        changes = tuple(
            Mark(cut(edge / size), cost, f"{provider}: the price of the next changes")
            for provider, several_edges in edges.items()
            for edge in several_edges
            if (cost := costs[provider][edge]) is not None
        )
        crossings = tuple(Mark(cut(one.at / size), one.cost, one.what) for one in _crossings(marks, costs))
    return Stated(plural(line.unit), cut(line.likely / size)), curves, changes, crossings


def _cost(plan: Plan, volume: Decimal, free_tier: FreeTier) -> Decimal | None:
    state = month_of([plan], {plan.line.name: volume}, 1, free_tier)
    cost = ZERO
    for number, piece in state.pieces.get(plan.line.name, []):
        if piece.price is None:
            return None
        cost += piece.quantity * piece.price * plan.charges[number].factor
    return cost


def _edges(plan: Plan, free_tier: FreeTier, top: Decimal) -> list[Decimal]:
    """Base units of the line at which the price of the next unit changes."""
    found = set[Decimal]()
    for charge in plan.charges:
        price = charge.price
        bounds = [tier.up_to * factor(price.unit) for tier in price.tiers if tier.up_to is not None]
        if price.commitment is not None:
            bounds = [price.commitment.included * factor(price.unit)]
        if free := allowance(price, 1, free_tier):
            bounds.append(free)
        share = Decimal(multiplier(price, plan.line.channels, plan.line.targets) * plan.nodes)
        for over, under in ratios(plan, charge):
            share *= Decimal(over) / Decimal(under)
        found |= {cut(bound / share) for bound in bounds if share and bound}
    return sorted(edge for edge in found if edge <= top)


def _crossings(marks: Sequence[Decimal], costs: Mapping[str, Mapping[Decimal, Decimal | None]]) -> Iterator[Mark]:
    """Where the cheapest provider changes, by rising volume."""
    for here, there in pairwise(marks[1:]):
        lines: dict[str, tuple[Decimal, Decimal]] = {}
        for provider, each in costs.items():
            first, last = each[here], each[there]
            if first is not None and last is not None:
                lines[provider] = (first, last)
        yield from sorted(_between(here, there, lines), key=lambda mark: mark.at)


def _between(here: Decimal, there: Decimal, lines: Mapping[str, tuple[Decimal, Decimal]]) -> Iterator[Mark]:
    for one, other in combinations(sorted(lines), 2):
        before = lines[one][0] - lines[other][0]
        after = lines[one][1] - lines[other][1]
        if not before * after < 0:
            continue
        share = before / (before - after)
        costs = {name: first + (last - first) * share for name, (first, last) in lines.items()}
        if min(costs.values()) < costs[one] - Decimal("1e-12"):
            continue
        winner, loser = (one, other) if after < 0 else (other, one)
        what = f"{winner} is cheaper than {loser} from here on"
        yield Mark(cut(here + (there - here) * share), cut(costs[one] / ONE), what)
