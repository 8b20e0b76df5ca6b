"""`[rates]`: how many requests per second a backend is sent of each operation, by config or by documented quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cloudai.errors import ConfigError

if TYPE_CHECKING:
    from cloudai.backends import Backend
    from cloudai.config import Config


def rates_of(config: Config, opened: Mapping[str, Backend], names: Iterable[str]) -> Mapping[tuple[str, str], float]:
    """(backend, operation) -> requests per second, where there is a rate. The most exact pattern counts."""
    found = {}
    for backend, table in config.rates.items():
        for operation in names if backend in opened else ():
            pattern = _most_exact(table, operation)
            if pattern is not None and (rate := _rate(table[pattern], opened[backend], operation, pattern)) is not None:
                found[backend, operation] = rate
    return found


def _most_exact(patterns: Iterable[str], operation: str) -> str | None:
    fitting = [name for name in patterns if name in ("*", operation, f"{operation.partition('.')[0]}.*")]
    return max(fitting, key=len, default=None)


def _rate(configured: float | None, backend: Backend, operation: str, pattern: str) -> float | None:
    """A wildcard's `quota` holds where one is documented; of a named operation it must be."""
    if configured is not None:
        return configured
    declared = backend.capabilities.operation(operation)
    quota = declared.limits.requests_per_minute if declared is not None else None
    if quota is None and pattern == operation:
        raise ConfigError(
            f"[rates.{backend.name}] {operation}: no quota of {backend.provider} is known for it: "
            'give a rate such as "5/s"'
        )
    return None if quota is None else quota / 60.0
