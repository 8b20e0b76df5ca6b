"""Writes the planner's table of equivalence from what providers declare: `python -m cloudai.lockin.equivalence`.

The facts are the providers' `capabilities.toml`, the judgements `equivalence.toml`; a test holds the written form
equal to them. `offers_of` gives a provider's facts in the planner's form, for providers of third parties too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping

from cloudai.capabilities import Capabilities, Operation, builtin_capabilities
from cloudai_pricing.equivalence import COMPILED, FORMS, READABLE, SCHEMA
from cloudai_pricing.tomlfile import TomlFile

Rows = Mapping[str, Mapping[str, object]]
"""`operation` or `operation feature` -> the facts, without those that say nothing."""


def offers_of(declared: Capabilities) -> Rows:
    """What one provider declares, as rows of the compiled table."""
    return {name: row for operation in declared.operations.values() for name, row in _rows(operation)}


def _rows(operation: Operation) -> Iterator[tuple[str, Mapping[str, object]]]:
    forms = [str(getattr(operation.semantics, form)) for form in FORMS]
    shared = {"forms": forms, "modes": list(operation.mode)}
    retires = None if operation.retires is None else operation.retires.isoformat()
    own = {"reason": operation.reason, "api": operation.api, "source": operation.source, "as_of": operation.as_of}
    yield operation.name, _said({"support": operation.support, **shared, "retires": retires, **own})
    for feature in operation.features.values():
        facts = {"reason": feature.reason, "api": feature.api}
        read = {"source": feature.source or operation.source, "as_of": feature.as_of or operation.as_of}
        ends = retires if feature.support == "retiring" else None
        yield (
            f"{operation.name} {feature.name}",
            _said({"support": feature.support, **shared, "retires": ends, **facts, **read}),
        )


def _said(row: Mapping[str, object]) -> Mapping[str, object]:
    return {key: value for key, value in row.items() if value}


def compiled() -> str:
    """The text of the compiled table."""
    judged = TomlFile.load(READABLE).data
    offers: dict[str, dict[str, object]] = {
        name: dict(offers_of(declared)) for name, declared in builtin_capabilities().items()
    }
    for extra in _tables(judged["extra"]):
        for provider, row in extra.items():
            if isinstance(row, dict):
                offers[provider][str(extra["topic"])] = row
    floors = {name: [floor["class"], floor["why"]] for floor in _tables(judged["floor"]) for name in _names(floor)}
    document = {"schema": SCHEMA, "floors": floors, "offers": offers}
    return json.dumps(document, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def _tables(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


def _names(floor: Mapping[str, object]) -> list[str]:
    names = floor["operations"]
    assert isinstance(names, list)
    return names


def main() -> int:
    """Writes it; 0."""
    COMPILED.write_text(compiled(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
