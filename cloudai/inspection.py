"""What `cloudai backends`, `cloudai config check` and `cloudai doctor` see: every backend tried, nothing raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloudai.backends import Backend, open_backend
from cloudai.client import Choice, Explanation, choice_of, open_sync
from cloudai.config import Config
from cloudai.errors import CloudAIError
from cloudai.registry import Registry
from cloudai_pricing.operations import operations


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendReport:
    """One configured backend."""

    name: str
    provider: str
    region: str | None
    error: str | None
    """Why it could not be opened; `None`: it is open."""
    serves: tuple[str, ...]
    gaps: Mapping[str, str]
    """Operation -> why it is not served."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A whole configuration, looked at without sending anything."""

    backends: tuple[BackendReport, ...]
    operations: tuple[Explanation, ...]
    problems: tuple[str, ...]
    """What would keep a client from opening."""
    warnings: tuple[str, ...]


def inspect(config: Config, registry: Registry | None = None) -> Inspection:
    """Opens each configured backend, asks it what it can do, and closes it."""
    found = registry or Registry.installed()
    opened: dict[str, Backend] = {}
    failures: dict[str, str] = {}
    for name in config.backends:
        try:
            opened[name] = open_backend(config, found, name, open_sync)
        except CloudAIError as error:
            failures[name] = error.message
    try:
        reports = tuple(_report(config, name, opened.get(name), failures.get(name)) for name in config.backends)
        explained, problems = _operations(config, opened, failures)
    finally:
        for backend in opened.values():
            backend.driver.close()
    used = [f"{name}: {failures[name]}" for name in config.used_backends if name in failures]
    return Inspection(backends=reports, operations=explained, problems=(*used, *problems), warnings=config.warnings)


def _report(config: Config, name: str, backend: Backend | None, error: str | None) -> BackendReport:
    written = config.backends[name]
    gaps = {operation: gap for operation in operations() if backend and (gap := backend.gap(operation)) is not None}
    return BackendReport(
        name=name,
        provider=written.provider,
        region=backend.region if backend else None,
        error=error,
        serves=tuple(operation for operation in operations() if backend and operation not in gaps),
        gaps=gaps,
    )


def _operations(
    config: Config, opened: Mapping[str, Backend], failures: Mapping[str, str]
) -> tuple[tuple[Explanation, ...], list[str]]:
    explained, problems = [], []
    for operation in operations():
        route = config.route(operation)
        choices, skipped = list[Choice](), list[Choice]()
        for name in route.backends if route else ():
            if name in failures:
                skipped.append(_closed(config, name, failures[name]))
                continue
            gap = opened[name].gap(operation)
            (skipped if gap else choices).append(choice_of(opened[name], operation, gap or ""))
            if gap and route and not route.wildcard:
                problems.append(f"{route.origin}: {operation} is routed to {name}, which can't serve it: {gap}")
        shown = f"{route.pattern!r} from {route.origin}" if route else "none"
        explained.append(Explanation(operation=operation, route=shown, choices=tuple(choices), skipped=tuple(skipped)))
    return tuple(explained), problems


def _closed(config: Config, name: str, reason: str) -> Choice:
    provider = config.backends[name].provider
    return Choice(backend=name, provider=provider, region=None, support="no", reason=reason, lacks=(), price=None)
