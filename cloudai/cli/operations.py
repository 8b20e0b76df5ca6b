"""`cloudai operations`: what each provider offers for each operation, with reasons, from their declarations."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, Shown, listed, show, warn

if TYPE_CHECKING:
    from cloudai.capabilities import Capabilities, Operation
    from cloudai_pricing.operations import Operation as Vocabulary

SCHEMA = "cloudai.operations/1"
OWN = "cloudai"
"""The distribution whose providers are the built-in ones."""
LEGEND = "*  the vendor offers it; this version of cloudai prices and plans it, but has no code to call it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One provider: what it declares, and which operations its driver has code for."""

    capabilities: Capabilities
    implements: frozenset[str]

    def operation(self, name: str) -> Operation | None:
        """Its declaration of one operation."""
        return self.capabilities.operation(name)

    def cell(self, name: str) -> str:
        """`yes`, `partial`, ... with a star when there is no code to call it yet."""
        declared = self.operation(name)
        support = declared.support if declared is not None else "no"
        return support if support == "no" or name in self.implements else f"{support}*"

    def reason(self, name: str) -> str:
        """Why it is not a plain yes."""
        declared = self.operation(name)
        return declared.reason if declared is not None else "not declared"


def configure(parser: argparse.ArgumentParser) -> None:
    """All operations, or one in detail."""
    parser.add_argument("--operation", metavar="NAME", help="one operation in detail: vision.read_text")
    parser.add_argument("--provider", metavar="NAME", action="append", default=[], help="only this one (repeatable)")
    parser.add_argument("--json", action="store_true", help="as JSON, with features and limits")


def run(args: argparse.Namespace) -> int:
    """Reads declarations only: no SDK is loaded, nothing is sent."""
    from cloudai_pricing.operations import operations

    columns = _columns(args.provider)
    names = _names(args.operation, operations())
    if args.json:
        show([_json(names, columns)])
    elif args.operation is not None:
        show(_detail(operations()[names[0]], columns))
    else:
        show(_matrix(names, columns))
    return 0


def _names(wanted: str | None, known: Mapping[str, Vocabulary]) -> list[str]:
    from cloudai.config_document import nearest
    from cloudai.errors import InvalidInput

    if wanted is None:
        return list(known)
    name = wanted.replace("-", "_")
    if name not in known:
        raise InvalidInput(f"unknown operation {wanted!r}{nearest(name, known)}")
    return [name]


def _columns(wanted: list[str]) -> dict[str, Column]:
    """The built-in providers, and those of other distributions. A broken one is told and left out."""
    from cloudai.capabilities import BUILTIN
    from cloudai.config_document import nearest
    from cloudai.errors import CloudAIError, InvalidInput
    from cloudai.registry import Registry

    registry = Registry.installed()
    others = [name for name in registry.names if registry.get(name).distribution != OWN]
    known = [name for name in (*BUILTIN, *others) if name in registry.names]
    for name in wanted:
        if name not in registry.names:
            raise InvalidInput(f"no provider {name!r}{nearest(name, registry.names)}")
    columns = {}
    for name in wanted or known:
        entry = registry.get(name)
        try:
            columns[name] = Column(capabilities=entry.capabilities, implements=entry.provider.implements)
        except CloudAIError as error:
            warn(f"{name}: {error}")
    return columns


def _matrix(names: list[str], columns: Mapping[str, Column]) -> Iterable[Shown]:
    rows = tuple((name, *(column.cell(name) for column in columns.values())) for name in names)
    yield Grid(("operation", *columns), rows)
    if any(cell.endswith("*") for row in rows for cell in row):
        yield f"\n{LEGEND}"
    reasons = tuple(
        (name, provider, column.cell(name).rstrip("*"), column.reason(name))
        for name in names
        for provider, column in columns.items()
        if column.reason(name)
    )
    if reasons:
        yield "\n"
        yield Grid(("operation", "provider", "support", "reason"), reasons)


def _detail(vocabulary: Vocabulary, columns: Mapping[str, Column]) -> Iterable[Shown]:
    yield f"{vocabulary.name}: {vocabulary.title} (planned by {vocabulary.unit})"
    for provider, column in columns.items():
        declared = column.operation(vocabulary.name)
        yield f"\n{column.capabilities.title} ({provider}): {column.cell(vocabulary.name)}"
        if declared is None:
            continue
        facts = tuple((name, text) for name, text in _facts(declared, column) if text)
        yield Grid(("", ""), facts)
        if declared.features:
            features = tuple((f.name, f.support, f.reason or f.notes) for f in declared.features.values())
            yield "\n"
            yield Grid(("feature", "support", "reason"), features)
    if any(column.cell(vocabulary.name).endswith("*") for column in columns.values()):
        yield f"\n{LEGEND}"


def _facts(declared: Operation, column: Column) -> Iterable[tuple[str, str]]:
    yield "reason", declared.reason
    yield "service", declared.service
    yield "api", declared.api
    yield "billed by", declared.meter
    yield "modes", ", ".join(declared.mode)
    yield "takes", ", ".join(declared.sources)
    yield "types", ", ".join(declared.content_types)
    yield "limits", ", ".join(f"{name} {value:,}" for name, value in declared.limits.known.items())
    yield "job limits", ", ".join(f"{name} {value:,}" for name, value in declared.job_limits.known.items())
    yield "retires", declared.retires.isoformat() if declared.retires is not None else ""
    yield "replacement", declared.replacement
    for event in column.capabilities.lifecycle:
        if declared.name in event.operations and (event.ends or event.closed_to_new):
            dates = [f"closed to new customers {event.closed_to_new}"] if event.closed_to_new else []
            dates += [f"ends {event.ends}"] if event.ends else []
            yield "lifecycle", f"{event.feature}: {listed(dates)}"
    yield "notes", declared.notes
    yield "source", f"{declared.source} ({declared.as_of})" if declared.source else ""


def _json(names: list[str], columns: Mapping[str, Column]) -> str:
    from cloudai_pricing.operations import operations

    found = {}
    for name in names:
        providers = {}
        for provider, column in columns.items():
            declared = column.operation(name)
            facts = (
                asdict(declared) if declared is not None else {"name": name, "support": "no", "reason": "not declared"}
            )
            providers[provider] = {**facts, "implemented": name in column.implements}
        found[name] = {"title": operations()[name].title, "unit": operations()[name].unit, "providers": providers}
    return json.dumps({"schema": SCHEMA, "operations": found}, indent=2, default=str)
