"""`cloudai.toml` to typed settings, each value with the place it came from.

Found by `CLOUDAI_CONFIG`, then `cloudai.toml` or `[tool.cloudai]` of `pyproject.toml` from the working directory
upwards, then the user's config folder. With none of them every operation goes to the `local` backend.
`CLOUDAI_ROUTES` (JSON, the form of `[routes]`) is looked at before the file's routes.
Backends stay as written here; `cloudai.registry` types them, because only a provider knows its own keys.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.config_document import Document, Origin, nearest, parse_count, parse_duration
from cloudai.errors import ConfigError
from cloudai.routes import Route, check_pattern, parse_rate, parse_routes

if TYPE_CHECKING:
    from cloudai.ledger.settings import BudgetSettings

__all__ = [
    "BackendConfig",
    "Config",
    "InputSettings",
    "Origin",
    "Policy",
    "Route",
    "find_config",
    "load_config",
]

CONFIG_NAME = "cloudai.toml"
TOP_KEYS = ("backends", "routes", "policy", "rates", "budget", "telemetry", "inputs")
DEFAULT_BACKEND = "local"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEY = re.compile(r"(^|_)(key|secret|token|password)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendConfig:
    """`[backends.NAME]` as written: `${NAME}`s not yet replaced."""

    name: str
    provider: str
    values: Mapping[str, Any] = field(repr=False)
    origin: Origin
    lines: Mapping[str, int | None] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    """Of the config file: what its relative paths are relative to."""

    def where(self, key: str) -> str:
        """`file:line` of one of its keys, as far as known."""
        return str(Origin(place=self.origin.place, line=self.lines.get(key, self.origin.line)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Times in seconds. The deadline spans all attempts, waits and fallbacks of one call."""

    timeout: float = 20.0
    deadline: float = 60.0
    max_attempts: int = 3
    backoff: float = 0.25
    """Upper bound of the first wait; doubles each time, with full jitter."""
    max_backoff: float = 8.0
    max_retry_after: float = 300.0
    """What a backend asks for beyond it is taken as this much."""
    retry_tokens: int = 500
    """Of each backend: a retry takes 14 after a fault, 5 after throttling, and an answer gives back. None: no retry."""
    breaker_failures: int = 5
    """Failures in a row after which a backend that has a fallback is left alone for `breaker_cooldown`."""
    breaker_cooldown: float = 5.0
    """Then one request tries it; the time doubles up to `max_cooldown` while that fails."""
    max_cooldown: float = 60.0
    quota_cooldown: float = 900.0
    """The same after an exhausted quota or a billing stop."""
    threads: int = 64
    """Calls that `AsyncClient` runs at once at backends without an async path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSettings:
    """Bounds on inputs before anything is decoded or sent."""

    max_bytes: int = 512 * 1024 * 1024
    max_pixels: int = 100_000_000
    max_seconds: float = 12 * 3600.0
    allow_hosts: frozenset[str] = frozenset()
    """`host:port` that may be fetched from although private or not https."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One resolved configuration."""

    source: Path | None
    backends: Mapping[str, BackendConfig]
    routes: tuple[Route, ...]
    policy: Policy = Policy()
    inputs: InputSettings = InputSettings()
    rates: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """Backend -> operation pattern -> requests per second sent at most; `None`: the provider's documented quota."""
    budget: BudgetSettings | None = None
    opentelemetry: bool = False
    """Spans and metrics of each call: `cloudai.calls.telemetry`."""
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    """Dotted key -> where its value came from, for `policy.*` and `inputs.*`."""
    warnings: tuple[str, ...] = ()

    def route(self, operation: str) -> Route | None:
        """The most exact route of the first layer that has one."""
        matching = [route for route in self.routes if route.matches(operation)]
        return min(matching, key=lambda route: (route.layer, -len(route.pattern)), default=None)

    @cached_property
    def used_backends(self) -> tuple[str, ...]:
        """Names that some route mentions, in order of first mention."""
        return tuple(dict.fromkeys(name for route in self.routes for name in route.backends))

    def only(self, backend: str) -> Config:
        """The same with every operation routed to one backend. Raises `ConfigError` for one that it has not."""
        backends = _with_implicit(self.backends, (backend,))
        if backend not in backends:
            raise ConfigError(f"there is no backend {backend!r} in [backends]{nearest(backend, backends)}")
        route = Route(pattern="*", backends=(backend,), origin=Origin(place="argument backend="))
        return replace(self, backends=backends, routes=(route,))


