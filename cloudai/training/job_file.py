"""A training job in TOML: `TrainingJob`'s fields, and beside them `[sweep]` and `[tracking]`.

name = "digits"
script = "train.py"
source = "src"                       # relative to the file
accelerator = "4 x L4"               # or { name = "L4", count = 4 }, or { instance = "ml.g6.12xlarge" }
max_seconds = 3600                   # or max_time = "1h"
max_cost = "5 USD"
inputs = { train = "data/train", test = "s3://bucket/test" }
hyperparameters = { rate = 0.1, epochs = 20 }
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cloudai.config_document import nearest, parse_duration
from cloudai.errors import ConfigError, InvalidInput
from cloudai.training.package import is_remote
from cloudai.training.sweep import Sweep
from cloudai.training.tracking import Tracking
from cloudai.types.custom import Accelerator, TrainingJob
from cloudai.types.results import Model, Money
from cloudai_pricing.tomlfile import TomlError, TomlFile

T = TypeVar("T")
M = TypeVar("M", bound=Model)
_ACCELERATOR = re.compile(r"(?:(\d+)\s*x\s*)?([A-Za-z][\w.-]*)")
_MONEY = re.compile(r"([0-9.]+)\s*([A-Z]{3})?")


@dataclass(frozen=True, kw_only=True)
class JobFile:
    """What stands in one file."""

    job: TrainingJob
    sweep: Sweep | None = None
    tracking: Tracking | None = None


def read_job(path: str | Path) -> JobFile:
    """Paths in it are relative to the file. Raises `InvalidInput`: `job.toml:7: accelerator: ...`."""
    path = Path(path)
    try:
        file = TomlFile.load(path, name=str(path))
    except TomlError as error:
        raise InvalidInput(str(error)) from error
    written = dict(file.data)
    sweep = _part(file, "sweep", written, Sweep)
    tracking = _part(file, "tracking", written, Tracking)
    values = {key: _value(file, key, value) for key, value in written.items() if key != "max_time"}
    if "max_time" in written:
        values["max_seconds"] = int(_seconds(file, written["max_time"]))
    values["source"] = _beside(path, str(values.get("source", ".")))
    if isinstance(values.get("inputs"), dict):
        values["inputs"] = {name: _beside(path, address) for name, address in values["inputs"].items()}
    job = _valid(file, (), lambda: TrainingJob.model_validate(values), (*TrainingJob.model_fields, "max_time"))
    return JobFile(job=job, sweep=sweep, tracking=tracking)


def read_sweep(path: str | Path) -> Sweep:
    """A file of its own with what `[sweep]` may hold, at its top or below `[sweep]`."""
    try:
        file = TomlFile.load(Path(path), name=str(path))
    except TomlError as error:
        raise InvalidInput(str(error)) from error
    if "sweep" in file.data:
        found = _part(file, "sweep", dict(file.data), Sweep)
        assert found is not None
        return found
    return _valid(file, (), lambda: Sweep.model_validate(_with_money(file, dict(file.data))), Sweep.model_fields)


def accelerator_of(text: str) -> Accelerator:
    """`L4`, `4 x L4`, `none`. Raises `InvalidInput`."""
    match = _ACCELERATOR.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f'{text!r} is no accelerator such as "L4" or "4 x L4"')
    name = match[2]
    return Accelerator(name=name, count=0 if name.lower() == "none" else int(match[1] or 1))


def money_of(text: str) -> Money:
    """`5 USD`, `5`. Raises `InvalidInput`."""
    match = _MONEY.fullmatch(text.strip())
    try:
        assert match is not None
        return Money(amount=Decimal(match[1]), currency=match[2] or "USD")
    except (AssertionError, InvalidOperation):
        raise InvalidInput(f'{text!r} is no amount such as "5 USD"') from None


def _part(file: TomlFile, name: str, written: dict[str, Any], kind: type[M]) -> M | None:
    part = written.pop(name, None)
    if part is None:
        return None
    if not isinstance(part, dict):
        raise InvalidInput(f"{file.name}:{file.line_of((name,))}: {name} is a table: [{name}]")
    return _valid(file, (name,), lambda: kind.model_validate(_with_money(file, part, name)), kind.model_fields)


def _with_money(file: TomlFile, part: Mapping[str, Any], *above: str) -> dict[str, Any]:
    if isinstance(part.get("max_cost"), (str, int, float)):
        return {**part, "max_cost": _placed(file, (*above, "max_cost"), lambda: money_of(str(part["max_cost"])))}
    return dict(part)


def _value(file: TomlFile, key: str, value: Any) -> Any:
    if key == "accelerator" and isinstance(value, str):
        return _placed(file, (key,), lambda: accelerator_of(value))
    if key == "accelerator" and isinstance(value, dict) and value.get("name", "none") != "none":
        return {"count": 1, **value}
    if key == "accelerator" and not isinstance(value, dict):
        words = f'accelerator is "L4", "4 x L4", "none" or {{ instance = "..." }}, not {value!r}'
        raise InvalidInput(f"{_at(file, (key,))}: {words}")
    if key == "max_cost" and isinstance(value, (str, int, float)):
        return _placed(file, (key,), lambda: money_of(str(value)))
    return value


def _seconds(file: TomlFile, value: object) -> float:
    return _placed(file, ("max_time",), lambda: parse_duration(value, where="max_time"))


def _placed(file: TomlFile, path: tuple[str, ...], read: Callable[[], T]) -> T:
    try:
        return read()
    except (InvalidInput, ConfigError) as error:
        raise InvalidInput(f"{_at(file, path)}: {error.message}") from error


def _valid(file: TomlFile, above: tuple[str, ...], build: Callable[[], T], known: Iterable[str]) -> T:
    try:
        return build()
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])  # a slip of the pen first
        path = (*above, *(part for part in first["loc"] if isinstance(part, (str, int))))
        key = ".".join(str(part) for part in path)
        where = _at(file, path)
        if first["type"] == "extra_forbidden":
            raise InvalidInput(f"{where}: unknown key {key!r}{nearest(str(path[-1]), known)}") from None
        words = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{where}: {f'{key}: ' if key else ''}{words[:1].lower()}{words[1:]}") from None


def _at(file: TomlFile, path: tuple[str | int, ...]) -> str:
    line = file.line_of(path)
    return file.name if line is None else f"{file.name}:{line}"


def _beside(path: Path, address: Any) -> Any:
    if not isinstance(address, str) or is_remote(address):
        return address
    return str((path.parent / address).absolute())
