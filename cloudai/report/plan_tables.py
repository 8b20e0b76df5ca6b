"""What the page of a plan carries so that its slider chooses anew: each line's ways as curves, and their price tables.

Fractions are texts like `2/3`, amounts decimal strings. `assets/choice.js` chooses by them as `cloudai_pricing.plan`
does.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from cloudai.report.tables import Data, exact, tables
from cloudai_pricing.billing import Plan
from cloudai_pricing.exact import plain
from cloudai_pricing.plan import MOST_PLANS
from cloudai_pricing.plan_answer import BuildPlan
from cloudai_pricing.plan_curves import Curve
from cloudai_pricing.plan_ways import MOST_MACHINES, Way
from cloudai_pricing.plans import Planned, ProviderPlans
from cloudai_pricing.workload import Line


def plan_tables(found: BuildPlan) -> Data | None:
    """The tables; None: a bound of a price is finer than the page counts."""
    several = _managed(found)
    if not exact(several):
        return None
    curves: dict[Curve, int] = {}
    lines = [
        [_way(way, curves) for way in sorted((*one.ways, *one.beyond), key=lambda way: way.name)] for one in found.lines
    ]
    limit = found.settings.max_exit
    return {
        "bills": tables(several),
        "ways": lines,
        "highs": [_high(one.line) for one in found.lines],
        "curves": [_curve(curve) for curve in curves],
        "platform": plain(found.platform),
        "limit": None if limit is None else plain(limit),
        "most_plans": MOST_PLANS,
        "most_machines": MOST_MACHINES,
    }


def _managed(found: BuildPlan) -> Planned:
    """Every way through a provider's service as a provider of its own."""
    plans: dict[str, list[Plan]] = {}
    for way in (way for one in found.lines for way in (*one.ways, *one.beyond)):
        if way.plan is not None:
            plans.setdefault(way.name, []).append(way.plan)
    providers = tuple(
        ProviderPlans(provider=name, region="", plans=tuple(sorted(several, key=lambda one: one.order)), priced=True)
        for name, several in sorted(plans.items())
    )
    return Planned(workload=found.workload, months=found.months, free_tier=found.free_tier, providers=providers)


def _way(way: Way, curves: dict[Curve, int]) -> Data:
    (beside,) = way.beside.pieces
    data: Data = {
        "name": way.name,
        "kind": way.kind,
        "provider": way.provider,
        "at": _fraction(beside.at),
        "slope": _fraction(beside.slope),
        "once": plain(way.once),
        "leaving": plain(way.leaving),
    }
    if way.does is None:
        return data | {"curve": curves.setdefault(way.bill, len(curves))}
    first = way.bill.pieces[0]
    each = first.at / max(way.least, 1)
    return data | {
        "machine": [_fraction(each), _fraction(way.does), max(way.least, 1), _fraction(first.slope)],
    }


def _high(line: Line) -> str:
    """How much of the likely volume the high one is."""
    return _fraction(Fraction(line.high) / Fraction(line.likely)) if line.likely else "1/1"


def _curve(curve: Curve) -> Data:
    rows = [[None if row.end is None else str(row.end), str(row.at), str(row.slope)] for row in curve.rows]
    return {"x": str(curve.x), "y": str(curve.y), "rows": rows}


def _fraction(number: Fraction | Decimal) -> str:
    over, under = number.as_integer_ratio()
    return f"{over}/{under}"
