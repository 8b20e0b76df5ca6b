"""`[plan]` of a workload file: what may be chosen, what running a model oneself takes, how good each answer is.

[plan]
regions = ["us", "eu"]             # where lines may go; default: the workload's region
providers = ["aws", "gcp"]         # default: all; exclude = [...] too
max_exit = "60000 USD"             # all that leaving may cost
look = "0.40 USD"                  # a human look at one wrong result
min_replicas = 1                   # any term of plan_defaults.toml; nested: people = { own = 2 }

[[plan.self]]                      # a model of your own that can do a line
line = "product photos"            # a line or an operation
throughput = "120 images/second"   # of one machine; or measured = "record.json" of `cloudai measure`
accelerator = "L4"                 # or instance = "g6.xlarge", of endpoints and machines in a cloud
where = ["endpoint", "cloud", "own"]   # own: the machines of [local]
training = "1200 USD"              # once
retraining = "300 USD/month"
error = "4%"
latency = "30 ms"
quality = 0.93

[[plan.quality]]                   # your own measurements of a provider
line = "product photos"
provider = "aws"
error = "3%"
latency = "220 ms"
quality = 0.95
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypeVar

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ONE, ZERO, cut, plain
from cloudai_pricing.exit_settings import dollars
from cloudai_pricing.exit_terms import Term
from cloudai_pricing.plan_records import Record, read_record
from cloudai_pricing.units import (
    MONTH_HOURS,
    convertible,
    factor,
    parse_number,
    parse_percent,
    parse_quantity,
    plural,
)
from cloudai_pricing.workload import Workload

T = TypeVar("T")
FILE = Path(__file__).with_name("plan_defaults.toml")
PLACES = ("endpoint", "cloud", "own")
KEYS = ("regions", "providers", "exclude", "max_exit", "look", "self", "quality")
SELF_KEYS = ("line", "throughput", "measured", "accelerator", "instance", "where", "training", "retraining", "error",
             "latency", "quality")  # fmt: skip
QUALITY_KEYS = ("line", "provider", "error", "latency", "quality")


@dataclass(frozen=True, kw_only=True)
class Goodness:
    """Measured by the user. `error`: the share of results that a person must look at; `latency` in seconds."""

    error: Decimal | None = None
    latency: Decimal | None = None
    quality: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Own:
    """A model of one's own for some lines. `pace`: base units that one machine does in an hour."""

    line: str
    pace: Decimal
    accelerator: str | None = None
    instance: str | None = None
    where: tuple[str, ...] = PLACES
    training: Decimal = ZERO
    retraining: Decimal = ZERO
    goodness: Goodness = field(default_factory=Goodness)
    record: Record | None = None


