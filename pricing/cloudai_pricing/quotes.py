"""Quotes: each line on a provider with the prices that bill it, or the reason why there are none."""

from __future__ import annotations

from typing import NamedTuple

from cloudai_pricing.billing import Plan, Volumes
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.model import Candidate
from cloudai_pricing.operations import billable
from cloudai_pricing.places import Regions
from cloudai_pricing.selection import OFFERED, Catalog, Unpriced, Wanted, select
from cloudai_pricing.workload import Line, Workload


class Quote(NamedTuple):
    """A line on a provider: the plan that bills it, or the reason why there is none; what to say beside it."""

    line: Line
    region: str
    plan: Plan | None
    notes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    offered: bool = True
    lacks: tuple[str, ...] = ()
    """Features that the line needs and the provider has not: it is no part of the mix there."""


def quote_lines(workload: Workload, catalog: Catalog, provider: str, where: Regions, months: int) -> list[Quote]:
    return [
        _quote(catalog, provider, line, where[line.name], tuple(line.in_month(at) for at in range(1, months + 1)))
        for line in workload.lines
    ]


def check_features(workload: Workload, catalog: Catalog) -> None:
    """Raises `PlanError` for a feature that no price and no declaration names: a slip of the pen, and no unknown price.

    Without capability data any name may be one.
    """
    if catalog.capabilities is None:
        return
    for line in workload.lines:
        if line.operation.startswith("other."):
            continue
        for key, names in (("features", line.features), ("needs", line.needs)):
            for name in names:
                _check_feature(catalog, line, key, name)


def _check_feature(catalog: Catalog, line: Line, key: str, name: str) -> None:
    operation = line.operation
    prices = [
        price
        for provider in catalog.providers(operation)
        for layer in catalog.layers(operation, provider)
        for price in layer
    ]
    known = {feature for price in prices for feature in (*price.features, *price.includes)}
    if name in known:
        return
    assert catalog.capabilities is not None
    for features in catalog.capabilities.values():
        known |= {feature for feature in features.get(operation, {}) if feature}
    if name not in known:
        raise PlanError(f"no provider has a feature {name!r} of {operation}", fix=nearest(name, known)).about(
            "line", line.name, key
        )


def is_priced(quote: Quote) -> bool:
    operation = billable().get(quote.line.operation)
    return (operation is not None and operation.free) or (quote.plan is not None and quote.plan.known)


def _quote(catalog: Catalog, provider: str, line: Line, region: str | None, volumes: Volumes) -> Quote:
    lacks = tuple(need for need in line.needs if not _has(catalog, provider, line.operation, need))
    notes = tuple(f"{provider} lacks {need}, which the line needs" for need in lacks)
    operation = billable().get(line.operation)
    if operation is not None and operation.free:
        return Quote(line=line, region=region or "", plan=None, notes=("free of charge",), lacks=lacks)
    if region is None:
        notes = (*notes, f"{line.region!r} is not a region of {provider}")
        return Quote(line=line, region="", plan=None, notes=notes, offered=False, lacks=lacks)
    try:
        plan, more, candidates = _plan(catalog, provider, line, region, volumes)
    except Unpriced as reason:
        priced = provider in catalog.providers(line.operation)
        offered = priced or catalog.supports(provider, line.operation) != "no"
        return Quote(line=line, region=region, plan=None, notes=(*notes, str(reason)), offered=offered, lacks=lacks)
    return Quote(line=line, region=region, plan=plan, notes=(*notes, *more), candidates=candidates, lacks=lacks)


def _has(catalog: Catalog, provider: str, operation: str, feature: str) -> bool:
    """Without capability data nothing is known to be lacking."""
    if catalog.capabilities is None or provider not in catalog.capabilities:
        return True
    return catalog.supports(provider, operation, feature) in OFFERED


def _plan(
    catalog: Catalog, provider: str, line: Line, region: str, volumes: Volumes
) -> tuple[Plan, tuple[str, ...], tuple[Candidate, ...]]:
    if provider == "local" and catalog.local is not None:
        from cloudai_pricing.local import local_plan

        own = local_plan(catalog.local, line, catalog.book.as_of)
        if own is not None:
            times = line.channels * line.targets
            plan = Plan(line=line, region=region, volumes=volumes, charges=own.charges, nodes=times, pace=own.pace)
            return plan, (own.note,), ()
        if "local" not in catalog.providers(line.operation):
            raise Unpriced(f"[local.throughput] has neither {line.name!r} nor {line.operation}")
    if line.machine is not None:
        from cloudai_pricing.machines import choose  # few workloads have compute lines

        choice = choose(catalog, provider, region, line.operation, line.machine)
        charges = choice.selection.charges
        plan = Plan(line=line, region=region, volumes=volumes, charges=charges, nodes=choice.nodes)
        return _saving(catalog, plan), choice.selection.notes, choice.candidates
    wanted = Wanted(
        operation=line.operation,
        unit=line.unit,
        features=line.features,
        variant=line.variant_on(provider),
        sku=line.sku,
    )
    selection = select(catalog, provider, region, wanted)
    plan = Plan(line=line, region=region, volumes=volumes, charges=selection.charges, known=not selection.unpriced)
    return _saving(catalog, plan), selection.notes, ()


def _saving(catalog: Catalog, plan: Plan) -> Plan:
    """Through the user's savings plans, where there are any."""
    if not catalog.overlay.savings:
        return plan
    from cloudai_pricing.savings import covered

    return covered(catalog.overlay.savings, plan)
