"""A draft checked into a `Workload`: strict, with file and line in every message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai_pricing.draft import LINE_KEYS, TOP_KEYS, Draft, Table, read_file
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import ZERO
from cloudai_pricing.operations import billable
from cloudai_pricing.units import base_of, plural
from cloudai_pricing.workload import MOST_LINES, Line, Local, Machine, Text, Workload
from cloudai_pricing.workload_values import (
    parse_count,
    parse_flag,
    parse_growth,
    parse_months,
    parse_names,
    parse_operation,
    parse_region,
    parse_request,
    parse_share,
    parse_text,
    parse_variant,
)
from cloudai_pricing.workload_volumes import volume_of

if TYPE_CHECKING:
    from cloudai_pricing.exit_settings import ExitSettings

_EVERYWHERE: tuple[str, Mapping[str, str]] = ("us", {})
_NO_VARIANT: tuple[str | None, Mapping[str, str]] = (None, {})
_MACHINE_KEYS = ("instance", "accelerator", "count", "hours", "runs", "spot", "replicas")


def load(path: str | Path) -> Workload:
    """Reads and checks a workload file. Raises `PlanError` with file, line and the fix."""
    return check(read_file(path))


def check(draft: Draft) -> Workload:
    """The workload of a draft. Raises `PlanError`."""
    top = Table(draft, (), draft.data, TOP_KEYS)
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
        exit=_exit(draft) if "exit" in draft.data else None,
    )


def _exit(draft: Draft) -> ExitSettings:
    from cloudai_pricing.exit_settings import parse_exit

    try:
        return parse_exit(draft.data["exit"])
    except PlanError as error:
        raise error.at(*draft.place(error.path)) from error


def _local(draft: Draft, lines: Sequence[Line]) -> Local:
    from cloudai_pricing.local import parse_local  # few workloads have machines of their own

    units = {name: operation.unit for name, operation in billable().items()}
    try:
        folder = Path(draft.name).parent if draft.file else None
        named = {line.name: line.unit for line in lines}
        return parse_local(draft.data["local"], units | named, tuple(named), folder)
    except PlanError as error:
        raise error.at(*draft.place(error.path)) from error


def _unique_names(draft: Draft, lines: Sequence[Line]) -> None:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line.name in seen:
            file, place = draft.place(("line", number, "name"))
            raise PlanError(f"two lines are called {line.name!r}", fix="Give each its own name", file=file, line=place)
        seen[line.name] = number


def _line(draft: Draft, number: int, data: object) -> Line:
    table = Table(draft, ("line", number), data, LINE_KEYS)
    operation = table.read("operation", parse_operation, "")
    if not operation:
        raise table.error(PlanError("a line has no operation", fix='Add a line operation = "vision.detect_labels"'))
    volume = volume_of(table, operation)
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
        text=_text(table, operation, volume.unit) if "chinese" in table.data or "markup" in table.data else None,
        region=table.read("region", parse_text, None),
        needs=table.read("needs", parse_names, ()),
        machine=_machine(table, operation),
    )


def _text(table: Table, operation: str, unit: str) -> Text | None:
    """What the characters are. Refused where nothing is counted in characters: the keys would change nothing."""
    key = "chinese" if "chinese" in table.data else "markup"
    if base_of(unit) != "character":
        why = f"{key} is a share of the characters of a text, and {operation} is stated in {plural(unit)} here"
        raise table.error(PlanError(why, fix="State the volume in characters, or drop it"), key)
    text = Text(*(table.read(name, parse_share, ZERO) for name in Text._fields))
    if text.chinese + text.markup > 1:
        raise table.error(PlanError("chinese and markup together are more than 100% of the text"), key)
    return text if any(text) else None


def _machine(table: Table, operation: str) -> Machine | None:
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
