"""How much a line of a workload buys: a volume, or hours by runs or replicas, each perhaps a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from cloudai_pricing.draft import Table
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import LARGEST, ONE, ZERO, cut, grouped
from cloudai_pricing.operations import billable
from cloudai_pricing.units import Quantity, base_of, convertible, factor, parse_quantity, plural
from cloudai_pricing.workload_values import (
    Span,
    ends_of,
    parse_duration,
    parse_range,
    parse_replicas,
    parse_runs,
    parse_schedule,
    parse_span,
)

# Units that some provider bills an operation in, beside the operation's own.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "vision.read_text": ("page",),
    "vision.read_document": ("image",),
    "speech.synthesize": ("request",),
    "translation.translate": ("request",),
    "translation.detect_language": ("record", "request"),
    "translation.translate_document": ("character",),
    "custom.predict": ("instance-hour", "gb-second"),
}


class Volume(NamedTuple):
    """Base units per month in three cases, and how they were read."""

    unit: str
    low: Decimal
    likely: Decimal
    high: Decimal
    reading: str
    once: bool = False


def volume_of(table: Table, operation: str) -> Volume:
    """What a line buys, from its volume or its hours. Raises `PlanError` with the place."""
    for key in ("growth", "request", "channels", "targets", "chinese", "markup", "count"):
        if isinstance(value := table.data.get(key), str) and ".." in value:
            fix = f"volume, hours, runs and replicas do; see several with --vary 'LINE.{key}=...'"
            raise table.error(PlanError(f"{key} takes no range", fix=fix), key)
    if "volume" in table.data:
        for key in ("hours", "runs", "replicas"):
            if key in table.data:
                raise table.error(PlanError(f"volume and {key} both say how much", fix="Keep one"), key)
        return _stated_volume(table, operation)
    if operation.startswith("custom.") and "hours" in table.data:
        return _machine_hours(table, operation)
    example = 'hours = "24/7"' if operation.startswith("custom.") else f'volume = "{_example(operation)}"'
    raise table.error(PlanError("a line has no volume", fix=f"Add a line {example}"))


def _stated_volume(table: Table, operation: str) -> Volume:
    def parse(value: object) -> Quantity:
        quantity = parse_quantity(value, example=_example(operation), any_name=operation.startswith("other."))
        quantity = _in_units_of(quantity, operation)
        _fits(quantity, operation)
        return quantity

    def parse_ends(value: object) -> tuple[Quantity, Quantity]:
        first, last = ends_of(value)
        return parse(first), parse(last)

    nothing = Quantity(amount=ZERO, unit="unit")
    first, stated = table.read("volume", parse_ends, (nothing, nothing))
    span = table.read("volume", lambda _: _span(first, stated), Span(low=ZERO, likely=ZERO, high=ZERO))
    low, high = span.low, span.high
    if low != high:
        for key in ("range", "low", "high"):
            if key in table.data:
                raise table.error(PlanError(f"volume is a range, {key} says it again", fix="Keep one"), key)
    else:
        low, high = _bounds(table, span.likely, lambda value: _monthly(_alike(parse(value), stated)))
    return Volume(
        unit=stated.unit, low=low, likely=span.likely, high=high, reading=_reading(first, stated, span),
        once=stated.period == "once",
    )  # fmt: skip


def _in_units_of(quantity: Quantity, operation: str) -> Quantity:
    """500 GB kept for a month are 500 GB-months; 10 hours of a machine are 10 instance-hours."""
    unit = billable()[operation].unit if operation in billable() else ""
    if unit == "gb-month" and quantity.unit == "gb":
        return quantity._replace(unit=unit, written=quantity.written or f"{grouped(quantity.amount)} GB")
    if unit == "instance-hour" and convertible(quantity.unit, "hour"):
        return quantity._replace(amount=quantity.to("hour"), unit=unit)
    return quantity


def _span(first: Quantity, last: Quantity) -> Span:
    low, high = _monthly(_alike(first, last)), _monthly(last)
    if low > high:
        raise PlanError(f"{first} to {last} does not rise", fix="Write the lower end first")
    return Span(low=low, likely=low if low == high else cut((low + high) / 2), high=high)


def _bounds(table: Table, likely: Decimal, parse: Callable[[object], Decimal]) -> tuple[Decimal, Decimal]:
    """What range, or low and high, make of a volume."""
    low, high = table.read("range", parse_range, (ONE, ONE))
    if "range" in table.data and ("low" in table.data or "high" in table.data):
        raise table.error(PlanError("range and low/high both say how uncertain the volume is", fix="Keep one"), "range")
    bounds = [table.read(key, parse, cut(likely * share)) for key, share in (("low", low), ("high", high))]
    if not bounds[0] <= likely <= bounds[1]:
        key = "low" if bounds[0] > likely else "high"
        raise table.error(PlanError("low, volume and high are not in rising order"), key)
    return bounds[0], bounds[1]


def _reading(first: Quantity, stated: Quantity, span: Span) -> str:
    """What was understood: `3 TB = 3,072 GB-months/month`."""
    monthly = Quantity(amount=cut(span.likely / factor(stated.unit)), unit=stated.unit, period="month")
    if first != stated:
        return f"{monthly}, the mean"
    reading = str(stated if stated.period else stated._replace(period="month"))
    if stated.period not in (None, "month", "once"):
        reading += f" = {monthly}"
    return f"{stated.written} = {reading}" if stated.written else reading


def _monthly(quantity: Quantity) -> Decimal:
    monthly = cut(quantity.monthly() * factor(quantity.unit))
    if monthly > LARGEST:
        raise PlanError(f"{quantity} is larger than any real workload", fix="Check the number of zeros")
    return monthly


def _alike(bound: Quantity, stated: Quantity) -> Quantity:
    if not convertible(bound.unit, stated.unit):
        raise PlanError(f"{bound} can't be compared with {stated}", fix=f"Write it in {plural(stated.unit)}")
    if (bound.period == "once") != (stated.period == "once"):
        raise PlanError(f"{bound} can't be compared with {stated}", fix="Use the same period for both")
    return bound


def _fits(quantity: Quantity, operation: str) -> None:
    """A unit that some provider bills the operation in. `other.*` takes any."""
    if operation.startswith("other."):
        return
    units = (billable()[operation].unit, *_ALSO.get(operation, ()))
    if not any(convertible(quantity.unit, unit) for unit in units):
        words = " or ".join(plural(unit) for unit in units)
        raise PlanError(
            f"{operation} is counted in {words}, not {plural(quantity.unit)}",
            fix=f'Write it like "{_example(operation)}"',
        )


def _example(operation: str) -> str:
    unit = billable()[operation].unit if operation in billable() else "unit"
    return {
        "second": "1500 hours/month",
        "character": "300M characters/month",
        "page": "20k pages/month",
        "instance-hour": "100 hours/month",
        "gb": "800 GB/month",
        "gb-month": "5 TB",
    }.get(base_of(unit), f"3M {plural(unit)}/month")


def _machine_hours(table: Table, operation: str) -> Volume:
    """Instance-hours a month of one machine: hours x runs of training, hours x replicas of an endpoint."""
    once = Span(low=ONE, likely=ONE, high=ONE)
    for key in ("low", "high"):
        if key in table.data:
            fix = 'Write hours, runs or replicas as a range, like "2..6", or range = "±30%"'
            raise table.error(PlanError(f"{key} goes with volume", fix=fix), key)
    if operation == "custom.deploy":
        hours = table.read("hours", lambda value: parse_span(value, parse_schedule), once)
        times = table.read("replicas", lambda value: parse_span(value, parse_replicas), once)
        reading = f"{hours} hours/month x {times} replica{'' if times.high == 1 else 's'}"
    else:
        hours = table.read("hours", lambda value: parse_span(value, parse_duration), once)
        times = table.read("runs", lambda value: parse_span(value, parse_runs), once)
        reading = f"{hours} hours x {times} runs/month" if "runs" in table.data else f"{hours} hours, one run/month"
        if isinstance(written := table.data.get("runs"), str) and "month" not in written:
            reading += f" ({written})"
    low, high = table.read("range", parse_range, (ONE, ONE))
    return Volume(
        unit="instance-hour",
        low=cut(hours.low * times.low * low),
        likely=cut(hours.likely * times.likely),
        high=cut(hours.high * times.high * high),
        reading=reading,
    )
