"""Instance choice for compute lines: the cheapest instance that has what was asked, the others shown beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from cloudai_pricing.entries import Price
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import plain
from cloudai_pricing.model import Candidate
from cloudai_pricing.regions import GLOBAL
from cloudai_pricing.selection import Catalog, Charge, Selection, Unpriced, no_price_in
from cloudai_pricing.workload import Machine


class MachineChoice(NamedTuple):
    """The price of one node, how many nodes, and the candidates, the chosen one first."""

    selection: Selection
    nodes: int
    candidates: tuple[Candidate, ...]


def choose(catalog: Catalog, provider: str, region: str, operation: str, machine: Machine) -> MachineChoice:
    """Raises `Unpriced` with the reason; `PlanError` for an accelerator or instance that no price knows."""
    prices = _instances(catalog, provider, operation)
    if not prices:
        raise Unpriced(f"no instance price of {provider} for {operation} is known")
    fit = [price for price in prices if _satisfies(price, machine)]
    if not fit:
        raise Unpriced(_lacking(prices, machine))
    fit = [price for price in fit if price.spot == machine.spot]
    if not fit:
        raise Unpriced("no spot price is known" if machine.spot else "only spot prices are known")
    here = [price for price in fit if price.region in (region, GLOBAL)]
    if not here:
        raise Unpriced(no_price_in(region, fit))
    return _cheapest(catalog, here, machine)


def _instances(catalog: Catalog, provider: str, operation: str) -> list[Price]:
    for layer in catalog.layers(operation, provider):
        if found := [price for price in layer if price.instance]:
            return found
    return []


def _satisfies(price: Price, machine: Machine) -> bool:
    if machine.instance is not None:
        return price.instance == machine.instance
    if machine.accelerator is None:
        return price.accelerator is None
    return price.accelerator is not None and _plain(price.accelerator) == _plain(machine.accelerator)


def _plain(name: str) -> str:
    return name.lower().replace("nvidia", "").replace("tesla", "").replace(" ", "").replace("-", "").replace("_", "")


def _lacking(prices: list[Price], machine: Machine) -> str:
    if machine.instance is not None:
        names = [price.instance or "" for price in prices]
        return f"no price for instance {machine.instance!r}. {nearest(machine.instance, names)}"
    known = sorted({price.accelerator for price in prices if price.accelerator})
    return f"no price for accelerator {machine.accelerator!r}; there are {', '.join(known) or 'none'}"


def _cheapest(catalog: Catalog, prices: list[Price], machine: Machine) -> MachineChoice:
    """One node that holds all accelerators before several that add up; then the lowest price."""
    charges = [(catalog.charge(price), _nodes(price, machine)) for price in prices]
    alone = [(charge, nodes) for charge, nodes in charges if machine.accelerator is None or nodes == 1]
    ranked = sorted(alone or charges, key=_rank)
    chosen, nodes = ranked[0]
    if len(ranked) > 1 and machine.instance is not None:
        raise PlanError(f"{len(ranked)} prices fit equally well: {ranked[0][0].price} and {ranked[1][0].price}")
    shown = tuple(
        Candidate(
            sku=charge.price.instance or charge.price.sku, nodes=count, hourly=_hourly(charge, count), chosen=not at
        )
        for at, (charge, count) in enumerate(ranked[:8])
    )
    note = f"{nodes} x {chosen.price.instance} at {plain(_hourly(chosen, 1))} an hour each"
    if not alone:
        note += f": no single instance has {machine.count} x {machine.accelerator}"
    return MachineChoice(selection=Selection(charges=(chosen,), notes=(note,)), nodes=nodes, candidates=shown)


def _nodes(price: Price, machine: Machine) -> int:
    if machine.accelerator is None or not price.accelerator_count:
        return machine.count
    return -(-machine.count // price.accelerator_count)


def _hourly(charge: Charge, nodes: int) -> Decimal:
    return charge.price.first_price * charge.factor * nodes


def _rank(item: tuple[Charge, int]) -> tuple[Decimal, str]:
    return _hourly(*item), item[0].price.sku
