"""The exit bill of scanned code: what was counted in the code joined with the planner's sums.

from cloudai.lockin import scan
from cloudai.lockin.bill import exits

for way_out in exits(scan("src")):
    print(way_out.direct.source, way_out.direct.target, way_out.direct.total, way_out.worth)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from cloudai.lockin.scanned import NEUTRAL, Scan, UsedModel
from cloudai_pricing.exact import ZERO, cut
from cloudai_pricing.exit_bill import Comparison, Leaving, Model, Use, compare
from cloudai_pricing.exit_settings import ExitSettings
from cloudai_pricing.exit_terms import Terms
from cloudai_pricing.operations import billable


def exits(
    scan: Scan,
    settings: ExitSettings | None = None,
    *,
    monthly: Mapping[str, Decimal] | None = None,
    spend: Mapping[str, Decimal] | None = None,
) -> tuple[Comparison, ...]:
    """Every way out of every vendor in use; for each vendor the target that takes the most at the least cost first.

    `monthly`: provider -> USD a month, as an estimate has it; without it nothing is known of a saving. `spend`:
    operation -> USD, by which the portable shares are weighed; without it they are by call sites. Calls that go through
    cloudai count with every vendor, at the rates of the interface.
    """
    settings = settings or ExitSettings()
    found: list[Comparison] = []
    for source in scan.providers:
        targets = [target for target in scan.targets if target != source]
        bills = [_compare(scan, source, target, settings, monthly or {}, spend or {}) for target in targets]
        found += sorted(bills, key=lambda one: (one.direct.shares.none, one.direct.total, one.direct.target))
    return tuple(found)


def _compare(
    scan: Scan,
    source: str,
    target: str,
    settings: ExitSettings,
    monthly: Mapping[str, Decimal],
    spend: Mapping[str, Decimal],
) -> Comparison:
    terms = settings.terms_on(scan.as_of.isoformat())
    uses = tuple(_uses(scan, source, target, spend))
    direct_lines = sum((use.lines for use in uses if not use.neutral), ZERO)
    leaving = Leaving(
        source=source,
        target=target,
        uses=uses,
        models=tuple(_model(model, settings) for model in scan.models if model.provider == source),
        gigabytes=settings.gigabytes or ZERO,
        cost_source=monthly.get(source),
        cost_target=monthly.get(target),
        commitments=settings.commitments,
        adapter_cost=_adapter_cost(direct_lines, terms) if settings.adapter_cost is None else settings.adapter_cost,
        on=settings.on(scan.as_of.isoformat()),
    )
    return compare(leaving, terms)


def _uses(scan: Scan, source: str, target: str, spend: Mapping[str, Decimal]) -> Iterator[Use]:
    """The operations in use; lines that belong to none in particular are spread by the lines that do."""
    used = [one for one in scan.operations if one.provider in (source, NEUTRAL) and target in one.fits]
    own = sum(one.coupled_lines for one in used if not one.neutral)
    shared = scan.shared_lines(source)
    ends = _retirements(scan, source)
    for one in used:
        fit, lines = one.fits[target], Decimal(one.coupled_lines)
        if not one.neutral and own:
            lines += cut(Decimal(shared * one.coupled_lines) / own)
        yield Use(
            name=one.label,
            lines=lines,
            kind=fit.level,
            weight=spend.get(one.operation, ZERO) if spend else Decimal(len(one.calls)),
            portable=one.operation in billable() and not one.options,
            neutral=one.neutral,
            retires=ends.get(one.operation) if one.operation in billable() else None,
            why="; ".join(fit.reasons),
            source=fit.source,
            as_of=fit.as_of,
        )


def _retirements(scan: Scan, source: str) -> Mapping[str, date]:
    """Operation -> the first day that is planned with, of the source's own announced ends."""
    found: dict[str, date] = {}
    for one in scan.retirements:
        if one.provider == source and one.ends_on is not None and one.in_range:
            for operation in one.operations:
                found[operation] = min(one.ends_on, found.get(operation, one.ends_on))
    return found


def _model(model: UsedModel, settings: ExitSettings) -> Model:
    """What is not known to come along is taken to stay."""
    return Model(
        name=model.name or model.model_kind,
        exportable=model.exportable == "yes",
        retraining=settings.retraining,
        relabelling=settings.relabelling,
        why=model.conditions,
    )


def _adapter_cost(lines: Decimal, terms: Terms) -> Decimal:
    """Bringing the code behind the interface, on the same vendor: the same semantics, once."""
    days = lines * terms.share("adapted.same") / terms.number("lines_per_day")
    return cut(days * terms.number("day_rate"))
