"""A draft checked into a `Workload`: strict, with file and line in every message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from cloudai_pricing.draft import LINE_KEYS, TOP_KEYS, Draft, read_file
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, ONE, ZERO, cut, grouped
from cloudai_pricing.operations import billable
from cloudai_pricing.tomlfile import KeyPath
from cloudai_pricing.units import (
    Quantity,
    base_of,
    convertible,
    factor,
    parse_quantity,
    parse_rate,
    plural,
)
from cloudai_pricing.workload import MOST_LINES, Line, Local, Machine, Workload
from cloudai_pricing.workload_values import (
    parse_count,
    parse_duration,
    parse_flag,
    parse_growth,
    parse_months,
    parse_names,
    parse_operation,
    parse_range,
    parse_region,
    parse_replicas,
    parse_request,
    parse_schedule,
    parse_text,
    parse_variant,
)

T = TypeVar("T")

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
_EVERYWHERE: tuple[str, Mapping[str, str]] = ("us", {})
_NO_VARIANT: tuple[str | None, Mapping[str, str]] = (None, {})
_MACHINE_KEYS = ("instance", "accelerator", "count", "hours", "runs", "spot", "replicas")


def load(path: str | Path) -> Workload:
    """Reads and checks a workload file. Raises `PlanError` with file, line and the fix."""
    return check(read_file(path))


def check(draft: Draft) -> Workload:
    """The workload of a draft. Raises `PlanError`."""
    top = _Table(draft, (), draft.data, TOP_KEYS)
    tables = draft.data.get("line", [])
    if not isinstance(tables, list) or not tables:
        raise PlanError("the workload has no lines", fix="Write one or more [[line]] tables", file=draft.name)
    if len(tables) > MOST_LINES:
        raise PlanError(
            f"{len(tables)} lines are more than {MOST_LINES}", fix="Add up lines of one kind", file=draft.name
        )
    lines = [_line(draft, number, table) for number, table in enumerate(tables)]
    _unique_names(draft, lines)
    region, regions = top.read("region", parse_region, _EVERYWHERE)
    stem = Path(draft.name).stem if draft.file else "quick estimate"
    return Workload(
        name=top.read("name", parse_text, stem),
        lines=tuple(lines),
        region=region,
        regions=regions,
        months=top.read("months", parse_months, 12),
        local=_local(draft, lines) if "local" in draft.data else None,
    )


def _local(draft: Draft, lines: Sequence[Line]) -> Local:
    from cloudai_pricing.local import parse_local  # few workloads have machines of their own

    units = {name: operation.unit for name, operation in billable().items()}
    try:
        return parse_local(draft.data["local"], units | {line.name: line.unit for line in lines})
    except PlanError as error:
        raise error.at(*draft.place(error.path)) from error


class _Table:
    """One table of a draft: reads keys by a parser and puts the place on what the parser says."""

    def __init__(self, draft: Draft, path: KeyPath, data: object, known: Sequence[str]) -> None:
        self._draft = draft
        self._path = path
        if not isinstance(data, Mapping):
            raise self.error(PlanError("a line is a table", fix="Write [[line]] above it"))
        self.data = cast("Mapping[str, object]", data)
        for key in self.data:
            if key not in known:
                raise self.error(PlanError(f"unknown key {key!r}", fix=nearest(key, known)), key)

    def error(self, error: PlanError, key: str | None = None) -> PlanError:
        """With the place of a key of this table."""
        return error.at(*self._draft.place(self._path if key is None else (*self._path, key)))

    def read(self, key: str, parser: Callable[[object], T], default: T) -> T:
        """The parsed value of a key."""
        if key not in self.data:
            return default
        try:
            return parser(self.data[key])
        except PlanError as error:
            wrong = PlanError(f"{key}: {error.message}", fix=error.fix) if key not in error.message else error
            raise self.error(wrong, key) from error


def _unique_names(draft: Draft, lines: Sequence[Line]) -> None:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line.name in seen:
            file, place = draft.place(("line", number, "name"))
            raise PlanError(f"two lines are called {line.name!r}", fix="Give each its own name", file=file, line=place)
        seen[line.name] = number


def _line(draft: Draft, number: int, data: object) -> Line:
    table = _Table(draft, ("line", number), data, LINE_KEYS)
    operation = table.read("operation", parse_operation, "")
    if not operation:
        raise table.error(PlanError("a line has no operation", fix='Add a line operation = "vision.detect_labels"'))
    volume = _volume(table, operation)
    variant, variants = table.read("variant", parse_variant, _NO_VARIANT)
    return Line(
        name=table.read("name", parse_text, operation),
        operation=operation,
        unit=volume.unit,
        low=volume.low,
        likely=volume.likely,
        high=volume.high,
        reading=volume.reading,
        once=volume.once,
        growth=table.read("growth", parse_growth, ZERO),
        request=table.read("request", lambda value: parse_request(value, volume.unit), None),
        features=table.read("features", parse_names, ()),
        variant=variant,
        variants=variants,
        sku=table.read("sku", parse_text, None),
        channels=table.read("channels", parse_count, 1),
        targets=table.read("targets", parse_count, 1),
        region=table.read("region", parse_text, None),
        needs=table.read("needs", parse_names, ()),
        machine=_machine(table, operation),
    )


class _Volume(NamedTuple):
    """Base units per month in three cases, and how they were read."""

    unit: str
    low: Decimal
    likely: Decimal
    high: Decimal
    reading: str
    once: bool = False


def _volume(table: _Table, operation: str) -> _Volume:
    if "volume" in table.data:
        for key in ("hours", "runs", "replicas"):
            if key in table.data:
                raise table.error(PlanError(f"volume and {key} both say how much", fix="Keep one"), key)
        return _stated_volume(table, operation)
    if operation.startswith("custom.") and "hours" in table.data:
        return _machine_hours(table, operation)
    example = 'hours = "24/7"' if operation.startswith("custom.") else f'volume = "{_example(operation)}"'
    raise table.error(PlanError("a line has no volume", fix=f"Add a line {example}"))


def _stated_volume(table: _Table, operation: str) -> _Volume:
    def parse(value: object) -> Quantity:
        quantity = parse_quantity(value, example=_example(operation))
        if operation == "storage" and quantity.unit == "gb":  # 500 GB kept for a month are 500 GB-months
            quantity = Quantity(amount=quantity.amount, unit="gb-month", period=quantity.period)
        _fits(quantity, operation)
        return quantity

    stated = table.read("volume", parse, Quantity(amount=ZERO, unit="unit"))
    likely = _monthly(stated)
    low, high = table.read("range", parse_range, (ONE, ONE))
    if "range" in table.data and ("low" in table.data or "high" in table.data):
        raise table.error(PlanError("range and low/high both say how uncertain the volume is", fix="Keep one"), "range")
    bounds = [
        table.read(key, lambda value: _monthly(_alike(parse(value), stated)), cut(likely * share))
        for key, share in (("low", low), ("high", high))
    ]
    if not bounds[0] <= likely <= bounds[1]:
        key = "low" if bounds[0] > likely else "high"
        raise table.error(PlanError("low, volume and high are not in rising order"), key)
    reading = f"{stated if stated.period else f'{stated}/month'}"
    if stated.period not in (None, "month", "once"):
        monthly = Quantity(amount=cut(likely / factor(stated.unit)), unit=stated.unit, period="month")
        reading += f" = {monthly}"
    return _Volume(
        unit=stated.unit, low=bounds[0], likely=likely, high=bounds[1], reading=reading, once=stated.period == "once"
    )


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
    return {"second": "1500 hours/month", "character": "300M characters/month", "page": "20k pages/month"}.get(
        base_of(unit), f"3M {plural(unit)}/month"
    )


def _machine_hours(table: _Table, operation: str) -> _Volume:
    """Instance-hours a month of one machine: hours x runs of training, hours x replicas of an endpoint."""
    if operation == "custom.deploy":
        hours = table.read("hours", parse_schedule, ZERO)
        low, likely, high = table.read("replicas", parse_replicas, (ONE, ONE, ONE))
        reading = f"{grouped(hours)} hours/month x {grouped(likely)} replicas"
        if low != high:
            reading += f" ({grouped(low)} to {grouped(high)}; likely: their mean)"
    else:
        hours = table.read("hours", parse_duration, ZERO)
        written, runs = table.read("runs", lambda value: parse_rate(value, example="8/month"), (ONE, ONE))
        low = likely = high = runs
        reading = f"{grouped(hours)} hours x {grouped(runs)} runs/month"
        if "runs" not in table.data:
            reading = f"{grouped(hours)} hours, one run/month"
        elif written != runs:
            reading += f" ({table.data['runs']})"
    bounds = [cut(hours * times) for times in (low, likely, high)]
    return _Volume(unit="instance-hour", low=bounds[0], likely=bounds[1], high=bounds[2], reading=reading)


def _machine(table: _Table, operation: str) -> Machine | None:
    present = [key for key in _MACHINE_KEYS if key in table.data]
    if not present:
        return None
    if not operation.startswith("custom."):
        raise table.error(PlanError(f"{present[0]} is for custom.train, custom.deploy and the like"), present[0])
    instance, accelerator = table.read("instance", parse_text, None), table.read("accelerator", parse_text, None)
    if instance is not None and accelerator is not None:
        raise table.error(PlanError("instance and accelerator both say what it runs on", fix="Keep one"), "instance")
    return Machine(
        instance=instance,
        accelerator=accelerator,
        count=table.read("count", parse_count, 1),
        spot=table.read("spot", parse_flag, default=False),
    )
