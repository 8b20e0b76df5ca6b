"""The one vocabulary: the operations of `operations.toml`, and the two more kinds of line the planner knows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cloudai_pricing.tomlfile import TomlFile


class Operation(NamedTuple):
    """One operation: `unit` is what a workload states it in, `free` says that no provider bills it."""

    name: str
    verb: str
    unit: str
    title: str
    free: bool = False

    @property
    def service(self) -> str:
        """`vision` of `vision.detect_labels`."""
        return self.name.partition(".")[0]


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by name, in the order of the table."""
    file = TomlFile.load(Path(__file__).with_name("operations.toml"), name="operations.toml")
    rows = file.data["operation"]
    assert isinstance(rows, list)
    return {row["name"]: Operation(**row) for row in rows}


@cache
def billable() -> Mapping[str, Operation]:
    """The operations, and `storage` and `egress`: what a line of a workload may name, besides `other.*`."""
    return {
        **operations(),
        "storage": Operation(name="storage", verb="storage", unit="gb-month", title="Keep data"),
        "egress": Operation(name="egress", verb="egress", unit="gb", title="Move data out to the internet"),
    }
