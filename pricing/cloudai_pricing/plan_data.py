"""`cloudai.plan/1`: a plan as JSON, and as rows of CSV. Numbers are decimal strings, what is not known null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from cloudai_pricing.ascsv import csv_text
from cloudai_pricing.exact import cut, exactly, plain
from cloudai_pricing.jsontext import indented
from cloudai_pricing.plan_answer import BuildPlan, LinePlan, edges, stated
from cloudai_pricing.plan_commit import (
    CommitmentAdvice,
    ReservationAdvice,
    SpotAdvice,
    commitments,
    reservations,
    spots,
)
from cloudai_pricing.plan_curves import Curve, Stretch
from cloudai_pricing.plan_ways import Way
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Line

SCHEMA = "cloudai.plan/1"
HEAD = ["line", "chosen", "way", "kind", "provider", "region", "first_month_usd", "total_usd",
        "per_accepted_result_usd", "leaving_usd", "machines", "idle_share", "error", "latency_s", "quality",
        "on_front"]  # fmt: skip


def to_json(found: BuildPlan) -> str:
    """The document, with a newline at its end. The same plan gives the same bytes."""
    return indented(document(found)) + "\n"


def schema() -> str:
    """The JSON Schema of the document."""
    return Path(__file__).with_name("plan.schema.json").read_text(encoding="utf-8")


def document(found: BuildPlan) -> dict[str, object]:
    """The document as plain data."""
    with exactly():
        return {
            "schema": SCHEMA,
            "name": found.name,
            "currency": "USD",
            "months": found.months,
            "snapshot": {"id": found.snapshot_id, "date": found.snapshot_date},
            "complete": found.complete,
            "exact": found.exact,
            "total": _money(found.cost),
            "leaving": _money(found.leaving),
            "lines": [_line(one, found) for one in found.lines],
            "front": {"exact": found.front_exact, "points": [_point(point) for point in found.front]},
            "commitments": [_commitment(one) for one in commitments(found)],
            "reservations": [_reservation(one) for one in reservations(found)],
            "spot": [_spot(one) for one in spots(found)],
            "sources": [
                {"source": one.source, "services": list(one.services), "first": one.first, "last": one.last}
                for one in found.sources
            ],
            "terms": [dict(term._asdict()) for term in found.settings.terms.values()],
            "assumptions": list(found.assumptions),
        }


def _line(one: LinePlan, found: BuildPlan) -> dict[str, object]:
    front = {way.name for way in one.front}
    return {
        "name": one.line.name,
        "operation": one.line.operation,
        "unit": one.line.unit,
        "volume": plain(one.line.stated(one.line.likely)),
        "chosen": None if one.chosen is None else one.chosen.name,
        "ways": [{**way_data(way, found), "on_front": way.name in front} for way in one.ways],
        "crossings": {"month": _edges(one.line, one.now), "plan": _edges(one.line, one.over_the_months)},
        "by_month": [
            {"month": month, "volume": plain(one.line.stated(one.line.in_month(month)[1])), "least": one.best_in(month)}
            for month in range(1, one.months + 1)
        ],
        "refused": [{"way": way, "why": why} for way, why in sorted(one.refused.items())],
    }


def way_data(way: Way, found: BuildPlan) -> dict[str, object]:
    """One way of a line."""
    volume, good = way.line.in_month(1)[1], way.goodness
    idle = way.idle_share(volume, utilisation(way, found))
    return {
        "name": way.name,
        "kind": way.kind,
        "provider": way.provider,
        "region": way.region,
        "first_month": _optional_money(way.month(volume)),
        "once": _money(way.once),
        "total": _optional_money(way.total(found.months)),
        "per_accepted_result": _optional(per_result(way, volume)),
        "leaving": _money(way.leaving),
        "machine": way.machine or None,
        "machines": way.replicas(volume),
        "idle_share": _optional(idle),
        "error": _optional(good.error),
        "latency_s": _optional(good.latency),
        "quality": _optional(good.quality),
        "notes": list(way.notes),
        "pieces": [_piece(way.line, piece) for piece in _sampled(way.curve)],
    }


def utilisation(way: Way, found: BuildPlan) -> Decimal:
    """The share of hours at work that a machine of a way is planned with."""
    local = found.workload.local
    return local.utilisation if way.kind == "own" and local is not None else found.settings.number("utilisation") / 100


def per_result(way: Way, volume: Decimal) -> Decimal | None:
    """USD for one result that is right, looks included, in the first month; None: not known, or it has no result."""
    cost = way.month(volume)
    size = way.line.request or factor(way.line.unit)
    return None if cost is None or not volume else cut(cost * size / volume, 12)


def _sampled(curve: Curve) -> Sequence[tuple[Fraction, Fraction | None, Fraction, Fraction]]:
    return curve.pieces[:200]


def _piece(line: Line, piece: tuple[Fraction, Fraction | None, Fraction, Fraction]) -> dict[str, object]:
    start, end, at, slope = piece
    unit = Fraction(factor(line.unit))
    return {
        "above": plain(stated(line, start)),
        "up_to": None if end is None else plain(stated(line, end)),
        "at": plain(_decimal(at)),
        "per_unit": plain(_decimal(slope * unit)),
    }


def _decimal(number: Fraction) -> Decimal:
    return cut(Decimal(number.numerator) / Decimal(number.denominator), 15)


def _edges(line: Line, stretches: Sequence[Stretch]) -> list[dict[str, object]]:
    return [
        {"above": plain(stated(line, edge.volume)), "before": edge.before, "after": edge.after}
        for edge in edges(stretches)
    ]


def _point(point: tuple[Decimal, Decimal, Mapping[str, str]]) -> dict[str, object]:
    cost, leaving, ways = point
    return {"total": _money(cost), "leaving": _money(leaving), "ways": dict(sorted(ways.items()))}


def _commitment(one: CommitmentAdvice) -> dict[str, object]:
    size = factor(one.unit)
    return {
        "line": one.line,
        "way": one.way,
        "sku": one.sku,
        "fee_per_month": _money(one.fee),
        "unit": one.unit,
        "worth": [{"above": plain(cut(a / size)), "up_to": plain(cut(b / size))} for a, b in one.worth],
        "saves": {
            "low": _optional_money(one.low),
            "likely": _optional_money(one.likely),
            "high": _optional_money(one.high),
        },
        "source": one.source,
        "as_of": one.as_of,
    }


def _reservation(one: ReservationAdvice) -> dict[str, object]:
    return {
        "line": one.line,
        "way": one.way,
        "sku": one.sku,
        "on_demand_hourly": plain(one.hourly),
        "fee_per_month": _money(one.fee),
        "break_even_use": plain(cut(one.break_even, 6)),
        "steady_machines": one.steady,
        "saves_per_month": _money(one.saving),
        "source": one.source,
        "as_of": one.as_of,
    }


def _spot(one: SpotAdvice) -> dict[str, object]:
    return {
        "line": one.line,
        "provider": one.provider,
        "region": one.region,
        "machine": one.machine,
        "on_demand_hourly": plain(one.on_demand),
        "spot_hourly": plain(one.spot),
        "hours_per_month": plain(one.hours),
        "interruptions_per_hour": plain(one.interruptions),
        "checkpoint_every_hours": plain(one.interval),
        "overhead": plain(one.overhead),
        "saves_per_month": _money(one.saving),
        "break_even_interruptions_per_hour": _optional(one.break_even),
        "source": one.source,
        "as_of": one.as_of,
    }


def to_csv(found: BuildPlan) -> str:
    """A row per line and way, cheapest first."""
    rows = []
    with exactly():
        for one in found.lines:
            front = {way.name for way in one.front}
            rows += [_row(one, way, found, on_front=way.name in front) for way in one.ways]
    return csv_text(HEAD, rows)


def _row(one: LinePlan, way: Way, found: BuildPlan, *, on_front: bool) -> list[str]:
    data = way_data(way, found)
    keys = ("name", "kind", "provider", "region", "first_month", "total", "per_accepted_result", "leaving", "machines",
            "idle_share", "error", "latency_s", "quality")  # fmt: skip
    cells = ["" if data[key] is None else str(data[key]) for key in keys]
    return [one.line.name, "yes" if way is one.chosen else "", *cells, "yes" if on_front else ""]


def _money(value: Decimal) -> str:
    return plain(cut(value, 2))


def _optional_money(value: Decimal | None) -> str | None:
    return None if value is None else _money(value)


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
