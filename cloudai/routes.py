"""`[routes]`: which backends serve an operation, in what order, and under which conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from cloudai.config_document import Document, Origin, nearest, parse_count, parse_duration
from cloudai.errors import ConfigError

STRATEGIES: Final[Mapping[str, str]] = {
    "ordered": "as they are listed",
    "weighted": "by share, the same one for the same `key`",
    "cheapest": "by what this request costs at this month's tier",
    "fastest": "by measured p90 latency, now and then another to keep the measure fresh",
    "hedged": "as listed, with a second request when the first takes longer than usual",
}
_RATE = re.compile(r"(\d+(?:\.\d+)?) ?/ ?(s|min|h)")
_PER = {"s": 1.0, "min": 60.0, "h": 3600.0}
CACHE_KEYS: Final = ("max_age", "max_entries", "max_bytes")


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheSettings:
    """Answers kept by the content of the request, so that the same input is not paid twice."""

    max_age: float = 30 * 86400.0
    """Seconds."""
    max_entries: int = 10_000
    max_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Which backends serve the operations that match `pattern`: a name, `service.*` or `*`."""

    pattern: str
    backends: tuple[str, ...]
    strategy: str = "ordered"
    origin: Origin
    layer: int = 0
    """0: the environment, 1: the file. All routes of a lower layer come first."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Backend -> share, for `weighted`; one that is not named has 1."""
    residency: str | None = None
    """A country or area (`germany`, `eu`): a backend elsewhere is refused."""
    data_class: str | None = None
    """A word of the user's own: only backends whose `data_classes` have it are asked."""
    needs: tuple[str, ...] = ()
    """Features that a backend must declare."""
    max_cost: Decimal | None = None
    """USD: a backend where one call may cost more, or where the price is not known, is not asked."""
    redact: tuple[str, ...] = ()
    """Detectors whose finds are replaced before text leaves."""
    cache: CacheSettings | None = None

    @property
    def wildcard(self) -> bool:
        """A wildcard skips a backend that can't serve an operation; an exact route refuses it."""
        return self.pattern.endswith("*")

    def matches(self, operation: str) -> bool:
        """Whether `operation` is meant."""
        return self.pattern in ("*", operation) or (
            self.pattern.endswith(".*") and operation.startswith(self.pattern[:-1])
        )


ROUTE_KEYS: Final = (
    "backends", "strategy", "weights", "residency", "data_class", "needs", "max_cost", "redact", "cache"
)  # fmt: skip


def parse_routes(table: Mapping[str, Any], document: Document | None, *, layer: int) -> tuple[Route, ...]:
    """The routes of a file, or of the environment when there is no document."""
    routes = []
    for pattern, value in table.items():
        origin = document.origin("routes", pattern) if document else Origin(place="environment CLOUDAI_ROUTES")
        routes.append(_route(pattern, value, origin, layer))
    return tuple(routes)


def check_pattern(pattern: str, origin: Origin) -> str:
    """An operation's name, `service.*` or `*`. Raises `ConfigError` with the nearest."""
    from cloudai_pricing.operations import operations

    services = sorted({operation.service for operation in operations().values()})
    known = [*operations(), *(f"{service}.*" for service in services), "*"]
    if pattern not in known:
        raise ConfigError(f"{origin}: route {pattern!r} matches no operation{nearest(pattern, known)}")
    return pattern


def parse_rate(value: object, *, where: str) -> float | None:
    """Requests per second of `"5/s"`, `"300/min"`, `"1000/h"`; `None` for `"quota"`."""
    if value == "quota":
        return None
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise ConfigError(f'{where}: {value!r} is not a rate such as "5/s", "300/min", "1000/h" or "quota"')
    return float(match[1]) / _PER[match[2]]


