"""The record of a measurement, `cloudai.measure/1`: as data, JSON and TOML. `cloudai plan` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

SCHEMA = "cloudai.measure/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One batch size. Times in milliseconds of one run; `stable`: the last rounds agreed within the bound.

    `watts`: mean of what could be read while it ran; None: nothing could.
    """

    batch: int
    runs: int
    rounds: int
    stable: bool
    samples_per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    watts: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """What it ran on. `gpu` None: it did not run on one."""

    cpu: str
    cores: int
    memory_gb: float | None
    gpu: str | None
    device: str
    system: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """A model or data by its hash; `files`: how many, `samples`: of the data."""

    name: str
    sha256: str
    files: int
    samples: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One measurement. `single`: the smallest batch, `best`: the one with the most samples a second.

    `covers`: what was timed. `peak_memory_mb`: of this process, None where the system does not say.
    """

    date: str
    model: Content
    data: Content
    hardware: Hardware
    versions: Mapping[str, str]
    covers: str
    threads: int | None
    single: Point
    best: Point
    points: tuple[Point, ...]
    peak_memory_mb: float | None
    idle_watts: float | None
    watts_from: str

    def to_json(self) -> str:
        """With a newline at its end."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=2) + "\n"

    def to_toml(self) -> str:
        """The same keys; what is not known is left out."""
        return "\n".join(_toml({"schema": SCHEMA, **asdict(self)}, ())) + "\n"


def _toml(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if _is_plain(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", *_toml(value, (*path, key))]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for row in value:
                lines += ["", *_toml(row, (*path, key))]
                lines[lines.index(f"[{'.'.join((*path, key))}]")] = f"[[{'.'.join((*path, key))}]]"
    return lines


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
