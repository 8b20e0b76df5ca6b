"""A fault script as a TOML file: for `cloudai faults serve` and for `script="script.toml"`.

provider = "aws"                       # all of these are optional
latency = 0.05
clock_skew = -3600

[[script]]                             # for all requests
do = "status"
status = 503
times = 3                              # short for { do = "first", count = 3, step = ... }

[[script]]
do = "share"
p = 0.05
step = { do = "ok", slower = 10 }

[operations]                           # for one operation, or one call of the provider's
"speech.transcribe" = [{ do = "hang", seconds = 2 }]

[prices]                               # USD per unit, instead of the price book
"vision.detect_labels" = "0.001"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, get_type_hints

from cloudai.errors import ConfigError
from cloudai.testing.faults import script as scripted
from cloudai.testing.faults.script import Script, Step

KINDS: Final[Mapping[str, type[Any]]] = {
    "ok": scripted.Ok,
    "status": scripted.Status,
    "html": scripted.Html,
    "redirect": scripted.Redirect,
    "reset-before": scripted.ResetBefore,
    "reset-after-headers": scripted.ResetAfterHeaders,
    "close": scripted.Close,
    "hang": scripted.Hang,
    "slow": scripted.Slow,
    "truncated": scripted.Truncated,
    "garbage": scripted.Garbage,
    "then": scripted.Then,
    "first": scripted.First,
    "cycle": scripted.Cycle,
    "always": scripted.Always,
    "share": scripted.Share,
    "flapping": scripted.Flapping,
}
"""`do = "..."` -> what it makes; the other keys are its fields."""
_STEPS: Final = ("step", "otherwise", "steps")
_KEYS: Final = ("provider", "latency", "clock_skew", "script", "operations", "prices")


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A file's content."""

    provider: str | None = None
    latency: float = 0.0
    clock_skew: float = 0.0
    scripts: Mapping[str, Script]
    prices: Mapping[str, Decimal | str] | None = None


def load_script(path: str | Path) -> Loaded:
    """Raises `ConfigError` with the place in the file for what can't be understood."""
    try:
        written = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"script {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"script {path}: {error}") from error
    try:
        return _loaded(written)
    except _Wrong as wrong:
        raise ConfigError(f"script {path}: {wrong}") from None


class _Wrong(Exception):
    """What is wrong, and where."""


def _loaded(written: Mapping[str, object]) -> Loaded:
    _known(written, _KEYS, "the file")
    scripts: dict[str, Script] = {}
    if "script" in written:
        scripts["*"] = _steps(written["script"], "script")
    for name, steps in _table(written.get("operations", {}), "operations").items():
        scripts[name] = _steps(steps, f'operations."{name}"')
    provider = written.get("provider")
    if provider is not None and not isinstance(provider, str):
        raise _Wrong("provider is no text")
    prices = _table(written.get("prices", {}), "prices")
    return Loaded(
        provider=provider,
        latency=_seconds(written.get("latency", 0.0), "latency"),
        clock_skew=_seconds(written.get("clock_skew", 0.0), "clock_skew"),
        scripts=scripts,
        prices={name: _price(price, f'prices."{name}"') for name, price in prices.items()} or None,
    )


def _steps(value: object, where: str) -> Sequence[Step]:
    items = value if isinstance(value, list) else [value]
    return tuple(_step(each, f"{where}[{index}]") for index, each in enumerate(items))


def _step(value: object, where: str) -> Step:
    """One table. `times` repeats it."""
    from pydantic import TypeAdapter, ValidationError

    table = dict(_table(value, where))
    kind, times = table.pop("do", None), table.pop("times", None)
    if kind not in KINDS:
        raise _Wrong(f"{where}: do = {kind!r} is none of {', '.join(KINDS)}")
    made = KINDS[str(kind)]
    _known(table, [field.name for field in dataclasses.fields(made)], where)
    for name in _STEPS:
        if name in table:
            inner = _steps(table[name], f"{where}.{name}")
            table[name] = inner if name == "steps" else inner[0] if len(inner) == 1 else scripted.Then(inner)
    hints = get_type_hints(made)
    try:
        checked: dict[str, Any] = {
            name: value if name in _STEPS else TypeAdapter(hints[name]).validate_python(value, strict=True)
            for name, value in table.items()
        }
        step: Step = made(**checked)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _Wrong(f"{where}: {first['msg']} ({first['input']!r})") from None
    except (TypeError, ValueError) as error:
        raise _Wrong(f"{where}: {error}") from None
    return step if times is None else scripted.First(_count(times, where), step)


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Wrong(f"{where} is no table")
    return value


def _known(table: Mapping[str, object], names: Sequence[str], where: str) -> None:
    from cloudai.config_document import nearest

    for key in table:
        if key not in names:
            raise _Wrong(f"{where}: unknown key {key}{nearest(key, dict.fromkeys(names))}")


def _seconds(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"{where} is no number of seconds")
    return float(value)


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Wrong(f"{where}: times is no whole number from 1")
    return value


def _price(value: object, where: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise _Wrong(f"{where} is no price in USD") from None