# --- finding it ----------------------------------------------------------------------------------


def find_config(start: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `load_config` would read, or `None`."""
    if named := environ.get("CLOUDAI_CONFIG"):
        return Path(named)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
        if _has_tool_table(folder / "pyproject.toml"):
            return folder / "pyproject.toml"
    import platformdirs

    user = platformdirs.user_config_path("cloudai") / CONFIG_NAME
    return user if user.is_file() else None


def _has_tool_table(path: Path) -> bool:
    try:
        return "cloudai" in tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
        return False


def load_config(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read, check and type it. Raises `ConfigError` with file, line and the nearest known name."""
    found = Path(path) if path is not None else find_config(environ=environ)
    layers = _environment_routes(environ)
    if found is None:
        return _assemble(Config(source=None, backends={}, routes=layers))
    document = Document.read(found)
    document.expect_keys((), TOP_KEYS)
    backends = _backends(document)
    policy, policy_origins = _policy(document)
    inputs, input_origins = _inputs(document)
    return _assemble(
        Config(
            source=found,
            backends=backends,
            routes=layers + parse_routes(document.table("routes"), document, layer=1),
            policy=Policy(**policy),
            inputs=InputSettings(**inputs),
            rates=_rates(document, backends),
            budget=_budget(document),
            opentelemetry=_opentelemetry(document),
            origins=policy_origins | input_origins,
            warnings=tuple(_literal_secrets(backends)),
        )
    )


def _assemble(config: Config) -> Config:
    """With the default route where there is none, and `local` where a route names it."""
    routes = config.routes
    if not any(route.layer == 1 for route in routes):
        routes += _default_route(config.source, config.backends, bool(routes))
    named = tuple(dict.fromkeys(name for route in routes for name in route.backends))
    backends = _with_implicit(config.backends, named)
    _check_route_backends(backends, routes)
    return replace(config, backends=backends, routes=routes)


def _default_route(source: Path | None, backends: Mapping[str, BackendConfig], overridden: bool) -> tuple[Route, ...]:
    """One backend: it serves everything. None: `local` does. Several: say which, nothing is guessed."""
    if len(backends) > 1:
        if overridden:
            return ()
        raise ConfigError(
            f'{source}: {len(backends)} backends and no [routes]: add one, such as "*" = ["{next(iter(backends))}"]'
        )
    name = next(iter(backends), DEFAULT_BACKEND)
    return (Route(pattern="*", backends=(name,), origin=Origin(place="default"), layer=1),)


def _with_implicit(backends: Mapping[str, BackendConfig], named: Iterable[str]) -> Mapping[str, BackendConfig]:
    """`local` needs no settings, so a route may name it without a `[backends.local]`."""
    if DEFAULT_BACKEND in backends or DEFAULT_BACKEND not in named:
        return backends
    implicit = BackendConfig(name=DEFAULT_BACKEND, provider="local", values={}, origin=Origin(place="default"))
    return {**backends, DEFAULT_BACKEND: implicit}


def _check_route_backends(backends: Mapping[str, BackendConfig], routes: Iterable[Route]) -> None:
    for route in routes:
        for name in route.backends:
            if name not in backends:
                raise ConfigError(
                    f'{route.origin}: route "{route.pattern}" names backend {name!r}, which is not in [backends]'
                    f"{nearest(name, backends)}"
                )


def _backends(document: Document) -> Mapping[str, BackendConfig]:
    found = {}
    for name, values in document.table("backends").items():
        if not isinstance(values, dict):
            raise ConfigError(f"{document.at('backends', name)}: [backends.{name}] must be a table")
        provider = values.get("provider")
        if not isinstance(provider, str):
            raise ConfigError(f'{document.at("backends", name)}: [backends.{name}] needs provider = "..."')
        found[name] = BackendConfig(
            name=name,
            provider=provider,
            values=values,
            origin=document.origin("backends", name),
            lines={key: document.line("backends", name, key) for key in values},
            folder=document.path.absolute().parent,
        )
    return found


def _environment_routes(environ: Mapping[str, str]) -> tuple[Route, ...]:
    text = environ.get("CLOUDAI_ROUTES")
    if not text:
        return ()
    try:
        table = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"environment variable CLOUDAI_ROUTES is not JSON: {error}") from None
    if not isinstance(table, dict):
        raise ConfigError('environment variable CLOUDAI_ROUTES must be an object: \'{"vision.*": "here"}\'')
    return parse_routes(table, None, layer=0)


