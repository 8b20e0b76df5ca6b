"""`cloudai.estimate/1`: an estimate as JSON. Money and quantities are decimal strings, None is null."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from cloudai_pricing.exact import plain
from cloudai_pricing.jsontext import indented
from cloudai_pricing.model import Candidate, Choice, Estimate, LineCost, Mix, Option, Range, Slice

SCHEMA = "cloudai.estimate/1"


def to_json(estimate: Estimate, **more: object) -> str:
    """The document, with a newline at its end. The same estimate gives the same bytes. `more`: keys added to it."""
    return indented(document(estimate) | more) + "\n"


def schema() -> str:
    """The JSON Schema of the document."""
    return Path(__file__).with_name("estimate.schema.json").read_text(encoding="utf-8")


def document(estimate: Estimate) -> dict[str, object]:
    """The document as plain data, in the fixed order of keys."""
    found: dict[str, object] = {
        "schema": SCHEMA,
        "name": estimate.name,
        "currency": estimate.currency,
        "months": estimate.months,
        "snapshot": {"id": estimate.snapshot_id, "date": estimate.snapshot_date},
        "assumptions": list(estimate.assumptions),
        "options": [_option(option) for option in estimate.options],
        "mix": _mix(estimate.mix) if estimate.mix is not None else None,
    }
    if estimate.risk is not None:
        from cloudai_pricing.risk_words import to_data

        found["risk"] = to_data(estimate.risk)
    return found


def _option(option: Option) -> dict[str, object]:
    return {
        "provider": option.provider,
        "region": option.region,
        "complete": option.complete,
        "month": range_data(option.month),
        "by_month": _by_month(option.by_month),
        "total": range_data(option.total),
        "lines": [_line(line) for line in option.lines],
        "exit": _exit(option),
    }


def _exit(option: Option) -> dict[str, object] | None:
    if option.exit is None:
        return None
    from cloudai_pricing.exit_data import option_data

    return option_data(option.exit)


def _mix(mix: Mix) -> dict[str, object]:
    return {
        "complete": mix.complete,
        "month": range_data(mix.month),
        "by_month": _by_month(mix.by_month),
        "total": range_data(mix.total),
        "choices": [_choice(choice) for choice in mix.choices],
    }


def _choice(choice: Choice) -> dict[str, object]:
    return {
        "name": choice.name,
        "provider": choice.provider,
        "region": choice.region,
        "cost": range_data(choice.cost) if choice.cost is not None else None,
    }


def _line(line: LineCost) -> dict[str, object]:
    found: dict[str, object] = {
        "name": line.name,
        "operation": line.operation,
        "complete": line.complete,
        "quantity": plain(line.quantity),
        "unit": line.unit,
        "billed_quantity": plain(line.billed_quantity),
        "billed_unit": line.billed_unit,
        "free_quantity": plain(line.free_quantity),
        "cost": range_data(line.cost) if line.cost is not None else None,
        "effective_unit_price": _number(line.effective_unit_price),
        "marginal_unit_price": _number(line.marginal_unit_price),
        "next_tier_at": _number(line.next_tier_at),
        "slices": [_slice(piece) for piece in line.slices],
        "notes": list(line.notes),
    }
    if line.candidates:
        found["candidates"] = [_candidate(candidate) for candidate in line.candidates]
    return found


def _candidate(candidate: Candidate) -> dict[str, object]:
    hourly = plain(candidate.hourly)
    return {"sku": candidate.sku, "nodes": candidate.nodes, "hourly": hourly, "chosen": candidate.chosen}


def _slice(piece: Slice) -> dict[str, object]:
    return {
        "sku": piece.sku,
        "service": piece.service,
        "region": piece.region,
        "from": plain(piece.start),
        "to": _number(piece.end),
        "quantity": plain(piece.quantity),
        "unit": piece.unit,
        "unit_price": plain(piece.unit_price),
        "cost": plain(piece.cost),
        "source": piece.source,
        "as_of": piece.as_of,
        "confidence": piece.confidence,
        "overridden": piece.overridden,
    }


def range_data(costs: Range) -> dict[str, str]:
    """A range as plain data."""
    return {"low": plain(costs.low), "likely": plain(costs.likely), "high": plain(costs.high)}


def _by_month(months: tuple[Range, ...]) -> list[dict[str, object]]:
    return [{"month": number, "cost": range_data(costs)} for number, costs in enumerate(months, start=1)]


def _number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