def _route(pattern: str, value: object, origin: Origin, layer: int) -> Route:
    check_pattern(pattern, origin)
    table = value if isinstance(value, dict) else {"backends": value}
    for key in table:
        if key not in ROUTE_KEYS:
            raise ConfigError(f"{origin}: unknown key {key!r} in route{nearest(key, ROUTE_KEYS)}")
    given = table.get("backends")
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{origin}: route "{pattern}" needs a backend name or a list of them')
    backends = tuple(dict.fromkeys(names))
    strategy = _strategy(table.get("strategy", "ordered"), origin)
    return Route(
        pattern=pattern,
        backends=backends,
        strategy=strategy,
        origin=origin,
        layer=layer,
        weights=_weights(table.get("weights", {}), strategy, backends, origin),
        residency=_residency(table.get("residency"), origin),
        data_class=_word(table.get("data_class"), "data_class", origin),
        needs=_needs(table.get("needs", []), pattern, origin),
        max_cost=_max_cost(table.get("max_cost"), origin),
        redact=_redact(table.get("redact", []), origin),
        cache=_cache(table.get("cache"), origin),
    )


def _strategy(value: object, origin: Origin) -> str:
    if not isinstance(value, str) or value not in STRATEGIES:
        raise ConfigError(f"{origin}: unknown strategy {value!r}{nearest(str(value), STRATEGIES)}")
    return value


def _weights(value: object, strategy: str, backends: tuple[str, ...], origin: Origin) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise ConfigError(f'{origin}: weights is a table such as {{ "{backends[0]}" = 9 }}')
    if value and strategy != "weighted":
        raise ConfigError(f'{origin}: weights are for strategy = "weighted", and this route\'s is "{strategy}"')
    for name, share in value.items():
        if name not in backends:
            raise ConfigError(f"{origin}: weights names {name!r}, which is not on the route{nearest(name, backends)}")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < float("inf"):
            raise ConfigError(f"{origin}: the weight of {name} is a number of 0 or more, not {share!r}")
    if value and not sum(float(value.get(name, 1)) for name in backends):
        raise ConfigError(f"{origin}: all weights are 0: nobody would be asked")
    return {name: float(share) for name, share in value.items()}


def _residency(value: object, origin: Origin) -> str | None:
    from cloudai.residency import areas

    word = _word(value, "residency", origin)
    if word is not None and word not in areas():
        raise ConfigError(f"{origin}: unknown residency {word!r}{nearest(word, areas())}")
    return word


def _word(value: object, key: str, origin: Origin) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{origin}: {key} is a word, not {value!r}")
    return value


def _words(value: object, key: str, origin: Origin) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ConfigError(f"{origin}: {key} is a list of words, not {value!r}")
    return tuple(dict.fromkeys(value))


def _needs(value: object, pattern: str, origin: Origin) -> tuple[str, ...]:
    from cloudai.capabilities import FEATURES

    needs = _words(value, "needs", origin)
    if not needs:
        return ()
    known = FEATURES.get(pattern, ())
    for need in needs:
        if need not in known:
            hint = nearest(need, known) if known else ": name one operation in the route, features are per operation"
            raise ConfigError(f"{origin}: {pattern} has no feature {need!r}{hint}")
    return needs


def _max_cost(value: object, origin: Origin) -> Decimal | None:
    if value is None:
        return None
    amount, _, currency = value.partition(" ") if isinstance(value, str) else ("", "", "")
    try:
        parsed = Decimal(amount)
    except InvalidOperation:
        parsed = Decimal(-1)
    if currency != "USD" or not parsed.is_finite() or parsed < 0:
        raise ConfigError(f'{origin}: max_cost is an amount such as "0.01 USD", not {value!r}')
    return parsed


def _redact(value: object, origin: Origin) -> tuple[str, ...]:
    from cloudai.calls.redaction import DETECTORS

    names = _words(value, "redact", origin)
    for name in names:
        if name not in DETECTORS:
            raise ConfigError(f"{origin}: redact: unknown detector {name!r}{nearest(name, DETECTORS)}")
    return names


def _cache(value: object, origin: Origin) -> CacheSettings | None:
    if value is None or value is False:
        return None
    if value is True:
        return CacheSettings()
    if not isinstance(value, dict):
        raise ConfigError(f'{origin}: cache is true, or a table such as {{ max_age = "30d" }}')
    settings: dict[str, Any] = {}
    for key, item in value.items():
        if key not in CACHE_KEYS:
            raise ConfigError(f"{origin}: unknown key {key!r} in cache{nearest(key, CACHE_KEYS)}")
        duration = key == "max_age"
        settings[key] = parse_duration(item, where=str(origin)) if duration else parse_count(item, str(origin), key)
    return CacheSettings(**settings)
