"""The record of `cloudai measure`, read: the price of running a model oneself rests on it.

The record is JSON or TOML, `cloudai.measure/1`. What is taken from it: samples a second at the best batch size, watts
where they were read, p50 of one request, and on what it was measured: another machine is marked as an assumption.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import cut
from cloudai_pricing.units import base_of, factor

SCHEMA = "cloudai.measure/1"
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measurement. `per_second`: samples at the best batch size; `watts` None: could not be read."""

    file: str
    per_second: Decimal
    batch: int
    latency: Decimal
    """Seconds, the median of one request of one sample."""
    watts: Decimal | None
    idle_watts: Decimal | None
    hardware: str
    model: str
    """Hash of the model."""
    date: str

    def pace(self, unit: str) -> Decimal:
        """Base units of a line that the machine does in an hour, where one sample is one unit.

        Raises `PlanError` for a unit that is no sample: hours of speech, characters.
        """
        if base_of(unit) not in ("image", "page", "request", "unit", "record"):
            raise PlanError(
                f"{self.file} counts samples, and the line counts {unit}s", fix="Give throughput instead of measured"
            )
        return cut(self.per_second * 3600 * factor(unit))

    @property
    def words(self) -> str:
        """`measured on 2026-11-21: Xeon ..., batch 8`."""
        return f"measured on {self.date}: {self.hardware}, batch {self.batch}"


def read_record(value: object, folder: Path | None) -> Record | None:
    """Reads a record; a relative path starts at `folder`. Raises `PlanError`."""
    if not isinstance(value, str) or not value.strip():
        raise PlanError(f"{value!r} is not a file", fix='Write it like "record.json", made by cloudai measure')
    path = (folder or Path()) / value
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PlanError(f"{value} is larger than any record")
        text = path.read_text(encoding="utf-8")
        toml = path.suffix == ".toml"
        data = _toml(text) if toml else json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except OSError as error:
        raise PlanError(f"{value} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise PlanError(
            f"{value} is not a record of cloudai measure", fix="Make one: cloudai measure MODEL_DIR"
        ) from error
    return _record(value, data)


def _toml(text: str) -> object:
    import tomllib

    return tomllib.loads(text, parse_float=Decimal)


def _record(name: str, data: object) -> Record:
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise PlanError(
            f"{name} is not a record of cloudai measure", fix="Make one: cloudai measure MODEL_DIR --data FILE"
        )
    try:
        best, hardware = _table(data, "best"), _table(data, "hardware")
        found = Record(
            file=name,
            per_second=_positive(best["samples_per_second"]),
            batch=int(_positive(best["batch"])),
            latency=_positive(_table(data, "single")["p50_ms"]) / 1000,
            watts=_optional(best.get("watts")),
            idle_watts=_optional(data.get("idle_watts")),
            hardware=str(hardware["cpu"]) if hardware.get("gpu") is None else str(hardware["gpu"]),
            model=str(_table(data, "model")["sha256"]),
            date=str(data["date"]),
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise PlanError(f"{name} is not a whole record of cloudai measure: {error}", fix="Measure again") from error
    return found


def _table(data: Mapping[object, object], key: str) -> Mapping[str, object]:
    value = data[key]
    if not isinstance(value, Mapping):
        raise TypeError(f"{key} is not a table")
    return cast("Mapping[str, object]", value)


def _positive(value: object) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite() or number <= 0:
        raise ValueError(f"{value} is not a number above zero")
    return number


def _optional(value: object) -> Decimal | None:
    return None if value is None else _positive(value)
