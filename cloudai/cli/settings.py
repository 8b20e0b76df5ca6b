"""Every value of a configuration as one row: its key, the value in force with secrets masked, and its origin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from cloudai.config import BackendConfig, Config, Route

MASK = "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `cloudai config show`."""

    key: str
    value: str
    origin: str


def settings_of(config: Config) -> tuple[Setting, ...]:
    """Backends, routes, rates, budget, policy and inputs, in this order."""
    rows = [setting for backend in config.backends.values() for setting in _backend(backend)]
    for route in config.routes:
        rows.append(Setting(f'routes."{route.pattern}"', _route(route), str(route.origin)))
    rows += [*_rates(config), *_budget(config)]
    for section in ("policy", "inputs"):
        table = getattr(config, section)
        for field in fields(table):
            key = f"{section}.{field.name}"
            origin = config.origins.get(key)
            value = _plain(field.name, getattr(table, field.name))
            rows.append(Setting(key, value, str(origin) if origin is not None else "default"))
    return tuple(rows)


def _route(route: Route) -> str:
    """The backends, then whatever else was set."""
    said = [", ".join(route.backends)]
    if route.strategy != "ordered":
        said.append(route.strategy)
    if route.weights:
        said.append("weights " + ", ".join(f"{name} {share:g}" for name, share in route.weights.items()))
    for name in ("residency", "data_class", "max_cost"):
        if (value := getattr(route, name)) is not None:
            said.append(f"{name} {value}")
    said += [f"{name} {', '.join(getattr(route, name))}" for name in ("needs", "redact") if getattr(route, name)]
    if route.cache is not None:
        said.append(f"cache {route.cache.max_age / 86400:g} days")
    return "; ".join(said)


def _rates(config: Config) -> Iterable[Setting]:
    for backend, rates in config.rates.items():
        for pattern, rate in rates.items():
            value = "the documented quota" if rate is None else f"{rate:g} requests/s"
            yield Setting(f'rates.{backend}."{pattern}"', value, str(config.source))


def _budget(config: Config) -> Iterable[Setting]:
    if config.budget is None:
        return
    from cloudai.ledger import dollars

    for limit in config.budget.limits:
        yield Setting("budget", f"{limit}: {dollars(limit.amount):f} USD", limit.origin)
    yield Setting("budget.ledger", config.budget.safe_ledger(), str(config.source))
    for name in ("on_exceed", "on_unknown_price", "on_ledger_error"):
        yield Setting(f"budget.{name}", str(getattr(config.budget, name)), str(config.source))


def _plain(name: str, value: object) -> str:
    """Times are in seconds."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "-"
    seconds = isinstance(value, float)
    return f"{value:g} s" if seconds else str(value)


def _backend(backend: BackendConfig) -> Iterable[Setting]:
    values = {"provider": backend.provider, **backend.values}
    for key, value in values.items():
        for name, leaf in _leaves(key, value):
            yield Setting(f"backends.{backend.name}.{name}", _resolved(name, leaf), backend.where(key))


def _leaves(key: str, value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _leaves(f"{key}.{inner}", item)
    else:
        yield key, value


def _resolved(key: str, value: object) -> str:
    """A variable is replaced, a secret is masked (and says which variable it comes from)."""
    from cloudai.config import is_secret

    text = value if isinstance(value, str) else json.dumps(value, default=str)
    names = re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", text)
    missing = [name for name in names if name not in _environment()]
    if missing:
        return f"{text} (not set: {', '.join(missing)})"
    if is_secret(key.rpartition(".")[2]):
        return f"{MASK} (from {text})" if names else MASK
    for name in names:
        text = text.replace(f"${{{name}}}", _environment()[name])
    return _without_credentials(text)


def _environment() -> Any:
    import os

    return os.environ


def _without_credentials(text: str) -> str:
    """An address without its user, password and query (which may hold a signature)."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    host = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return parts._replace(netloc=host, query=MASK if parts.query else "").geturl()
