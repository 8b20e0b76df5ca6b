"""Machines of one's own as a provider: `[local]` of a workload file, and the prices that follow from it.

    [local]
    hardware = "3200 USD"              # one machine
    life = "36 months"
    power = "350 W"                    # at work
    idle_power = "60 W"                # up, with nothing to do; they are up all 730 hours of a month
    electricity = "0.30 USD/kWh"
    machines = 1
    utilisation = "80%"                # at most this share of the hours can be worked
    throughput = { "speech.transcribe" = "40 hours/hour", "product photos" = "25 images/second" }
    measured = { "defects" = "record.json" }     # of `cloudai measure`; one line alone: measured = "record.json"

A record gives the throughput, and power and idle_power where they are not said and it could read them.
Hardware and idle power are paid in every month in which any line uses the machines, once for all lines; work adds the
power above idling. What is more than the machines can do has no known price.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from cloudai_pricing.entries import Commitment, Price, Tier
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ONE, ZERO, cut, grouped, money, plain
from cloudai_pricing.plan_records import Record, read_record
from cloudai_pricing.regions import GLOBAL
from cloudai_pricing.selection import Charge
from cloudai_pricing.units import MONTH_HOURS, convertible, factor, parse_number, parse_percent, parse_quantity, plural
from cloudai_pricing.workload import Line, Local
from cloudai_pricing.workload_values import parse_count

T = TypeVar("T")
KEYS = ("hardware", "life", "power", "idle_power", "electricity", "machines", "utilisation", "throughput", "measured")
_AMOUNT = re.compile(r"\s*\$?\s*([0-9][0-9_,.]*)\s*([A-Za-z/]*)\s*")


@dataclass(frozen=True, kw_only=True)
class LocalPlan:
    """What bills a line on own machines: base units that one hour of a machine does, charges per such hour, a note."""

    pace: Decimal
    charges: tuple[Charge, ...]
    note: str


def parse_local(
    value: object, operations: Mapping[str, str], lines: Sequence[str] = (), folder: Path | None = None
) -> Local:
    """`operations`: name of a line or operation -> its unit; `lines`: those that are lines; `folder`: where relative
    paths of records start. Raises `PlanError` with the path of the wrong key.
    """
    if not isinstance(value, Mapping):
        raise PlanError("local is not a table", fix="Write [local] above its keys", path=("local",))
    for key in value:
        if key not in KEYS:
            raise PlanError(f"unknown key {key!r}", fix=nearest(str(key), KEYS), path=("local", str(key)))

    def read(key: str, parser: Callable[[object], T], default: T | None = None) -> T:
        if key not in value and default is not None:
            return default
        if key not in value:
            raise PlanError(f"local has no {key}", fix=f"Add a line like {_EXAMPLES[key]}", path=("local",))
        try:
            return parser(value[key])
        except PlanError as error:
            raise PlanError(f"{key}: {error.message}", fix=error.fix).about("local", key, *error.path) from error

    none: Mapping[str, Record] = {}
    records = read("measured", lambda given: _measured(given, operations, lines, folder), none)
    told = next(iter(records.values())) if len(records) == 1 else None
    power = read(
        "power", lambda text: _amount(text, "power", "w", "watt", "watts"), told.watts if told is not None else None
    )
    unsaid = told.idle_watts if told is not None and told.idle_watts is not None else ZERO
    idle = read("idle_power", lambda text: _amount(text, "idle_power", "w", "watt", "watts"), unsaid)
    if idle > power:
        raise PlanError("idle_power is more than power", path=("local", "idle_power"))
    return Local(
        hardware=read("hardware", lambda text: _amount(text, "hardware", "usd")),
        life=read("life", _life),
        power=power,
        idle_power=idle,
        electricity=read("electricity", lambda text: _amount(text, "electricity", "usd/kwh")),
        machines=read("machines", parse_count, 1),
        utilisation=read("utilisation", _utilisation, ONE),
        throughput={
            **{name: record.pace(operations[name]) for name, record in records.items()},
            **read("throughput", lambda table: _throughput(table, operations), {} if records else None),
        },
        records=tuple(f"{name} {record.words}" for name, record in records.items()),
    )


def _measured(
    value: object, operations: Mapping[str, str], lines: Sequence[str], folder: Path | None
) -> Mapping[str, Record]:
    """Name of a line or operation -> its record."""
    if isinstance(value, str):
        if len(lines) != 1:
            fix = 'Write measured = { "NAME" = "record.json" }'
            raise PlanError(f"{len(lines)} lines could be meant", fix=fix)
        value = {lines[0]: value}
    if not isinstance(value, Mapping):
        raise PlanError(f"{value!r} is no table of records", fix='Write measured = { "NAME" = "record.json" }')
    found = {}
    for name, file in value.items():
        if name not in operations:
            raise PlanError(f"no line and no operation is called {name!r}", fix=nearest(str(name), operations))
        if (record := read_record(file, folder)) is not None:
            record.pace(operations[name])
            found[str(name)] = record
    return found


_EXAMPLES = {
    "hardware": 'hardware = "3200 USD"',
    "life": 'life = "36 months"',
    "power": 'power = "350 W"',
    "idle_power": 'idle_power = "60 W"',
    "electricity": 'electricity = "0.30 USD/kWh"',
    "throughput": 'throughput = { "speech.transcribe" = "40 hours/hour" }',
}


def _amount(value: object, key: str, *units: str) -> Decimal:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    unit = match.group(2).lower() if match else ""
    if match is None or (
        unit not in units and not (units[0].startswith("usd") and unit == units[0][3:] and "$" in str(value))
    ):
        raise PlanError(f"{value!r} is not an amount in {units[0]}", fix=f"Write it like {_EXAMPLES[key]}")
    return parse_number(match.group(1))


def _life(value: object) -> Decimal:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    times = {"month": 1, "months": 1, "year": 12, "years": 12}.get(match.group(2).lower() if match else "")
    if match is None or times is None or not parse_number(match.group(1)):
        raise PlanError(f"{value!r} is not a time in months or years", fix=f"Write it like {_EXAMPLES['life']}")
    return parse_number(match.group(1)) * times


def _utilisation(value: object) -> Decimal:
    share = parse_percent(value, example="80%")
    if not ZERO < share <= ONE:
        raise PlanError(f"{value!r} is not above 0% and up to 100%")
    return share


def _throughput(value: object, units: Mapping[str, str]) -> Mapping[str, Decimal]:
    if not isinstance(value, Mapping) or not value:
        raise PlanError(f"{value!r} is not a table of throughputs", fix=f"Write it like {_EXAMPLES['throughput']}")
    found = {}
    for name, text in value.items():
        if name not in units:
            fix = nearest(str(name), units)
            raise PlanError(f"no line and no operation is called {name!r}", fix=fix, path=(str(name),))
        quantity = parse_quantity(text, example="25 images/second")
        if quantity.period in (None, "once") or not quantity.amount or not convertible(quantity.unit, units[name]):
            fix = f"Write {plural(units[name])} per second, minute or hour"
            raise PlanError(f"{text!r} is no speed of {name}", fix=fix, path=(str(name),))
        found[str(name)] = cut(quantity.monthly() * factor(quantity.unit) / MONTH_HOURS)
        if not found[str(name)]:
            raise PlanError(f"{text!r} is too slow to plan with", path=(str(name),))
    return found


def local_plan(own: Local, line: Line, as_of: str) -> LocalPlan | None:
    """How own machines bill a line; None: it has no throughput there."""
    pace = own.pace(line)
    if pace is None:
        return None
    hours = line.stated(pace)
    note = f"a machine does {grouped(hours)} {plural(line.unit)} an hour; machine-hours are billed"
    return LocalPlan(pace=pace, charges=_charges(own, as_of), note=note)


def _charges(own: Local, as_of: str) -> tuple[Charge, ...]:
    """Work by the hour; hardware and idling as monthly fees that include what the machines can do."""
    able = MONTH_HOURS * own.machines * own.utilisation
    kilowatt = own.electricity / 1000
    idling = kilowatt * own.idle_power * MONTH_HOURS * own.machines
    hardware = cut(own.hardware * own.machines / own.life)
    return (
        Charge(_price("electricity at work", as_of, each=kilowatt * (own.power - own.idle_power))),
        Charge(_price("hardware", as_of, terms=Commitment(fee=hardware, included=able, overage=None))),
        Charge(_price("electricity when idle", as_of, terms=Commitment(fee=idling, included=able, overage=ZERO))),
    )


def _price(sku: str, as_of: str, *, each: Decimal | None = None, terms: Commitment | None = None) -> Price:
    return Price(
        provider="local",
        service="own machines",
        sku=sku,
        kind="hosting",
        operations=(),
        region=GLOBAL,
        unit="instance-hour",
        tiers=() if each is None else (Tier(up_to=None, price=each),),
        effective_from=as_of,
        as_of=as_of,
        source="your own figures",
        confidence="own",
        where="[local]",
        commitment=terms,
        own=True,
    )


def assumed(own: Local) -> str:
    """What is taken for granted of the machines, in words."""
    count = "one machine" if own.machines == 1 else f"{own.machines} machines"
    return (
        f"Local: {count} at {money(own.hardware)} over {plain(own.life)} months, up all 730 hours of a month, "
        f"{plain(own.power)} W at work and {plain(own.idle_power)} W idle at {money(own.electricity)} per kWh, "
        f"up to {plain(own.utilisation * 100)}% of the hours at work; no staff, space or network."
        f"{''.join(f' {record}.' for record in own.records)}"
    )
