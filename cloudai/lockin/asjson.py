"""A scan as plain data and as JSON, `cloudai.lockin/1`; `lockin.schema.json` beside this is its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.resources import files

from cloudai.lockin.catalog import services
from cloudai.lockin.rules import Verdict
from cloudai.lockin.scanned import Find, Fit, Place, PortableShare, Retirement, Scan, UsedModel, UsedOperation

SCHEMA = "cloudai.lockin/1"
Data = dict[str, object]


def schema() -> str:
    """The JSON Schema of the JSON form."""
    return files("cloudai.lockin").joinpath("lockin.schema.json").read_text(encoding="utf-8")


def to_json(scan: Scan, verdicts: Sequence[Verdict] = (), *, exits: object = None) -> str:
    """The same scan gives the same bytes."""
    return json.dumps(to_data(scan, verdicts, exits=exits), ensure_ascii=False, indent=2) + "\n"


def to_data(scan: Scan, verdicts: Sequence[Verdict] = (), *, exits: object = None) -> Data:
    """Shares are decimal strings of four places; dates are ISO. `exits`: the exit bills by target, None: not asked."""
    return {
        "schema": SCHEMA,
        "root": scan.root,
        "as_of": scan.as_of.isoformat(),
        "horizon_months": scan.horizon_months,
        "files": scan.files,
        "providers": list(scan.providers),
        "targets": list(scan.targets),
        "neutral_share": share(scan.neutral_share),
        "shares": {target: _share(found) for target, found in scan.shares.items()},
        "coupled_lines": {provider: _lines(scan, provider) for provider in scan.providers},
        "operations": [_operation(used) for used in scan.operations],
        "retirements": [_retirement(found) for found in scan.retirements],
        "models": [_model(found) for found in scan.models],
        "finds": [_find(found) for found in scan.finds],
        "skipped": [{"file": s.file, "line": s.line, "reason": s.reason} for s in scan.skipped],
        "exits": exits,
        "rules": [{"rule": v.rule, "holds": v.holds, "text": v.text} for v in verdicts],
    }


def share(value: Fraction | None) -> str | None:
    """`0.3684`, halves to even; None: there is nothing to take a share of."""
    return None if value is None else f"{round(value * 10_000) / 10_000:.4f}"


def _share(found: PortableShare) -> Data:
    levels = None if found.levels is None else [share(level) for level in found.levels]
    return {"calls": found.calls, "levels": levels, "portable": share(found.portable)}


def _lines(scan: Scan, provider: str) -> Data:
    own = [line for line in scan.coupling if line.provider == provider]
    return {"total": len({(line.file, line.line) for line in own}), "shared": scan.shared_lines(provider)}


def _operation(used: UsedOperation) -> Data:
    service = services().get((used.provider, used.service))
    return {
        "provider": used.provider,
        "service": used.service,
        "title": service.title if service is not None else used.service,
        "operation": used.operation,
        "topic": used.topic,
        "neutral": used.neutral,
        "methods": list(used.methods),
        "coupled_lines": used.coupled_lines,
        "parameters": list(used.parameters),
        "options": list(used.options),
        "result_fields": list(used.result_fields),
        "features": [
            {"name": one.name, "places": _places(one.places), "fits": _fits(one.fits)} for one in used.features
        ],
        "calls": [
            {
                "file": call.place.file, "line": call.place.line, "name": call.name, "options": list(call.options),
                "features": list(call.features), "levels": dict(call.levels),
            }
            for call in used.calls
        ],
        "fits": _fits(used.fits),
    }  # fmt: skip


def _fits(fits: Mapping[str, Fit]) -> Data:
    return {
        target: {
            "level": fit.level, "word": fit.word, "reasons": list(fit.reasons), "api": fit.api, "source": fit.source,
            "as_of": fit.as_of, "retires": None if fit.retires is None else fit.retires.isoformat(),
        }
        for target, fit in fits.items()
    }  # fmt: skip


def _places(places: Sequence[Place]) -> list[Data]:
    return [{"file": place.file, "line": place.line} for place in places]


def _find(found: Find) -> Data:
    return {
        "file": found.file, "line": found.line, "cell": found.cell, "provider": found.provider,
        "service": found.service, "operation": found.operation, "topic": found.topic, "kind": found.kind,
        "name": found.name, "feature": found.feature,
    }  # fmt: skip


def _retirement(found: Retirement) -> Data:
    return {
        "provider": found.provider, "service": found.service, "feature": found.feature, "event": found.event,
        "ends": found.ends, "days": found.days, "in_range": found.in_range, "closed_to_new": found.closed_to_new,
        "replacement": found.replacement, "operations": list(found.operations), "places": _places(found.places),
        "source": found.source, "as_of": found.as_of, "notes": found.notes,
    }  # fmt: skip


def _model(found: UsedModel) -> Data:
    return {
        "provider": found.provider, "service": found.service, "model_kind": found.model_kind, "name": found.name,
        "exportable": found.exportable, "formats": list(found.formats), "conditions": found.conditions,
        "keeps": found.keeps, "places": _places(found.places), "source": found.source, "as_of": found.as_of,
    }  # fmt: skip