@cache
def defaults() -> Mapping[str, Term]:
    """The shipped terms by key."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["default"]
    return {str(row["key"]): Term(**{key: str(value) for key, value in row.items()}) for row in rows}


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """What the user said of the plan."""

    terms: Mapping[str, Term] = field(default_factory=defaults)
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_exit: Decimal | None = None
    look: Decimal | None = None
    own: tuple[Own, ...] = ()
    measured: Mapping[tuple[str, str], Goodness] = field(default_factory=dict)
    """(line or operation, provider) -> how good it is."""

    def number(self, key: str) -> Decimal:
        """A term as it is written."""
        return Decimal(self.terms[key].value)

    def allows(self, provider: str) -> bool:
        """Whether a provider may be used."""
        return provider not in self.exclude and (not self.providers or provider in self.providers)


def known_keys() -> tuple[str, ...]:
    """All keys of `[plan]`."""
    return (*KEYS, *dict.fromkeys(key.partition(".")[0] for key in defaults()))


def parse_plan(value: object, workload: Workload, folder: Path | None) -> PlanSettings:
    """Reads the table; `folder`: where relative paths start. Raises `PlanError` with the path of the wrong key."""
    if not isinstance(value, Mapping):
        raise PlanError("plan is not a table", fix="Write [plan] above its keys", path=("plan",))
    units = _units(workload)
    return PlanSettings(
        terms=_terms(value),
        regions=_read(value, ("plan",), "regions", _names, ()),
        providers=_read(value, ("plan",), "providers", _names, ()),
        exclude=_read(value, ("plan",), "exclude", _names, ()),
        max_exit=_read(value, ("plan",), "max_exit", _dollars, None),
        look=_read(value, ("plan",), "look", _dollars, None),
        own=tuple(_own(row, ("plan", "self", at), units, folder) for at, row in enumerate(_rows(value, "self"))),
        measured=dict(_quality(row, ("plan", "quality", at), units) for at, row in enumerate(_rows(value, "quality"))),
    )


def _units(workload: Workload) -> dict[str, str]:
    """Name of a line or an operation -> its unit."""
    return {line.operation: line.unit for line in workload.lines} | {line.name: line.unit for line in workload.lines}


def _rows(value: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
    rows = value.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise PlanError(
            f"{key} is not a list of tables", fix=f"Write [[plan.{key}]] above its keys", path=("plan", key)
        )
    return rows


def _terms(value: Mapping[str, object]) -> Mapping[str, Term]:
    found = dict(defaults())
    for name, given in value.items():
        if name in KEYS:
            continue
        pairs = given.items() if isinstance(given, Mapping) else [("", given)]
        for part, number in pairs:
            key = f"{name}.{part}" if part else name
            if key not in found:
                raise PlanError(f"unknown key {key!r}", fix=nearest(key, {*KEYS, *found}), path=("plan", name))
            found[key] = found[key]._replace(value=_number(key, number), set_by="[plan]")
    return found


def _number(key: str, value: object) -> str:
    text = str(value).removesuffix("%").removesuffix("USD").strip()
    try:
        number = Decimal(text) if not isinstance(value, bool) else Decimal("NaN")
    except ArithmeticError:
        number = Decimal("NaN")
    highest = {"utilisation": 100, "interruptions": 99, "min_replicas": 1000}.get(key, 1_000_000)
    least = 1 if key in ("min_replicas", "utilisation") else 0
    whole = key != "min_replicas" or number == number.to_integral_value()
    if not number.is_finite() or not least <= number <= highest or not whole:
        term = defaults()[key]
        fix = f'Write it like {key} = "{term.value}"'
        raise PlanError(f"{key} = {value!r} is no number of {term.unit}", fix=fix, path=("plan", key.partition(".")[0]))
    return plain(number)


def _read(
    table: Mapping[str, object], path: tuple[str | int, ...], key: str, parser: Callable[[object], T], default: T
) -> T:
    if key not in table:
        return default
    try:
        return parser(table[key])
    except PlanError as error:
        raise PlanError(f"{key}: {error.message}", fix=error.fix, path=(*path, key)) from error


def _known(table: Mapping[str, object], path: tuple[str | int, ...], keys: Sequence[str]) -> None:
    for key in table:
        if key not in keys:
            raise PlanError(f"unknown key {key!r}", fix=nearest(str(key), keys), path=(*path, str(key)))


def _own(
    table: Mapping[str, object], path: tuple[str | int, ...], units: Mapping[str, str], folder: Path | None
) -> Own:
    _known(table, path, SELF_KEYS)
    name = _line(table, path, units)
    record = _read(table, path, "measured", lambda text: read_record(text, folder), None)
    if ("throughput" in table) == (record is not None):
        raise PlanError(f"self of {name!r} needs throughput or measured", fix="Give one of them", path=path)
    if record is not None:
        pace = record.pace(units[name])
    else:
        pace = _read(table, path, "throughput", lambda text: _pace(text, units[name]), ZERO)
    if "accelerator" in table and "instance" in table:
        raise PlanError("accelerator and instance both say what it runs on", fix="Keep one", path=(*path, "instance"))
    goodness = _goodness(table, path)
    if goodness.latency is None and record is not None:
        goodness = Goodness(error=goodness.error, latency=record.latency, quality=goodness.quality)
    return Own(
        line=name,
        pace=pace,
        accelerator=_read(table, path, "accelerator", _text, None),
        instance=_read(table, path, "instance", _text, None),
        where=_read(table, path, "where", _where, PLACES),
        training=_read(table, path, "training", dollars, ZERO),
        retraining=_read(table, path, "retraining", _monthly, ZERO),
        goodness=goodness,
        record=record,
    )


def _quality(
    table: Mapping[str, object], path: tuple[str | int, ...], units: Mapping[str, str]
) -> tuple[tuple[str, str], Goodness]:
    _known(table, path, QUALITY_KEYS)
    provider = _read(table, path, "provider", _text, None)
    if provider is None:
        raise PlanError("quality names no provider", fix='Add provider = "aws"', path=path)
    return (_line(table, path, units), provider), _goodness(table, path)


def _line(table: Mapping[str, object], path: tuple[str | int, ...], units: Mapping[str, str]) -> str:
    name = table.get("line")
    if name not in units:
        raise PlanError(
            f"no line and no operation is called {name!r}", fix=nearest(str(name), units), path=(*path, "line")
        )
    return str(name)


def _goodness(table: Mapping[str, object], path: tuple[str | int, ...]) -> Goodness:
    return Goodness(
        error=_read(table, path, "error", _error, None),
        latency=_read(table, path, "latency", _latency, None),
        quality=_read(table, path, "quality", _share, None),
    )


def _error(value: object) -> Decimal | None:
    share = parse_percent(value, example="3%")
    if not ZERO <= share <= ONE:
        raise PlanError(f"{value!r} is not from 0% to 100%")
    return share


def _share(value: object) -> Decimal | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 <= value <= 1:
        return Decimal(str(value))
    raise PlanError(f"{value!r} is not a number from 0 to 1")


_SECONDS = {"ms": Decimal("0.001"), "s": ONE, "seconds": ONE, "second": ONE}


def _latency(value: object) -> Decimal | None:
    match = re.fullmatch(r"\s*([0-9][0-9_,.]*)\s*([a-z]+)\s*", value) if isinstance(value, str) else None
    if match is None or match.group(2) not in _SECONDS:
        raise PlanError(f"{value!r} is not a time in ms or s", fix='Write it like "220 ms"')
    return parse_number(match.group(1)) * _SECONDS[match.group(2)]


def _pace(value: object, unit: str) -> Decimal:
    quantity = parse_quantity(value, example="120 images/second")
    if quantity.period in (None, "once") or not quantity.amount or not convertible(quantity.unit, unit):
        raise PlanError(f"{value!r} is no speed", fix=f"Write {plural(unit)} per second, minute or hour")
    return cut(quantity.monthly() * factor(quantity.unit) / MONTH_HOURS)


def _monthly(value: object) -> Decimal:
    text = value.strip() if isinstance(value, str) else ""
    if not text.endswith("/month"):
        raise PlanError(f"{value!r} is not an amount a month", fix='Write it like "300 USD/month"')
    return dollars(text.removesuffix("/month"))


def _dollars(value: object) -> Decimal | None:
    return dollars(value)


def _text(value: object) -> str | None:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise PlanError(f"{value!r} is not a name")


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
        return tuple(dict.fromkeys(value))
    raise PlanError(f"{value!r} is not a list of names", fix='Write it like ["us", "eu"]')


def _where(value: object) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        if name not in PLACES:
            raise PlanError(f"unknown place {name!r}", fix=nearest(name, PLACES))
    return names
