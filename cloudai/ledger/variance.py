"""What was spent against what was planned: how much of the difference is volume, mix and price.

For each operation, with planned cost C0 for Q0 units, and C1 spent on Q1 units of which provider p had q(p):

    volume = (Q1 - Q0) x C0/Q0                  more or fewer units, at the planned average price
    mix    = sum of q(p) x p0(p) - Q1 x C0/Q0   units that went to other providers, at the planned price there
    price  = what is left                       units that cost something else than planned

so the three add up to C1 - C0 exactly. An operation that was not planned is volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloudai.ledger.entries import State, dollars
from cloudai.ledger.store import Group, UsedGroup
from cloudai_pricing.diff import Effects
from cloudai_pricing.exact import PRICE_PLACES, ZERO, cut, exactly
from cloudai_pricing.model import Estimate, LineCost
from cloudai_pricing.operations import billable
from cloudai_pricing.units import convertible, factor

_PLACES = 6


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One operation in the plan's period. `cost` None: it is not priced. `prices`: USD a unit, by provider."""

    quantity: Decimal
    cost: Decimal | None
    prices: Mapping[str, Decimal]

    def scaled(self, share: Decimal) -> Planned:
        """Of a part of the period."""
        cost = None if self.cost is None else cut(self.cost * share, PRICE_PLACES)
        return Planned(quantity=cut(self.quantity * share), cost=cost, prices=self.prices)


@dataclass(frozen=True, kw_only=True)
class Actual:
    """One operation as it was: units and USD, by provider."""

    quantities: Mapping[str, Decimal]
    costs: Mapping[str, Decimal]

    @property
    def quantity(self) -> Decimal:
        """At all providers."""
        return sum(self.quantities.values(), ZERO)

    @property
    def cost(self) -> Decimal:
        """At all providers."""
        return sum(self.costs.values(), ZERO)


@dataclass(frozen=True, kw_only=True)
class Variance:
    """One operation. `planned` None: the plan has no price of it, and nothing is compared."""

    operation: str
    unit: str
    planned_quantity: Decimal
    quantity: Decimal
    planned: Decimal | None
    spent: Decimal
    effects: Effects


def plan_of(estimate: Estimate, before: Estimate | None = None) -> dict[str, Planned]:
    """By operation: the mix (or the only option). `before`: an estimate of fewer months, which is taken off."""
    with exactly():
        found = _planned(estimate)
        for operation, less in (_planned(before) if before is not None else {}).items():
            whole = found[operation]
            cost = None if whole.cost is None or less.cost is None else whole.cost - less.cost
            found[operation] = Planned(quantity=whole.quantity - less.quantity, cost=cost, prices=whole.prices)
    return found


def _planned(estimate: Estimate) -> dict[str, Planned]:
    lines: dict[str, list[LineCost]] = {}
    for line in _chosen(estimate):
        lines.setdefault(line.operation, []).append(line)
    found = {}
    for operation, each in lines.items():
        costs = [line.cost.likely for line in each if line.cost is not None and line.complete]
        found[operation] = Planned(
            quantity=sum((line.quantity * _size(line.unit, operation) for line in each), ZERO),
            cost=sum(costs, ZERO) if len(costs) == len(each) else None,
            prices=_prices(estimate, operation),
        )
    return found


def _chosen(estimate: Estimate) -> Iterable[LineCost]:
    if estimate.mix is None or len(estimate.options) == 1:
        return estimate.options[0].lines if estimate.options else ()
    return [choice.line or estimate.options[0].lines[number] for number, choice in enumerate(estimate.mix.choices)]


def _prices(estimate: Estimate, operation: str) -> dict[str, Decimal]:
    """What a unit costs on average at each provider that the plan prices it on."""
    found = {}
    for option in estimate.options:
        lines = [line for line in option.lines if line.operation == operation and line.cost is not None]
        quantity = sum((line.quantity * _size(line.unit, operation) for line in lines), ZERO)
        if quantity:
            cost = sum((line.cost.likely for line in lines if line.cost is not None), ZERO)
            found[option.provider] = cut(cost / quantity, PRICE_PLACES)
    return found


def _unit(operation: str) -> str:
    known = billable().get(operation)
    return known.unit if known is not None else "unit"


def _size(unit: str, operation: str) -> Decimal:
    """Units of the operation in one of `unit`."""
    own = _unit(operation)
    return cut(factor(unit) / factor(own)) if convertible(unit, own) else Decimal(1)


def actuals(groups: Sequence[Group], used: Sequence[UsedGroup]) -> dict[str, Actual]:
    """By operation, from a ledger's sums of a period."""
    costs: dict[str, dict[str, Decimal]] = {}
    for group in groups:
        if group.state in (State.SETTLED, State.UNKNOWN):
            mine = costs.setdefault(group.operation, {})
            mine[group.provider] = mine.get(group.provider, ZERO) + dollars(group.amount)
    quantities: dict[str, dict[str, Decimal]] = {operation: {} for operation in costs}
    with exactly():
        for one in _own_meters(used):
            mine = quantities.setdefault(one.operation, {})
            size = _size(one.unit, one.operation)
            mine[one.provider] = mine.get(one.provider, ZERO) + one.quantity * size
    return {name: Actual(quantities=quantities[name], costs=costs.get(name, {})) for name in quantities}


def _own_meters(used: Sequence[UsedGroup]) -> Iterable[UsedGroup]:
    """Units of the operation itself: not the detection of a language beside a translation."""
    fit = [one for one in used if convertible(one.unit, _unit(one.operation))]
    own = {(one.operation, one.provider) for one in fit if one.meter == one.operation}
    return [one for one in fit if one.meter == one.operation or (one.operation, one.provider) not in own]


def variances(planned: Mapping[str, Planned], actual: Mapping[str, Actual]) -> list[Variance]:
    """Of every operation that was planned or called."""
    nothing = Planned(quantity=ZERO, cost=ZERO, prices={})
    idle = Actual(quantities={}, costs={})
    names = dict.fromkeys((*planned, *sorted(actual)))
    with exactly():
        return [_variance(name, planned.get(name, nothing), actual.get(name, idle)) for name in names]


def _variance(operation: str, planned: Planned, actual: Actual) -> Variance:
    return Variance(
        operation=operation,
        unit=_unit(operation),
        planned_quantity=planned.quantity,
        quantity=actual.quantity,
        planned=planned.cost,
        spent=actual.cost,
        effects=_effects(planned, actual),
    )


def _effects(planned: Planned, actual: Actual) -> Effects:
    if planned.cost is None:
        return Effects()
    change = actual.cost - planned.cost
    if not planned.quantity:
        return Effects(volume=change)
    average = planned.cost / planned.quantity
    volume = cut((actual.quantity - planned.quantity) * average, _PLACES)
    there = sum((units * planned.prices.get(name, average) for name, units in actual.quantities.items()), ZERO)
    mix = cut(there - actual.quantity * average, _PLACES)
    return Effects(volume=volume, mix=mix, price=change - volume - mix)
