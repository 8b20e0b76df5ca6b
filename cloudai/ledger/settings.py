"""The `[budget]` table of `cloudai.toml` to typed settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Literal, TypeVar, cast
from urllib.parse import urlsplit

from cloudai.errors import ConfigError
from cloudai.ledger.entries import MICRO
from cloudai.ledger.periods import Every, zone_of

OnExceed = Literal["refuse", "warn"]
OnUnknownPrice = Literal["refuse", "allow"]
OnLedgerError = Literal["refuse", "warn"]
Synchronous = Literal["normal", "full"]
Where = Callable[..., str]
"""`where("monthly")`, `where("limit", 0, "tag")`: `file:line` of a key below `[budget]`; `where()` of the table."""

_MONEY = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*USD", re.IGNORECASE)
_LIMIT_KEYS = ("name", "tag", "backend", "operation", "monthly", "daily")
_LARGEST = 10**15
"""A thousand million USD: Redis counts in doubles, which are exact up to nine times that."""
_KEYS = (
    "monthly", "daily", "on_exceed", "on_unknown_price", "on_ledger_error", "warn_at", "ledger", "synchronous",
    "reservation_ttl", "timezone", "keep", "limit",
)  # fmt: skip
T = TypeVar("T", bound=str)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """At most `amount` micro-USD per month or day, for the calls that match. Empty: any."""

    every: Every
    amount: int
    tag: str = ""
    backend: str = ""
    operation: str = "*"
    """A name, `service.*` or `*`."""
    origin: str = "default"
    """`cloudai.toml:12`."""

    @property
    def scope(self) -> str:
        """Which calls it is about, as the ledger names it."""
        return f"{self.tag}|{self.backend}|{self.operation}"

    def matches(self, operation: str, backend: str, tag: str) -> bool:
        """Whether a call counts."""
        return (
            self.tag in ("", tag)
            and self.backend in ("", backend)
            and self.operation in ("*", operation, service_of(operation))
        )

    def __str__(self) -> str:
        parts = [f"tag {self.tag}" if self.tag else "", f"backend {self.backend}" if self.backend else ""]
        parts.append(self.operation if self.operation != "*" else "")
        about = ", ".join(part for part in parts if part)
        return f"{self.every} budget{f' of {about}' if about else ''}"


@cache
def service_of(operation: str) -> str:
    """`vision.*` of `vision.detect_labels`."""
    return f"{operation.partition('.')[0]}.*"


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetSettings:
    """`[budget]`. Money in micro-USD, times in seconds."""

    limits: tuple[Limit, ...] = ()
    on_exceed: OnExceed = "refuse"
    on_unknown_price: OnUnknownPrice = "refuse"
    on_ledger_error: OnLedgerError = "refuse"
    warn_at: tuple[int, ...] = (50, 80)
    """Percent of a limit."""
    ledger: str = "sqlite"
    """`sqlite` (in the user's state folder), `memory`, the path of a file, `postgresql://...` or `redis://...`."""
    synchronous: Synchronous = "normal"
    """`normal` survives the death of the process, `full` also that of the machine, for a flush to disk per call."""
    reservation_ttl: float = 900.0
    """After so long without a word, a reservation counts as spent at its bound."""
    timezone: str = "UTC"
    keep: int = 400
    """Days after which rows of calls are deleted."""

    def safe_ledger(self) -> str:
        """Where the ledger is, without a password."""
        return without_credentials(self.ledger)


def without_credentials(text: str) -> str:
    """An address without user, password and query; anything else as it is."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def budget_settings(table: Mapping[str, object], where: Where) -> BudgetSettings:
    """Of the parsed TOML table. Raises `ConfigError` with file and line."""
    _known(table, _KEYS, where, ())
    default = BudgetSettings()
    return BudgetSettings(
        limits=_limits(table, where),
        on_exceed=cast("OnExceed", _word(table, "on_exceed", ("refuse", "warn"), where)),
        on_unknown_price=cast("OnUnknownPrice", _word(table, "on_unknown_price", ("refuse", "allow"), where)),
        on_ledger_error=cast("OnLedgerError", _word(table, "on_ledger_error", ("refuse", "warn"), where)),
        warn_at=_percents(table["warn_at"], where("warn_at")) if "warn_at" in table else default.warn_at,
        ledger=_ledger(table.get("ledger", default.ledger), where("ledger")),
        synchronous=cast("Synchronous", _word(table, "synchronous", ("normal", "full"), where)),
        reservation_ttl=_duration(table, where, default.reservation_ttl),
        timezone=_timezone(table.get("timezone", default.timezone), where("timezone")),
        keep=_days(table.get("keep", default.keep), where("keep")),
    )


def _known(table: Mapping[str, object], known: Sequence[str], where: Where, path: tuple[object, ...]) -> None:
    from cloudai.config_document import nearest

    for key in table:
        if key not in known:
            raise ConfigError(f"{where(*path, key)}: unknown key {key!r} in [budget]{nearest(key, known)}")


def _word(table: Mapping[str, object], key: str, words: tuple[str, ...], where: Where) -> str:
    """One of some words; the first is the default."""
    value = table.get(key, words[0])
    if value not in words:
        from cloudai.config_document import nearest

        raise ConfigError(f"{where(key)}: unknown {key} {value!r}{nearest(str(value), words)}")
    return str(value)


def _limits(table: Mapping[str, object], where: Where) -> tuple[Limit, ...]:
    found = [*_amounts(table, where, ())]
    listed = table.get("limit", [])
    if not isinstance(listed, list):
        raise ConfigError(f"{where('limit')}: write [[budget.limit]], with two brackets")
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise ConfigError(f"{where('limit', number)}: [[budget.limit]] is a table")
        _known(entry, _LIMIT_KEYS, where, ("limit", number))
        amounts = list(_amounts(entry, where, ("limit", number)))
        if not amounts:
            raise ConfigError(f'{where("limit", number)}: [[budget.limit]] needs monthly = "20 USD" or daily')
        found += amounts
    _distinct(found)
    return tuple(found)


def _amounts(entry: Mapping[str, object], where: Where, path: tuple[object, ...]) -> list[Limit]:
    """One limit for each of `monthly` and `daily` that is there."""
    scope = {key: _name(entry[key], key, where(*path, key)) for key in ("tag", "backend") if key in entry and path}
    if "operation" in entry and path:
        scope["operation"] = _operation(entry["operation"], where(*path, "operation"))
    return [
        Limit(every=every, amount=_money(entry[every], where(*path, every), every), origin=where(*path, every), **scope)
        for every in Every
        if every in entry
    ]


def _distinct(limits: Sequence[Limit]) -> None:
    seen: dict[tuple[str, Every], Limit] = {}
    for limit in limits:
        first = seen.setdefault((limit.scope, limit.every), limit)
        if first is not limit:
            raise ConfigError(f"{limit.origin}: there is a {limit} already, at {first.origin}: keep one")


def _name(value: object, key: str, place: str) -> str:
    if not isinstance(value, str) or not value or "|" in value:
        raise ConfigError(f"{place}: {key} is a name, not {value!r}")
    return value


def _operation(value: object, place: str) -> str:
    from cloudai.config_document import nearest
    from cloudai_pricing.operations import operations

    services = sorted({operation.service for operation in operations().values()})
    known = [*operations(), *(f"{service}.*" for service in services), "*"]
    if value not in known:
        raise ConfigError(f"{place}: {value!r} matches no operation{nearest(str(value), known)}")
    return str(value)


def parse_money(text: object) -> int:
    """Micro-USD of `"500 USD"` or `"0.25 USD"`. Raises `ValueError`."""
    match = _MONEY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{text!r} is not an amount such as "500 USD"')
    try:
        amount = Decimal(match[1].replace(",", "").replace("_", "")) * MICRO
    except InvalidOperation as error:
        raise ValueError(f'{text!r} is not an amount such as "500 USD"') from error
    if amount != amount.to_integral_value() or amount > _LARGEST:
        raise ValueError(f"{text!r} is finer than a millionth of a USD, or above 1,000,000,000 USD")
    return int(amount)


def _money(value: object, place: str, key: str) -> int:
    try:
        return parse_money(value)
    except ValueError as error:
        raise ConfigError(f"{place}: {key} = {error}") from None


def _percents(value: object, place: str) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else [value]
    found = []
    for each in listed:
        text = each.strip() if isinstance(each, str) else ""
        number = text.removesuffix("%").strip()
        if not text.endswith("%") or not number.isdecimal() or not 0 < int(number) <= 100:
            raise ConfigError(f'{place}: warn_at is a list of percentages such as ["50%", "80%"], not {each!r}')
        found.append(int(number))
    return tuple(sorted(set(found)))


def _ledger(value: object, place: str) -> str:
    """The scheme is checked here; whether it can be opened is seen when it is."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{place}: ledger is "sqlite", "memory", a path, "postgresql://..." or "redis://..."')
    scheme, separator, _ = value.partition("://")
    if separator and scheme not in ("postgresql", "postgres", "redis", "rediss", "unix"):
        raise ConfigError(f"{place}: no ledger speaks {scheme}://; there are postgresql:// and redis://, or a path")
    return value


def _duration(table: Mapping[str, object], where: Where, default: float) -> float:
    if "reservation_ttl" not in table:
        return default
    from cloudai.config_document import parse_duration

    return parse_duration(table["reservation_ttl"], where=where("reservation_ttl"))


def _timezone(value: object, place: str) -> str:
    try:
        zone_of(str(value))
    except ValueError as error:
        raise ConfigError(f"{place}: timezone: {error}") from None
    return str(value)


def _days(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 62:
        raise ConfigError(f"{place}: keep is a number of days, 62 (two months) or more, not {value!r}")
    return value