# --- values --------------------------------------------------------------------------------------


def _policy(document: Document) -> tuple[dict[str, Any], dict[str, Origin]]:
    known = {name: field.type for name, field in Policy.__dataclass_fields__.items()}
    document.expect_keys(("policy",), tuple(known))
    values: dict[str, Any] = {}
    for key, value in document.table("policy").items():
        where = document.at("policy", key)
        values[key] = parse_count(value, where, key) if known[key] == "int" else parse_duration(value, where=where)
    return values, {f"policy.{key}": document.origin("policy", key) for key in values}


def _budget(document: Document) -> BudgetSettings | None:
    if "budget" not in document.root:
        return None
    from cloudai.ledger.settings import budget_settings

    table = document.table("budget")
    expanded = {
        key: _expanded(value, f"budget.{key}", document.at("budget", key), os.environ) for key, value in table.items()
    }
    return budget_settings(expanded, lambda *keys: document.at("budget", *keys))


def _opentelemetry(document: Document) -> bool:
    document.expect_keys(("telemetry",), ("opentelemetry",))
    value = document.table("telemetry").get("opentelemetry", False)
    if not isinstance(value, bool):
        raise ConfigError(f"{document.at('telemetry', 'opentelemetry')}: opentelemetry is true or false")
    return value


def _rates(document: Document, backends: Mapping[str, BackendConfig]) -> Mapping[str, Mapping[str, float | None]]:
    """`[rates.NAME]`: operation pattern -> `"5/s"`, `"300/min"`, or `"quota"` for what the provider documents."""
    found: dict[str, Mapping[str, float | None]] = {}
    for name in document.table("rates"):
        if name not in backends and name != DEFAULT_BACKEND:
            raise ConfigError(f"{document.at('rates', name)}: no backend {name!r}{nearest(name, backends)}")
        table = document.table("rates", name)
        found[name] = {
            check_pattern(pattern, document.origin("rates", name, pattern)): parse_rate(
                value, where=document.at("rates", name, pattern)
            )
            for pattern, value in table.items()
        }
    return found


def _inputs(document: Document) -> tuple[dict[str, Any], dict[str, Origin]]:
    document.expect_keys(("inputs",), tuple(InputSettings.__dataclass_fields__))
    values: dict[str, Any] = {}
    for key, value in document.table("inputs").items():
        where = document.at("inputs", key)
        if key == "allow_hosts":
            if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
                raise ConfigError(f'{where}: allow_hosts is a list of "host:port"')
            values[key] = frozenset(value)
        else:
            values[key] = parse_duration(value, where=where) if key == "max_seconds" else parse_count(value, where, key)
    return values, {f"inputs.{key}": document.origin("inputs", key) for key in values}


def expand(backend: BackendConfig, environ: Mapping[str, str] = os.environ) -> Mapping[str, Any]:
    """Its values with every `${NAME}` replaced. Raises `ConfigError` naming file, line and variable."""
    return {
        key: _expanded(value, f"backends.{backend.name}.{key}", backend.where(key), environ)
        for key, value in backend.values.items()
    }


def _expanded(value: Any, key: str, where: str, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {inner: _expanded(item, key, where, environ) for inner, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, key, where, environ) for item in value]

    def variable(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(f"{where}: environment variable {match[1]} is not set ({key})")
        return environ[match[1]]

    return _VARIABLE.sub(variable, value) if isinstance(value, str) else value


def _literal_secrets(backends: Mapping[str, BackendConfig]) -> Iterable[str]:
    for backend in backends.values():
        for key, value in backend.values.items():
            if _SECRET_KEY.search(key) and isinstance(value, str) and not _VARIABLE.search(value):
                yield (
                    f"{backend.where(key)}: {key} stands in the file; put it in the environment and write "
                    f'{key} = "${{NAME}}"'
                )


def is_secret(key: str) -> bool:
    """Whether a value of this key is never shown."""
    return bool(_SECRET_KEY.search(key))
