"""`cloudai.toml` to typed settings, each value with the place it came from.

Found by `CLOUDAI_CONFIG`, then `cloudai.toml` or `[tool.cloudai]` of `pyproject.toml` from the working directory
upwards, then the user's config folder. With none of them every operation goes to the `local` backend.
`CLOUDAI_ROUTES` (JSON, the form of `[routes]`) is looked at before the file's routes.
Backends stay as written here; `cloudai.registry` types them, because only a provider knows its own keys.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.errors import ConfigError

if TYPE_CHECKING:
    from cloudai_pricing.tomlfile import TomlFile

CONFIG_NAME = "cloudai.toml"
TOP_KEYS = ("backends", "routes", "policy", "budget", "inputs")
STRATEGIES = ("ordered",)
PLANNED_STRATEGIES = ("weighted", "cheapest", "fastest", "hedged")
DEFAULT_BACKEND = "local"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SECRET_KEY = re.compile(r"(^|_)(key|secret|token|password)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a value came from: `cloudai.toml:12`, `environment CLOUDAI_ROUTES` or `default`."""

    place: str
    line: int | None = None

    def __str__(self) -> str:
        return self.place if self.line is None else f"{self.place}:{self.line}"


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
class Route:
    """Which backends serve the operations that match `pattern`: a name, `service.*` or `*`."""

    pattern: str
    backends: tuple[str, ...]
    strategy: str = "ordered"
    origin: Origin
    layer: int = 0
    """0: the environment, 1: the file. All routes of a lower layer come first."""

    @property
    def wildcard(self) -> bool:
        """A wildcard skips a backend that can't serve an operation; an exact route refuses it."""
        return self.pattern.endswith("*")

    def matches(self, operation: str) -> bool:
        """Whether `operation` is meant."""
        return self.pattern in ("*", operation) or (
            self.pattern.endswith(".*") and operation.startswith(self.pattern[:-1])
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Times in seconds. The deadline spans all attempts, waits and fallbacks of one call."""

    timeout: float = 20.0
    deadline: float = 60.0
    max_attempts: int = 3
    backoff: float = 0.25
    """Upper bound of the first wait; doubles each time, with full jitter."""
    max_backoff: float = 8.0


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
        """The same with every operation routed to one backend."""
        route = Route(pattern="*", backends=(backend,), origin=Origin(place="argument backend="))
        config = Config(
            source=self.source,
            backends=_with_implicit(self.backends, (backend,)),
            routes=(route,),
            policy=self.policy,
            inputs=self.inputs,
            origins=self.origins,
            warnings=self.warnings,
        )
        _check_route_backends(config.backends, config.routes)
        return config


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
        return _assemble(None, {}, layers, {}, {}, {}, ())
    document = _Document.read(found)
    document.expect_keys((), TOP_KEYS)
    if "budget" in document.root:
        raise ConfigError(
            f"{document.at('budget')}: [budget] is not enforced by this version of cloudai, so it is refused rather "
            "than ignored: remove it"
        )
    backends = _backends(document)
    routes = _routes(document.table("routes"), document, layer=1)
    policy, policy_origins = _policy(document)
    inputs, input_origins = _inputs(document)
    return _assemble(
        found,
        backends,
        layers + routes,
        policy,
        inputs,
        policy_origins | input_origins,
        tuple(_literal_secrets(backends)),
    )


def _assemble(
    source: Path | None,
    backends: Mapping[str, BackendConfig],
    routes: tuple[Route, ...],
    policy: Mapping[str, Any],
    inputs: Mapping[str, Any],
    origins: Mapping[str, Origin],
    warnings: tuple[str, ...],
) -> Config:
    if not any(route.layer == 1 for route in routes):
        routes += _default_route(source, backends, bool(routes))
    named = tuple(dict.fromkeys(name for route in routes for name in route.backends))
    backends = _with_implicit(backends, named)
    _check_route_backends(backends, routes)
    return Config(
        source=source,
        backends=backends,
        routes=routes,
        policy=Policy(**policy),
        inputs=InputSettings(**inputs),
        origins=origins,
        warnings=warnings,
    )


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


# --- one file ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Document:
    """A parsed file that knows on which line a key stands."""

    path: Path
    root: Mapping[str, Any]
    prefix: tuple[str, ...]
    file: TomlFile

    @classmethod
    def read(cls, path: Path) -> _Document:
        from cloudai_pricing.tomlfile import TomlError, TomlFile

        if not path.exists():
            raise ConfigError(f"config file {path} does not exist: run `cloudai config init` to make one")
        try:
            file = TomlFile.load(path)
        except TomlError as error:
            raise ConfigError(str(error)) from error
        prefix = ("tool", "cloudai") if path.name == "pyproject.toml" else ()
        root: Any = file.data
        for key in prefix:
            root = root.get(key, {})
        return cls(path=path, root=root, prefix=prefix, file=file)

    def line(self, *keys: str) -> int | None:
        return self.file.line_of((*self.prefix, *keys))

    def origin(self, *keys: str) -> Origin:
        return Origin(place=str(self.path), line=self.line(*keys))

    def at(self, *keys: str) -> str:
        return str(self.origin(*keys))

    def table(self, *keys: str) -> Mapping[str, Any]:
        value: Any = self.root
        for depth, key in enumerate(keys):
            value = value.get(key, {})
            if not isinstance(value, dict):
                raise ConfigError(f"{self.at(*keys[: depth + 1])}: [{'.'.join(keys)}] must be a table")
        table: Mapping[str, Any] = value
        return table

    def expect_keys(self, keys: tuple[str, ...], known: Sequence[str]) -> None:
        for key in self.table(*keys):
            if key not in known:
                where = f" in [{'.'.join(keys)}]" if keys else ""
                raise ConfigError(f"{self.at(*keys, key)}: unknown key {key!r}{where}{nearest(key, known)}")


def _backends(document: _Document) -> Mapping[str, BackendConfig]:
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


def _routes(table: Mapping[str, Any], document: _Document | None, *, layer: int) -> tuple[Route, ...]:
    routes = []
    for pattern, value in table.items():
        origin = document.origin("routes", pattern) if document else Origin(place="environment CLOUDAI_ROUTES")
        routes.append(_route(pattern, value, origin, layer))
    return tuple(routes)


def _route(pattern: str, value: object, origin: Origin, layer: int) -> Route:
    from cloudai_pricing.operations import operations

    services = sorted({operation.service for operation in operations().values()})
    known = [*operations(), *(f"{service}.*" for service in services), "*"]
    if pattern not in known:
        raise ConfigError(f"{origin}: route {pattern!r} matches no operation{nearest(pattern, known)}")
    strategy: object = "ordered"
    if isinstance(value, dict):
        if unknown := sorted(set(value) - {"backends", "strategy"}):
            key = unknown[0]
            raise ConfigError(f"{origin}: unknown key {key!r} in route{nearest(key, ('backends', 'strategy'))}")
        strategy, value = value.get("strategy", "ordered"), value.get("backends")
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{origin}: route "{pattern}" needs a backend name or a list of them')
    if strategy in PLANNED_STRATEGIES:
        raise ConfigError(f'{origin}: strategy = "{strategy}" is not in this version of cloudai; "ordered" is')
    if strategy not in STRATEGIES:
        raise ConfigError(f"{origin}: unknown strategy {strategy!r}{nearest(str(strategy), STRATEGIES)}")
    return Route(pattern=pattern, backends=tuple(dict.fromkeys(names)), origin=origin, layer=layer)


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
    return _routes(table, None, layer=0)


# --- values --------------------------------------------------------------------------------------


def _policy(document: _Document) -> tuple[dict[str, Any], dict[str, Origin]]:
    known = tuple(Policy.__dataclass_fields__)
    document.expect_keys(("policy",), known)
    values: dict[str, Any] = {}
    for key, value in document.table("policy").items():
        where = document.at("policy", key)
        values[key] = _count(value, where, key) if key == "max_attempts" else parse_duration(value, where=where)
    return values, {f"policy.{key}": document.origin("policy", key) for key in values}


def _inputs(document: _Document) -> tuple[dict[str, Any], dict[str, Origin]]:
    document.expect_keys(("inputs",), tuple(InputSettings.__dataclass_fields__))
    values: dict[str, Any] = {}
    for key, value in document.table("inputs").items():
        where = document.at("inputs", key)
        if key == "allow_hosts":
            if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
                raise ConfigError(f'{where}: allow_hosts is a list of "host:port"')
            values[key] = frozenset(value)
        else:
            values[key] = parse_duration(value, where=where) if key == "max_seconds" else _count(value, where, key)
    return values, {f"inputs.{key}": document.origin("inputs", key) for key in values}


def _count(value: object, where: str, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{where}: {key} is a whole number of 1 or more, not {value!r}")
    return value


def parse_duration(value: object, *, where: str) -> float:
    """Seconds of `"20s"`, `"500ms"`, `"2m"`, `"1h"`."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (seconds := float(match[1]) * _SECONDS[match[2]]) <= 0:
        raise ConfigError(f'{where}: {value!r} is not a duration such as "20s", "500ms", "2m" or "1h"')
    return seconds


def expand(backend: BackendConfig, environ: Mapping[str, str] = os.environ) -> Mapping[str, Any]:
    """Its values with every `${NAME}` replaced. Raises `ConfigError` naming file, line and variable."""

    def replace(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {inner: replace(item, key) for inner, item in value.items()}
        if isinstance(value, list):
            return [replace(item, key) for item in value]
        return _VARIABLE.sub(lambda match: _variable(match[1], key), value) if isinstance(value, str) else value

    def _variable(name: str, key: str) -> str:
        if name not in environ:
            raise ConfigError(
                f"{backend.where(key)}: environment variable {name} is not set (backends.{backend.name}.{key})"
            )
        return environ[name]

    return {key: replace(value, key) for key, value in backend.values.items()}


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


def nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'x'?`, or the list of what is known when nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
